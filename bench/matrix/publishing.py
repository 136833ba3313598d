"""Writes what the rows say: docs/support.md for people, support.json for the wheel."""

import importlib.metadata
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.matrix.architectures import ARCHITECTURES, COMMON
from bench.matrix.rows import Row, rows
from firstlight_core.errors import ModelRefused
from firstlight_core.files import JsonObject
from firstlight_core.model.builder_support import supported_architectures
from firstlight_core.model.folder import ModelFolder
from firstlight_core.model.refusals import refuse_config_kind
from firstlight_core.model.support import TABLE, Table

TOOLS = ("onnxruntime-genai", "onnxruntime", "olive-ai", "transformers", "torch", "peft")
CUDA_ONLY = ("PhiMoEForCausalLM",)
_SIGNS = {"right": "✓", "refused": "refused", "wrong": "**wrong**", "failed": "**fails**"}
_WORST = ("right", "refused", "unmade", "failed", "wrong")
_INSTEAD: dict[str, JsonObject] = {
    "WhisperForConditionalGeneration": {"is_encoder_decoder": True, "model_type": "whisper"},
    "ChatGLMModel": {"model_type": "chatglm"},
    "ChatGLMForConditionalGeneration": {"model_type": "chatglm"},
    "InternLM2ForCausalLM": {"model_type": "internlm2"},
    "Phi3SmallForCausalLM": {"model_type": "phi3small"},
    "PhiMoEForCausalLM": {"model_type": "phimoe"},
    "VideoChatFlashQwenForCausalLM": {"model_type": "videochat_flash_qwen"},
}


def publish(made: Mapping[str, Mapping[str, Any]], docs: Path, table: Path = TABLE) -> None:
    """Write both from the rows that were made."""
    summary = summarise(made)
    table.write_text(
        json.dumps(summary, indent=1, ensure_ascii=False, sort_keys=True) + "\n", "utf-8"
    )
    docs.write_text(page(made, summary), "utf-8")


def summarise(made: Mapping[str, Mapping[str, Any]]) -> Table:
    """Architecture → axis → value → the worst status of its rows."""
    statuses: dict[str, dict[str, dict[str, str]]] = {}
    for row in rows():
        if (result := made.get(row.key)) is None:
            continue
        axes = statuses.setdefault(row.architecture.name, defaultdict(dict))
        for axis, value in traits_of(row):
            if result["status"] == "refused" and (row.axis, axis) == ("rope", "head size"):
                # Refused for its rope, a row says nothing of the size that its heads happen to have.
                continue
            before = axes[axis].get(value, "right")
            axes[axis][value] = max(before, str(result["status"]), key=_WORST.index)
    return {
        "measured_with": {name: importlib.metadata.version(name) for name in TOOLS},
        "architectures": {name: dict(axes) for name, axes in statuses.items()},
    }


def traits_of(row: Row) -> list[tuple[str, str]]:
    """The axes and values of support.json that a row speaks for."""
    architecture = row.architecture
    if row.axis == "rope":
        # Their heads are 64 wide (rows.py).
        return [("rope", row.value.partition(",")[0]), ("head size", "64")]
    if row.axis == "window":
        # A setting without effect is no window.
        active = row.config.get("use_sliding_window", True) and row.config["sliding_window"] < 400
        return [("window", "window")] if active else []
    if row.axis == "bias":
        return [("bias", row.value.split()[0])]
    if row.axis == "model":
        activation = row.config.get("hidden_activation") or row.config.get("hidden_act")
        activation = activation or _default_activation(architecture.model_type)
        size = row.config.get("head_dim") or (
            row.config["hidden_size"] // row.config["num_attention_heads"]
        )
        base = [("model", "plain"), ("head", "untied"), ("rope", "default"), ("type", "float32")]
        base.append(("head size", str(size)))
        own = [("window", "window")] if row.config.get("sliding_window") else []
        return [*base, *own, ("activation", str(activation))]
    if row.axis == "head" and row.value in ("tied", "config tied, own head"):
        return [("head", row.value)]
    if row.axis in ("type", "activation", "head size", "LoRA", "setting"):
        return [(row.axis, row.value)]
    return []


def _default_activation(model_type: str) -> str:
    from transformers import AutoConfig

    made = AutoConfig.for_model(model_type)
    return str(getattr(made, "hidden_activation", None) or getattr(made, "hidden_act", "silu"))


