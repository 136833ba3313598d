"""The lengths at which a decoder changes what it does: its attention window, and where its positions are stretched."""

from collections.abc import Mapping
from dataclasses import dataclass

from firstlight_core.files import JsonObject


@dataclass(frozen=True, slots=True)
class Lengths:
    """Lengths in tokens; None where the model has no such length."""

    context: int
    window: int | None
    rope_length: int | None


def read_lengths(config: JsonObject) -> Lengths:
    """Return the lengths that a config.json names, as transformers 4 or 5 writes it."""
    context = _positive(config.get("max_position_embeddings")) or 2048
    window = _positive(config.get("sliding_window"))
    if config.get("use_sliding_window") is False:
        window = None
    kinds = config.get("layer_types")
    if isinstance(kinds, list) and "sliding_attention" not in kinds:
        window = None
    limits = [_positive(config.get("original_max_position_embeddings"))]
    for key in ("rope_parameters", "rope_scaling"):
        rope = config.get(key)
        if isinstance(rope, Mapping):
            below = [rope, *(value for value in rope.values() if isinstance(value, Mapping))]
            for part in below:
                limits.append(_positive(part.get("original_max_position_embeddings")))
                if part.get("rope_type", part.get("type")) == "dynamic":
                    limits.append(context)
    lengths = [n for n in limits if n]
    return Lengths(context, window, min(lengths) if lengths else None)


def _positive(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
