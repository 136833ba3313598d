"""config.json under one hardened reading: every number has a range, every name is text.

`ModelShape` is what the estimates and the weight checks need; field names are those of Hugging Face configs.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from firstlight_core.errors import ModelRefused
from firstlight_core.files import JsonObject
from firstlight_core.text import one_line

RANGES: dict[str, tuple[int, int]] = {
    "hidden_size": (1, 65_536),
    "num_hidden_layers": (1, 1_024),
    "num_attention_heads": (1, 1_024),
    "num_key_value_heads": (1, 1_024),
    "head_dim": (1, 4_096),
    "intermediate_size": (1, 1_048_576),
    "vocab_size": (1, 4_194_304),
    "max_position_embeddings": (1, 134_217_728),
}
"""Smallest and largest value that any public language model comes near."""
_ALIASES = {
    "num_hidden_layers": ("num_layers", "n_layer"),
    "num_attention_heads": ("n_head",),
    "num_key_value_heads": ("multi_query_group_num", "num_kv_heads"),
    "head_dim": ("kv_channels",),
    "hidden_size": ("n_embd",),
    "intermediate_size": ("ffn_hidden_size",),
    "vocab_size": ("padded_vocab_size",),
    "max_position_embeddings": ("seq_length", "n_positions"),
}
_NEEDED = ("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
_TIED_BY_DEFAULT = ("gemma", "gemma2", "gemma3", "gemma3_text", "smollm3", "lfm2", "ernie4_5")
"""Model types whose configuration class ties the embeddings unless config.json says otherwise (transformers 5.23)."""
_TWO_ROPE_TABLES = ("gemma3", "gemma3_text")
"""Model types whose windowed layers have a rotary table of their own, whatever config.json repeats of it."""
FULL, SLIDING = "full_attention", "sliding_attention"
_AGAIN = "config.json is damaged or was edited: download it again."


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """The numbers of one decoder; `context` is 0 when config.json names none, `tied` None when it is silent."""

    architecture: str
    model_type: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_size: int
    intermediate: int
    vocab: int
    context: int
    tied: bool | None
    dtype: str
    window: int = 0
    """Tokens that the windowed layers look back; 0 when every layer sees the whole context."""
    windowed_layers: int = 0
    rope_positions: int = 0
    """Rows of all rotary tables together: windowed layers may have one of their own, longrope has a short one."""


def number(config: JsonObject, field: str) -> int | None:
    """Return one whole number of config.json within its range; None when it is absent.

    Raises:
        ModelRefused: it is no whole number, or outside of what any model has.
    """
    for name in (field, *_ALIASES.get(field, ())):
        value = config.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int):
            raise ModelRefused(
                f"config.json: {name} is {one_line(repr(value), 40)}, not a whole number.",
                hint=_AGAIN,
            )
        low, high = RANGES[field]
        if not low <= value <= high:
            figure = str(value) if abs(value) < 10**12 else "a number of astronomical size"
            raise ModelRefused(
                f"config.json: {name} is {figure}; a model has {low} to {high:,}.", hint=_AGAIN
            )
        return value
    return None


def read_shape(config: JsonObject) -> ModelShape:
    """Return the decoder that config.json describes.

    Raises:
        ModelRefused: a needed number is missing, absurd, or two of them contradict each other.
    """
    numbers = {field: number(config, field) for field in RANGES}
    for field in _NEEDED:
        if numbers[field] is None:
            raise ModelRefused(f"config.json does not say {field}.", hint=_AGAIN)
    hidden, heads = numbers["hidden_size"] or 1, numbers["num_attention_heads"] or 1
    kv_heads = numbers["num_key_value_heads"] or heads
    if heads % kv_heads:
        raise ModelRefused(
            f"config.json: {heads} attention heads cannot share {kv_heads} key-value heads.",
            hint=_AGAIN,
        )
    if numbers["head_dim"] is None and hidden % heads:
        raise ModelRefused(
            f"config.json: hidden_size {hidden} is not a multiple of {heads} heads.", hint=_AGAIN
        )
    return ModelShape(
        architecture=architecture(config),
        model_type=_name(config, "model_type"),
        layers=numbers["num_hidden_layers"] or 1,
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_size=numbers["head_dim"] or hidden // heads,
        intermediate=numbers["intermediate_size"] or 4 * hidden,
        vocab=numbers["vocab_size"] or 1,
        context=numbers["max_position_embeddings"] or 0,
        tied=_tied(config),
        dtype=_name(config, "dtype") or _name(config, "torch_dtype"),
        rope_positions=_rope_positions(config, numbers["max_position_embeddings"] or 0),
        **_windows(config, numbers["num_hidden_layers"] or 1),
    )


def _windows(config: JsonObject, layers: int) -> dict[str, int]:
    """`window` and `windowed_layers` of `ModelShape`; both 0 where nothing says which layers have the window."""
    window, kinds = config.get("sliding_window"), config.get("layer_types")
    if not isinstance(window, int) or isinstance(window, bool) or window <= 0:
        return {}
    if isinstance(kinds, list):
        windowed = kinds[:layers].count(SLIDING)
    else:
        every = config.get("sliding_window_pattern") or config.get("_sliding_window_pattern")
        if not isinstance(every, int) or isinstance(every, bool) or every < 1:
            return {}
        windowed = layers - layers // every
    return {"window": window, "windowed_layers": windowed}


def _rope_positions(config: JsonObject, context: int) -> int:
    rope = config.get("rope_parameters") or config.get("rope_scaling")
    keys = set(rope) if isinstance(rope, Mapping) else set()
    if config.get("model_type") in _TWO_ROPE_TABLES or {FULL, SLIDING} <= keys:
        return 2 * context
    if isinstance(rope, Mapping) and "longrope" in (rope.get("rope_type"), rope.get("type")):
        short = rope.get("original_max_position_embeddings") or config.get(
            "original_max_position_embeddings"
        )
        return context + (short if isinstance(short, int) and 0 < short <= context else 0)
    return context


def architecture(config: JsonObject) -> str:
    """Return the first name in `architectures`, as text that may be shown; empty when there is none."""
    names = config.get("architectures")
    if isinstance(names, list) and names and isinstance(names[0], str):
        return one_line(names[0], 80)
    return ""


def _name(config: JsonObject, field: str) -> str:
    value = config.get(field)
    return one_line(value, 80) if isinstance(value, str) else ""


def _tied(config: JsonObject) -> bool | None:
    value = config.get("tie_word_embeddings")
    if value is None:
        return True if config.get("model_type") in _TIED_BY_DEFAULT else None
    if not isinstance(value, bool):
        raise ModelRefused(
            f"config.json: tie_word_embeddings is {one_line(repr(value), 40)}, not true or false.",
            hint=_AGAIN,
        )
    return value