def page(made: Mapping[str, Mapping[str, Any]], table: Table) -> str:
    """docs/support.md."""
    counts: defaultdict[str, int] = defaultdict(int)
    for result in made.values():
        counts[result["status"]] += 1
    tools = ", ".join(f"{name} {version}" for name, version in table["measured_with"].items())
    right = [
        r["figures"]["fp32"]["kl"]
        for r in made.values()
        if "fp32" in r.get("figures", {}) and r["status"] == "right"
    ]
    lines = [
        "# What converts, measured",
        "",
        f"Written by `make matrix` with {tools}. {len(made)} rows: {counts['right']} right, "
        f"{counts['refused']} refused when the folder is inspected, "
        f"{counts['wrong'] + counts['failed'] + counts['unmade']} wrong.",
        "",
        "Each row is a tiny model with random weights of a lively scale, converted as a user's is and held against",
        "transformers (adapters: against the unmerged PEFT model): logits token by token, a prompt of 150 tokens and",
        "20 steps after it, and a prompt of 5 tokens with 160 steps, so past every window and original rope length.",
        f"FP32 is right when the mean KL divergence is below 1e-9 nats; the largest of a right row is {max(right, default=0):.1g}.",
        "INT8 and INT4 of the plain, tied, biased and windowed models are checked for saying what the model says, coarsely:",
        "how much they lose is a matter of each model (see docs/gate.md and the drift of each artifact).",
        "✓ is right, – was not made: no trait of that architecture, or a variant that only the larger families have.",
        "What is refused says why in `firstlight inspect`, before any long step.",
        "",
        *_architectures(table),
        "",
        "## Rope scaling",
        "",
        *_matrix(table, "rope", ("default", "linear", "dynamic", "llama3", "yarn", "longrope")),
        "",
        "`dynamic` acts beyond `max_position_embeddings` only, which is the context of the artifact: within it the",
        "default table is exact. `yarn` stands for four rows (without and with betas, with mscale, with an attention factor",
        "and `truncate: false`), `llama3` for two.",
        "",
        "## Head sizes",
        "",
        *_matrix(
            table,
            "head size",
            sorted(
                {v for a in table["architectures"].values() for v in a.get("head size", {})},
                key=int,
            ),
        ),
        "",
        "## LoRA",
        "",
        *_matrix(table, "LoRA", _values(table, "LoRA")),
        "",
        "## Settings and activations",
        "",
        *_settings(made),
        "",
        "## Planted faults",
        "",
        *_faults(),
        "",
        "## What is refused or wrong, row by row",
        "",
        *_bad(made),
        "",
        "## What the builder lists and Firstlight refuses",
        "",
        *_refused(),
        "",
        "## What the conversion corrects",
        "",
        *CORRECTIONS,
        "",
    ]
    return "\n".join(lines)


FAULTS_FILE = Path(__file__).resolve().parents[2] / "bench" / "results" / "matrix_faults.jsonl"
"""The output of `python -m bench.matrix.faults`."""


def _faults() -> list[str]:
    """A planted fault an axis, and what its row showed."""
    lines = [
        "`python -m bench.matrix.faults` plants one fault an axis into the conversion; the row must see it.",
        "",
        "| planted | row | KL sound | KL planted |",
        "|---|---|---|---|",
    ]
    for line in FAULTS_FILE.read_text("utf-8").splitlines():
        record = json.loads(line)
        figures = f"{record['sound']:.1e} | {record['planted']:.1e}"
        lines.append(f"| {record['fault']} | {record['row']} | {figures} |")
    return lines


CORRECTIONS = (
    "onnxruntime-genai 0.18's builder alone gets these wrong or fails; the modules of `core/firstlight_core/jobs/` mend them",
    "in the conversion's child process; where the builder is right, they change nothing.",
    "",
    "| module | what the builder does alone |",
    "|---|---|",
    "| `rope_tables` | drops linear, dynamic, yarn and longrope scaling of Llama, SmolLM3 and Nemotron; fails for dynamic, longrope and yarn without betas elsewhere; ignores `attention_factor` and `truncate`; rotates half a head for a stray `partial_rotary_factor`; scales Ernie's positions by a `compression_ratio` that transformers ignores |",
    "| `attention_window` | gives Mistral and Phi-3 no window in the graph and a window without layers in genai_config.json: generation dies past it |",
    "| `own_head` | believes a tied config.json over weights with another output head |",
    "| `exact_numbers` | rounds Gemma's embedding scale to two decimals; adds the 1 of Gemma's and Nemotron's norm weights in bfloat16; takes 1e-6 for the epsilon of Phi, Nemotron and OLMo; gives OLMo an RMS norm; caps the attention of Gemma 3 |",
    "| `head_sizes` | fails for heads that are no multiple of 16 wide, for partial rotations that are none, and for every SmolLM3 with layers without rope; takes any matrix as tall as the vocabulary for the output head |",
    "| `moe_experts` | reads the experts of a quantised gpt-oss from MXFP4 tensors only, which a fine-tuned one in bfloat16 does not have |",
    "| `tied_int8` | shares one 4-bit table between both ends of a tied model, but no 8-bit one |",
)


