"""Rotary tables as transformers computes them.

genai 0.18's builder drops the scaling of Llama and Mistral unless it is `llama3`, fails for `dynamic` and for `yarn`
without its betas, ignores `attention_factor` and `truncate`, and rotates a part of each head where transformers
rotates all of it. Here the frequencies and the factor of every table come from the rotary class of the model itself.
"""

from collections.abc import Callable
from typing import Any

from firstlight_core.jobs.builder_classes import modeling_module, original_config, wrap

FULL, SLIDING = "full_attention", "sliding_attention"
_TWO = {"long_factor": "long", "short_factor": "short", "long_mscale": 1.0, "short_mscale": 1.0}
"""Keys of `rope_attrs` by which the builder holds factors and scales of the long and of the short table."""


def install() -> None:
    """Adjust the builder in this process."""
    wrap("make_rope_init", _beginning)
    wrap("make_rotary_embedding_caches", _naming)
    wrap("make_rotary_embedding_caches_from_scratch", _computing)
    wrap("make_rotary_embedding_multi_cache", _two_tables)


def _rope_of(config: Any) -> dict[str, Any]:
    """Return the flat rope settings; empty where each kind of layer has its own, or there are none."""
    rope = getattr(config, "rope_parameters", None)
    return rope if isinstance(rope, dict) and "rope_type" in rope else {}


def _beginning(inner: Callable[..., None]) -> Callable[..., None]:
    """Return the rope settings that the builder reads; the frequencies no longer depend on them."""

    def make_rope_init(model: Any, config: Any) -> None:
        rope = _rope_of(config)
        kind = rope.get("rope_type")
        if kind == "longrope":
            # Two tables, made when the first layer asks for one (Phi-3: before).
            model.rope_attrs["multi_cache"] = dict(_TWO)
            model.original_context_length = rope["original_max_position_embeddings"]
        if kind in (None, "default"):
            inner(model, config)
        if getattr(model, "_rotary", None) is None:
            model._rotary = _Rotary.of(model)
        rotary = model._rotary
        if rotary is None:
            if kind not in (None, "default"):
                inner(model, config)
            return
        width = rotary.width(FULL)
        if width is not None and width <= model.head_size:
            whole = width == model.head_size
            model.rope_attrs["partial_rotary_factor"] = 1.0 if whole else width / model.head_size
            model.rope_attrs["rotary_embedding_dim"] = 0 if whole else width

    return make_rope_init


def _naming(inner: Callable[..., Any]) -> Callable[..., Any]:
    """Remember which of two tables is being made: that of the layers with a window has its own frequencies."""

    def make_rotary_embedding_caches(model: Any, **named: Any) -> Any:
        if name := named.get("cos_cache_name"):
            model._rotary_layers = SLIDING if name.endswith("_local") else FULL
        elif "multi_cache" in model.rope_attrs:
            if model.rope_attrs["create_caches"]:
                model.make_rotary_embedding_multi_cache()
            return "cos_cache", "sin_cache"
        return inner(model, **named)

    return make_rotary_embedding_caches


def _computing(inner: Callable[..., Any]) -> Callable[..., Any]:
    def make_rotary_embedding_caches_from_scratch(model: Any) -> Any:
        if getattr(model, "_rotary", None) is None:
            model._rotary = _Rotary.of(model)
        rotary = model._rotary
        settings = model.rope_attrs
        long = (
            isinstance(settings["rescale_factors"], str) and settings["rescale_factors"] == "long"
        )
        rope = rotary and rotary.frequencies(getattr(model, "_rotary_layers", FULL), long=long)
        if not rope:
            return inner(model)
        import torch

        frequencies, factor = rope
        angles = torch.outer(torch.arange(settings["cache_length"]).float(), frequencies.float())
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos() * factor, angles.sin() * factor

    return make_rotary_embedding_caches_from_scratch


def _two_tables(inner: Callable[..., Any]) -> Callable[..., Any]:
    """Long and short tables only where the settings have both: a Phi-3 can be long without longrope."""

    def make_rotary_embedding_multi_cache(model: Any, **named: Any) -> Any:
        longrope = type(model).__name__.startswith("Phi")
        if longrope and "multi_cache" not in model.rope_attrs:
            return None
        return inner(model, **named)

    return make_rotary_embedding_multi_cache


class _Rotary:
    """The rotary embedding of one model, made by transformers' own class."""

    def __init__(self, config: Any, module: Any) -> None:
        self._config = config
        self._module = module

    @classmethod
    def of(cls, model: Any) -> "_Rotary | None":
        """Return the rotary embedding of the model; None where transformers has none."""
        config = original_config(model.model_name_or_path)
        modeling = modeling_module(config)
        kinds = [
            kind
            for name, kind in vars(modeling).items()
            if name.endswith("RotaryEmbedding") and "Vision" not in name
        ]
        own = [kind for kind in kinds if kind.__module__ == getattr(modeling, "__name__", "")]
        if len(own) != 1 or getattr(config, "rope_parameters", None) is None:
            return None
        return cls(config, own[0](config))

    def width(self, layers: str) -> int | None:
        """Return how many elements of a head are rotated."""
        rope = self.frequencies(layers)
        return None if rope is None else 2 * len(rope[0])

    def frequencies(self, layers: str, *, long: bool = False) -> tuple[Any, float] | None:
        """Inverse frequencies, factor of cosine and sine; `long`: beyond the original length (longrope)."""
        if long:
            from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

            beyond = self._config.rope_parameters["original_max_position_embeddings"] + 1
            made: tuple[Any, float] = ROPE_INIT_FUNCTIONS["longrope"](
                self._config, None, seq_len=beyond
            )
            return made
        for prefix in ("", f"{layers}_"):
            frequencies = getattr(self._module, f"{prefix}inv_freq", None)
            if frequencies is not None:
                return frequencies, getattr(self._module, f"{prefix}attention_scaling", 1.0)
        return None
