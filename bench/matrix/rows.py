"""The rows of the matrix: each axis alone on each architecture, and the pairs that interact."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bench.matrix.architectures import ARCHITECTURES, COMMON, ROPES, Architecture

ALL = ("fp32", "int8", "int4")
_FEW_SIZES = {24, 80, 128}
_VARIANTS = ("llama3, other factors", "yarn, betas", "yarn, mscale")
"""Of the smaller families not every head size and every variant of a rope type is made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One tiny model, and the precisions that it is converted to."""

    architecture: Architecture
    axis: str
    value: str
    config: dict[str, Any] = field(default_factory=dict)
    edits: dict[str, Any] = field(default_factory=dict)
    """Lines of config.json that are changed after the model was saved."""
    dtype: str = "float32"
    own_head: bool = False
    lora: str = ""
    precisions: tuple[str, ...] = ("fp32",)

    @property
    def key(self) -> str:
        """The row's name."""
        return f"{self.architecture.name}: {self.axis}: {self.value}"


def rows() -> list[Row]:
    """Every row."""
    return [row for architecture in ARCHITECTURES for row in _of(architecture)]


def _of(architecture: Architecture) -> Iterator[Row]:
    own = {**COMMON, "tie_word_embeddings": False, **architecture.config}

    def row(axis: str, value: str, config: dict[str, Any] | None = None, **more: Any) -> Row:
        return Row(
            architecture=architecture,
            axis=axis,
            value=value,
            config={**own, **(config or {})},
            **more,
        )

    yield row("model", "plain", precisions=(*ALL, "int4-quality"))
    for dtype in ("bfloat16", "float16"):
        yield row("type", dtype, dtype=dtype)
    yield row("head", "tied", {"tie_word_embeddings": True}, precisions=(*ALL, "int8-compact"))
    yield row("head", "tied, bfloat16", {"tie_word_embeddings": True}, dtype="bfloat16")
    yield row("head", "config tied, own head", own_head=True, precisions=ALL)
    for settings in architecture.biases:
        yield row("bias", _text(settings), settings, precisions=("fp32", "int4"))
    for settings in architecture.windows:
        yield row("window", _text(settings), settings, precisions=("fp32", "int4"))
    for name, settings in architecture.others:
        yield row("setting", name, settings)
    for name in architecture.activations:
        yield row("activation", name, {"hidden_act": name, "hidden_activation": name})
    for size in (
        architecture.head_sizes
        if architecture.full_lora
        else _FEW_SIZES & set(architecture.head_sizes)
    ):
        yield row("head size", str(size), _head(architecture, size))
    for name in (
        architecture.ropes
        if architecture.full_lora
        else [n for n in architecture.ropes if n not in _VARIANTS]
    ):
        yield row("rope", name, _rope(architecture, name))
    if architecture.ropes:
        yield row(
            "rope",
            f"{architecture.ropes[0]}, INT4",
            _rope(architecture, architecture.ropes[0]),
            precisions=("int4",),
        )
    yield from _pairs(architecture, row)
    for kind in _loras(architecture):
        tied = {"tie_word_embeddings": True} if "tied" in kind else {}
        yield row("LoRA", kind, tied, lora=kind)
    if architecture.full_lora:
        yield row("LoRA", "plain, INT4", lora="plain", precisions=("int8", "int4"))


def _pairs(architecture: Architecture, row: Any) -> Iterator[Row]:
    """Axes that meet in the same line of the builder."""
    if architecture.windows and architecture.ropes:
        for name in architecture.ropes[:2] if len(architecture.ropes) > 1 else architecture.ropes:
            yield row(
                "window and rope", name, {**_rope(architecture, name), **architecture.windows[0]}
            )
    if architecture.biases:
        yield row(
            "own head and bias",
            _text(architecture.biases[0]),
            architecture.biases[0],
            own_head=True,
        )
    if "linear" in architecture.ropes and 24 in architecture.head_sizes:
        yield row(
            "head size and rope",
            "24, linear",
            {**_rope(architecture, "linear"), **_head(architecture, 24)},
        )
    if architecture.windows and 24 in architecture.head_sizes:
        yield row(
            "head size and window", "24", {**architecture.windows[0], **_head(architecture, 24)}
        )
    yield row(
        "sizes", "vocabulary = intermediate size", {"intermediate_size": COMMON["vocab_size"]}
    )


def _loras(architecture: Architecture) -> tuple[str, ...]:
    few = ("plain", "rsLoRA")
    return (*few, *_MANY) if architecture.full_lora else few


_MANY = (
    "DoRA",
    "modules_to_save",
    "embedding",
    "embedding, tied",
    "head",
    "head, tied",
    "new token rows",
    "own tokenizer",
)


def _head(architecture: Architecture, size: int) -> dict[str, Any]:
    """Heads of `size`; where the model has no head_dim of its own, hidden_size follows."""
    free = architecture.model_type not in (
        "phi",
        "phi3",
        "olmo",
        "gpt_oss",
        "granite",
        "granitemoehybrid",
        "lfm2",
        "lfm2_moe",
    )
    heads = 4 if size <= 64 else 2
    base: dict[str, Any] = {"num_attention_heads": heads, "num_key_value_heads": 1}
    if architecture.model_type in ("gemma2", "gemma3_text"):
        base["query_pre_attn_scalar"] = size
    if free:
        return {**base, "head_dim": size}
    return {**base, "hidden_size": heads * size, "head_dim": size}


def _rope(architecture: Architecture, name: str) -> dict[str, Any]:
    rope = {"rope_theta": 10000.0, **ROPES[name]}
    config: dict[str, Any] = {}
    # Yarn wants heads whose frequencies cross its ramp.
    config |= _head(architecture, 64)
    dim = int(64 * architecture.partial)
    if architecture.partial != 1.0:
        rope["partial_rotary_factor"] = architecture.partial
    if rope["rope_type"] == "longrope":
        half = dim // 2
        rope["short_factor"] = [1.0 + 0.01 * n for n in range(half)]
        rope["long_factor"] = [1.5 + 0.2 * n for n in range(half)]
        config["original_max_position_embeddings"] = rope["original_max_position_embeddings"]
    if architecture.layered_rope:
        rope = {
            "full_attention": rope,
            "sliding_attention": {"rope_type": "default", "rope_theta": 1000.0},
        }
    return {**config, "rope_parameters": rope}


def _text(settings: dict[str, Any]) -> str:
    return ", ".join(f"{key} {json.dumps(value)}" for key, value in settings.items())
