"""Norms and scales that the builder rounds or guesses, as transformers has them.

genai 0.18 rounds Gemma's embedding scale to two decimals, adds Gemma's and Nemotron's 1 to norm weights in the type
of the file (in bfloat16 three digits are left), takes 1e-6 for every norm whose epsilon is not called `rms_norm_eps`
(Phi, Nemotron: their own key; OLMo: 1e-5), gives OLMo a norm that does not subtract the mean, and caps the attention of
a Gemma 3 whose config.json names a cap, which transformers does for Gemma 2 only.
"""

import math
from collections.abc import Callable
from typing import Any

from firstlight_core.jobs.builder_classes import builder_module, wrap

_EPSILON_KEYS = ("layer_norm_eps", "norm_eps")
_FIXED_EPSILON = {"olmo": 1e-5}
"""Norms whose epsilon transformers writes into its code (models/olmo/modeling_olmo.py)."""


def install() -> None:
    """Adjust the builder in this process."""
    builder = builder_module()
    if (gemma := getattr(builder, "GemmaModel", None)) is not None:
        gemma.__init__ = _with_exact_scale(gemma.__init__)
    if (olmo := getattr(builder, "OLMoModel", None)) is not None:
        olmo.__init__ = _with_whole_norm(olmo.__init__)
    if (gemma3 := getattr(builder, "Gemma3Model", None)) is not None:
        gemma3.__init__ = _without_attention_cap(gemma3.__init__)
    wrap("make_config_init", _with_epsilon)
    wrap("make_layernorm", _with_wide_weight)
    wrap("make_qk_norm", _with_wide_weights)


def _with_exact_scale(inner: Callable[..., None]) -> Callable[..., None]:
    def begin(model: Any, *rest: Any, **named: Any) -> None:
        inner(model, *rest, **named)
        exact = math.sqrt(model.hidden_size)
        if abs(float(model.embed_attrs["scale"]) - exact) < 0.01:
            model.embed_attrs["scale"] = exact

    return begin


def _with_whole_norm(inner: Callable[..., None]) -> Callable[..., None]:
    def begin(model: Any, *rest: Any, **named: Any) -> None:
        inner(model, *rest, **named)
        model.layernorm_attrs["simple"] = False

    return begin


def _without_attention_cap(inner: Callable[..., None]) -> Callable[..., None]:
    def begin(model: Any, *rest: Any, **named: Any) -> None:
        inner(model, *rest, **named)
        model.attention_attrs["softcap"] = 0.0

    return begin


def _with_epsilon(inner: Callable[..., None]) -> Callable[..., None]:
    def make_config_init(model: Any, config: Any) -> None:
        inner(model, config)
        if config.model_type == "gemma" and getattr(config, "hidden_activation", None):
            # The first Gemma has an old key of this name that transformers does not read.
            config.hidden_activation = config.hidden_act
        if hasattr(config, "rms_norm_eps"):
            return
        own = [getattr(config, key) for key in _EPSILON_KEYS if hasattr(config, key)]
        fixed = _FIXED_EPSILON.get(config.model_type)
        if own or fixed is not None:
            config.rms_norm_eps = own[0] if own else fixed

    return make_config_init


def _widen(norm: Any) -> None:
    """Keep a norm's weight in float32: what is added to it must not be rounded to the type of the file."""
    import torch

    weight = getattr(norm, "weight", None)
    if isinstance(weight, torch.Tensor) and weight.dtype in (torch.bfloat16, torch.float16):
        norm.weight = torch.nn.Parameter(weight.detach().float(), requires_grad=False)


def _with_wide_weight(inner: Callable[..., None]) -> Callable[..., None]:
    def make_layernorm(model: Any, layer_id: int, layernorm: Any, *rest: Any, **named: Any) -> None:
        if model.layernorm_attrs["add_offset"]:
            _widen(layernorm)
        inner(model, layer_id, layernorm, *rest, **named)

    return make_layernorm


def _with_wide_weights(inner: Callable[..., None]) -> Callable[..., None]:
    def make_qk_norm(model: Any, layer_id: int, attention: Any) -> None:
        if model.layernorm_attrs["add_offset"]:
            _widen(attention.q_norm)
            _widen(attention.k_norm)
        inner(model, layer_id, attention)

    return make_qk_norm