def _architectures(table: Table) -> list[str]:
    head = "| architecture | FP32, INT8, INT4 | bf16, fp16 weights | tied | config tied, own head | biases | window |"
    lines = [head, "|---|---|---|---|---|---|---|"]
    for architecture in ARCHITECTURES:
        axes = table["architectures"].get(architecture.name, {})
        types = [axes.get("type", {}).get(value) for value in ("bfloat16", "float16")]
        cells = [
            _sign(axes.get("model", {}).get("plain")),
            _sign(_together(types)),
            _sign(axes.get("head", {}).get("tied")),
            _sign(axes.get("head", {}).get("config tied, own head")),
            _sign(_together(list(axes.get("bias", {}).values()))),
            _sign(axes.get("window", {}).get("window")),
        ]
        lines.append(f"| {architecture.name.removesuffix('ForCausalLM')} | {' | '.join(cells)} |")
    return lines


def _matrix(table: Table, axis: str, values: Sequence[str]) -> list[str]:
    lines = ["| | " + " | ".join(values) + " |", "|---|" + "---|" * len(values)]
    for architecture in ARCHITECTURES:
        have = table["architectures"].get(architecture.name, {}).get(axis, {})
        cells = " | ".join(_sign(have.get(value)) for value in values)
        lines.append(f"| {architecture.name.removesuffix('ForCausalLM')} | {cells} |")
    return lines


def _values(table: Table, axis: str) -> list[str]:
    seen: dict[str, None] = {}
    for axes in table["architectures"].values():
        for value in axes.get(axis, {}):
            seen.setdefault(value)
    return list(seen)


def _together(states: Sequence[str | None]) -> str | None:
    known = [state for state in states if state is not None]
    return max(known, key=_WORST.index) if known else None


def _sign(state: str | None) -> str:
    return "–" if state is None else _SIGNS.get(state, state)


def _settings(made: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = ["| architecture | setting | |", "|---|---|---|"]
    for row in rows():
        pair = " and " in row.axis
        if row.axis in ("setting", "activation", "sizes", "window") or pair:
            if (result := made.get(row.key)) is None:
                continue
            name = row.architecture.name.removesuffix("ForCausalLM")
            axis = "" if row.axis == "setting" else f"{row.axis}: "
            lines.append(f"| {name} | {axis}{row.value} | {_sign(result['status'])} |")
    return lines


def _bad(made: Mapping[str, Mapping[str, Any]]) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for row in rows():
        result = made.get(row.key)
        if result is not None and result["status"] != "right":
            name = row.architecture.name.removesuffix("ForCausalLM")
            why = str(result.get("why", "")).replace("\n", " ").replace("|", "/")[:300]
            sentence = f"{_sign(result['status'])}: {why}".replace(row.architecture.name, "it")
            reasons.setdefault(sentence, []).append(f"{name} ({row.axis}: {row.value})")
    if not reasons:
        return ["Nothing."]
    return [f"* {why}  \n  {', '.join(names)}" for why, names in reasons.items()]


def _refused() -> list[str]:
    known = supported_architectures() or frozenset()
    measured = {architecture.name for architecture in ARCHITECTURES}
    lines = ["| architecture | what `firstlight inspect` says |", "|---|---|"]
    for name in sorted((known | set(CUDA_ONLY)) - measured):
        config: JsonObject = {"architectures": [name], **COMMON}
        config |= _INSTEAD.get(name, {"vision_config": {}})
        try:
            refuse_config_kind(ModelFolder(Path(), {}, ()), config)
            says = "not measured"
        except ModelRefused as refused:
            says = str(refused)
        lines.append(f"| {name} | {says} |")
    return lines
