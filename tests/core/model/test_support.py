"""What the measured matrix answers for one model, and that its table covers the builder."""

import json
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.errors import ModelRefused
from firstlight_core.model import support
from firstlight_core.model.builder_limits import LIMITS, notes, refuse_known_wrong
from firstlight_core.model.builder_support import native_models, supported_architectures
from firstlight_core.model.config import ModelShape, read_shape
from firstlight_core.model.inspection import inspect_model
from firstlight_core.model.support import Table, judge, lora_kinds, read_table
from tests.support.tiny_models import tiny_hf

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 400,
    "max_position_embeddings": 512,
    "hidden_act": "silu",
    "dtype": "bfloat16",
}
MEASURED: Table = {
    "measured_with": {"onnxruntime-genai": "0.18.0"},
    "architectures": {
        "LlamaForCausalLM": {
            "model": {"plain": "right"},
            "head size": {"16": "right"},
            "rope": {"default": "right", "linear": "right", "odd": "wrong"},
            "head": {"untied": "right", "config tied, own head": "right"},
            "activation": {"silu": "right"},
            "type": {"bfloat16": "right"},
            "LoRA": {"plain": "right", "DoRA": "right", "embedding, tied": "failed"},
        }
    },
}


def shape(**values: Any) -> ModelShape:
    return read_shape({**LLAMA, **values})


def asked(installed: str = "0.18.0", adapter: Any = None, **values: Any) -> support.Support:
    return judge(
        {**LLAMA, **values},
        shape(**values),
        tied=False,
        adapter=adapter,
        table=MEASURED,
        installed={"onnxruntime-genai": installed},
    )


def test_a_model_is_proven_when_each_trait_of_it_has_a_row() -> None:
    verdict = asked()
    assert verdict.status == "proven"
    assert "head size 16" in verdict.reason and "bfloat16" in verdict.reason


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"head_dim": 48}, "head size 48"),
        ({"rope_scaling": {"type": "yarn", "factor": 2.0}}, "yarn rope"),
        ({"rope_parameters": {"rope_type": "su"}}, "longrope rope"),
        ({"attention_bias": True}, "biases"),
        ({"sliding_window": 40}, "a window of 40"),
        ({"hidden_act": "relu"}, "relu activation"),
        ({"dtype": "float16"}, "float16 weights"),
    ],
)
def test_a_trait_without_a_row_is_named(values: dict[str, Any], named: str) -> None:
    verdict = asked(**values)
    assert verdict.status == "unproven"
    assert verdict.reason.startswith(named)


@pytest.mark.parametrize(
    "values",
    [
        {"sliding_window": 40, "use_sliding_window": False},
        {"sliding_window": 512},
        {"sliding_window": None},
        {"rope_parameters": {"rope_type": "linear", "factor": 2.0}},
    ],
)
def test_what_has_no_effect_or_is_measured_takes_nothing_away(values: dict[str, Any]) -> None:
    assert asked(**values).status == "proven"


def test_a_row_that_was_wrong_is_wrong_for_the_model() -> None:
    assert asked(rope_scaling={"rope_type": "odd"}).status == "wrong"


def test_other_versions_than_the_measured_ones_prove_nothing() -> None:
    verdict = asked(installed="0.19.0")
    assert (verdict.status, verdict.reason) == (
        "unproven",
        "measured with onnxruntime-genai 0.18.0, installed 0.19.0",
    )


@pytest.mark.parametrize(
    ("settings", "tied", "kinds"),
    [
        ({"target_modules": ["q_proj"]}, False, ["plain"]),
        ({"target_modules": "all-linear", "use_dora": True}, False, ["DoRA"]),
        ({"target_modules": ["model.embed_tokens"]}, True, ["embedding, tied"]),
        (
            {"target_modules": ["lm_head"], "use_rslora": True, "modules_to_save": ["x"]},
            False,
            ["rsLoRA", "modules_to_save", "head"],
        ),
    ],
)
def test_the_kinds_of_an_adapter(settings: dict[str, Any], tied: bool, kinds: list[str]) -> None:
    assert lora_kinds(settings, tied, False) == kinds


def test_an_adapter_is_judged_with_its_model() -> None:
    assert asked(adapter={"target_modules": ["q_proj"]}).status == "proven"
    assert asked(adapter={"use_rslora": True}).status == "unproven"


def test_a_model_that_is_known_to_go_wrong_is_refused_when_it_is_inspected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_hf(tmp_path / "model")
    made = inspect_model(folder)
    assert made.support is not None
    assert made.to_json()["support"]["status"] in ("proven", "unproven")
    table = {
        "measured_with": {},
        "architectures": {"LlamaForCausalLM": {"rope": {"default": "wrong"}}},
    }
    path = tmp_path / "support.json"
    path.write_text(json.dumps(table))
    monkeypatch.setattr(support, "TABLE", path)
    read_table.cache_clear()
    with pytest.raises(ModelRefused, match="default rope is known to go wrong") as refused:
        inspect_model(folder)
    assert refused.value.hint
    read_table.cache_clear()


