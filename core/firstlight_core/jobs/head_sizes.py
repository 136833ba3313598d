"""Heads of which the kernel cannot rotate what the model rotates, and the output head when another matrix is as tall.

The attention kernel itself rotates only 16, 32, 48 … elements of a head, in all layers or in none, but takes heads of
any multiple of 8 whose queries and keys come rotated. genai 0.18's builder leaves the rotation to the kernel for every
size, and fails for SmolLM3, some of whose layers have none. It takes every matrix with as many rows as the vocabulary
for the output head.
"""

from collections.abc import Callable
from typing import Any

from firstlight_core.jobs.builder_classes import builder_module, wrap

FUSED = 16
"""The kernel rotates multiples of this (GroupQueryAttention, onnxruntime 1.31)."""


def install() -> None:
    """Adjust the builder in this process."""
    wrap("is_fused_rope_supported", _where_the_kernel_rotates)
    wrap("is_packed_matmul_supported", _where_the_kernel_rotates)
    wrap("has_lm_head", _the_output_head)
    smollm3 = getattr(builder_module(), "SmolLM3Model", None)
    if smollm3 is not None and "make_attention" in vars(smollm3):
        smollm3.make_attention = _layer_by_layer(smollm3.__mro__[2].make_attention)


def _where_the_kernel_rotates(inner: Callable[..., bool]) -> Callable[..., bool]:
    def supported(model: Any) -> bool:
        rotated = model.rope_attrs["rotary_embedding_dim"] or model.head_size
        aligned = rotated % FUSED == 0 and model.head_size % FUSED == 0
        return bool(inner(model)) and aligned

    return supported


def _layer_by_layer(plain: Callable[..., None]) -> Callable[..., None]:
    """SmolLM3's attention: layers without rotation are plain ones with rotation switched off in the kernel."""

    def make_attention(model: Any, layer_id: int, *rest: Any, **named: Any) -> None:
        settings = model.attention_attrs
        before = settings["rope"], settings["use_rope_in_attn"]
        if not model.no_rope_layers[layer_id]:
            settings["rope"] = settings["use_rope_in_attn"] = False
        plain(model, layer_id, *rest, **named)
        settings["rope"], settings["use_rope_in_attn"] = before

    return make_attention


def _the_output_head(inner: Callable[..., bool]) -> Callable[..., bool]:
    def has_lm_head(model: Any, module: Any) -> bool:
        if not inner(model, module):
            return False
        own = getattr(model.weights, "get_output_embeddings", lambda: None)()
        return own is None or module is own

    return has_lm_head
