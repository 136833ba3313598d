"""Models that would convert to something else, or fail after minutes: what the matrix found wrong and no correction mends.

Each limit has rows in docs/support.md. It is told in `inspect`, before any long step.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from firstlight_core.errors import ModelRefused
from firstlight_core.model.config import ModelShape

Config = Mapping[str, Any]
HEAD_STEP = 8
"""Attention kernels take heads of a multiple of this (GroupQueryAttention on CPU, onnxruntime 1.31)."""
_WINDOWED = frozenset(
    name + "ForCausalLM"
    for name in (
        "Gemma2",
        "Gemma3",
        "GptOss",
        "Mistral",
        "Phi3",
        "Qwen2",
        "Qwen3",
        "SmolLM3",
    )
)
"""Architectures whose attention has a window in transformers (`create_sliding_window_causal_mask`)."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit: when it holds, why, and the one way on; both texts may name keys of config.json in braces."""

    name: str
    holds: Callable[[Config, ModelShape], bool]
    reason: str
    remedy: str


def _stray_window(config: Config, shape: ModelShape) -> bool:
    window = config.get("sliding_window")
    if shape.architecture in _WINDOWED or not isinstance(window, int) or isinstance(window, bool):
        return False
    return 0 < window < (shape.context or window + 1)


def _odd_head(config: Config, shape: ModelShape) -> bool:
    return shape.head_size % HEAD_STEP != 0


LIMITS: tuple[Limit, ...] = (
    Limit(
        "stray window",
        _stray_window,
        "config.json names a sliding_window of {sliding_window}, which {architecture} does not have: "
        "transformers itself answers otherwise with and without its cache",
        "Remove the line sliding_window from config.json; it was left over from another model.",
    ),
    Limit(
        "head size",
        _odd_head,
        "Its attention heads are {head_size} wide; the kernels on CPU take multiples of 8 only, in every precision",
        "Choose a model whose head size (hidden_size / num_attention_heads, or head_dim) is a multiple of 8.",
    ),
)


def refuse_known_wrong(config: Config, shape: ModelShape) -> None:
    """Refuse a model that is known to convert to something else or not at all.

    Raises:
        ModelRefused: says why, and one way on.
    """
    for limit in LIMITS:
        if limit.holds(config, shape):
            values = {**config, "architecture": shape.architecture, "head_size": shape.head_size}
            raise ModelRefused(limit.reason.format_map(values) + ".", hint=limit.remedy)