def test_the_table_that_ships_covers_every_architecture_that_the_builder_converts_here() -> None:
    table = read_table()
    assert table is not None
    known = supported_architectures()
    native = frozenset[str]().union(*(native_models() or {}).values())
    if known is None:
        pytest.skip("no builder is installed")
    assert (known & native) - table["architectures"].keys() == set()
    assert table["measured_with"].keys() >= {"onnxruntime-genai", "olive-ai", "transformers"}
    for name, axes in table["architectures"].items():
        assert axes["model"]["plain"] == "right", name


def test_nothing_that_was_measured_wrong_is_accepted() -> None:
    """What goes wrong is mended or refused; the matrix has no row that an inspection lets through."""
    table = read_table()
    assert table is not None
    wrong = {
        (name, axis, value)
        for name, axes in table["architectures"].items()
        for axis, values in axes.items()
        for value, status in values.items()
        if status not in ("right", "refused")
    }
    assert wrong == set()


def test_every_limit_has_a_reason_and_one_way_on() -> None:
    for limit in LIMITS:
        assert limit.reason and limit.remedy.endswith(".")
    refuse_known_wrong(LLAMA, shape())


def test_dynamic_scaling_is_told_and_where_it_would_begin() -> None:
    rope = {"rope_type": "dynamic", "factor": 4.0}
    assert "beyond 512 tokens only" in " ".join(notes({"rope_scaling": rope}, shape()))
    assert notes({"rope_parameters": {**rope, "alpha": 50.0}}, shape()) == []
    assert notes({"rope_parameters": {"rope_type": "linear"}}, shape()) == []


OWN: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("LlamaForCausalLM", {"hidden_act": "quick_gelu"}, "no quick_gelu activation"),
    (
        "LlamaForCausalLM",
        {"sliding_window": 100},
        "a sliding_window of 100, which LlamaForCausalLM",
    ),
    ("LlamaForCausalLM", {"head_dim": 20}, "heads are 20 wide"),
    ("OlmoForCausalLM", {"clip_qkv": 8.0}, "clip_qkv"),
    ("PhiForCausalLM", {"qk_layernorm": True}, "qk_layernorm"),
    ("NemotronForCausalLM", {"mlp_bias": True}, "mlp_bias"),
    ("Lfm2ForCausalLM", {"conv_bias": True}, "conv_bias"),
    (
        "GraniteMoeHybridForCausalLM",
        {"layer_types": ["attention"], "num_local_experts": 0},
        "position_embedding_type is not rope",
    ),
    (
        "GraniteMoeHybridForCausalLM",
        {"layer_types": ["mamba", "attention"], "num_local_experts": 0},
        "Mamba layers or experts",
    ),
    ("GraniteMoeHybridForCausalLM", {"position_embedding_type": "rope"}, "Mamba layers or experts"),
    ("Gemma3ForCausalLM", {"use_bidirectional_attention": True}, "looks both ways"),
)


@pytest.mark.parametrize(("name", "values", "reason"), OWN)
def test_what_no_correction_mends_is_refused_with_its_reason(
    name: str, values: dict[str, Any], reason: str
) -> None:
    config = {**LLAMA, "architectures": [name], **values}
    with pytest.raises(ModelRefused, match=reason) as refused:
        refuse_known_wrong(config, read_shape(config))
    assert refused.value.hint


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("MistralForCausalLM", {"sliding_window": 100}),
        ("LlamaForCausalLM", {"sliding_window": 512}),
        ("LlamaForCausalLM", {"sliding_window": None, "clip_qkv": 8.0, "head_dim": 24}),
        ("LlamaForCausalLM", {"hidden_act": None}),
        ("OlmoForCausalLM", {"clip_qkv": None}),
        (
            "GraniteMoeHybridForCausalLM",
            {
                "layer_types": ["attention"],
                "num_local_experts": 0,
                "position_embedding_type": "rope",
            },
        ),
    ],
)
def test_what_is_right_passes(name: str, values: dict[str, Any]) -> None:
    config = {**LLAMA, "architectures": [name], **values}
    refuse_known_wrong(config, read_shape(config))


def test_a_row_refused_for_its_rope_says_nothing_of_head_sizes() -> None:
    from bench.matrix.publishing import summarise
    from bench.matrix.rows import rows

    ropes = [r for r in rows() if r.axis == "rope" and r.architecture.name == "Gemma3ForCausalLM"]
    made = {
        row.key: {"status": "refused" if row.value.startswith("longrope") else "right"}
        for row in ropes
    }
    assert "refused" in {result["status"] for result in made.values()}
    architecture = summarise(made)["architectures"]["Gemma3ForCausalLM"]
    assert architecture["head size"] == {"64": "right"}
    assert architecture["rope"]["longrope"] == "refused"
