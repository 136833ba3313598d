"""The attention window as transformers applies it.

genai 0.18's builder knows which layers have a window only from `layer_types`. Mistral and Phi-3 have none: all their
layers look back `sliding_window` tokens. Llama and others have no window at all, whatever config.json says. For both
kinds the builder writes a window without layers, and generation ends where the window does.
"""

from collections.abc import Callable
from typing import Any

from firstlight_core.jobs.builder_classes import modeling_module, original_config, wrap


def install() -> None:
    """Adjust the builder in this process."""
    wrap("make_context_length_init", _with_layers)


def _with_layers(inner: Callable[..., None]) -> Callable[..., None]:
    def make_context_length_init(model: Any, config: Any) -> None:
        inner(model, config)
        window = model.window_size
        if not isinstance(window, int) or window <= 0 or getattr(config, "layer_types", None):
            return
        if masks_all_layers(config._name_or_path):
            config.layer_types = ["sliding_attention"] * config.num_hidden_layers
        else:
            model.window_size = -1

    return make_context_length_init


def masks_all_layers(folder: str) -> bool:
    """Return whether transformers gives every layer of this model a window (it has no list of layers with one)."""
    modeling = modeling_module(original_config(folder))
    return hasattr(modeling, "create_sliding_window_causal_mask")
