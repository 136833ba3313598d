"""Shared by the corrections of the builder: its classes, and transformers' configuration and classes of the model."""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


def builder_module() -> Any:
    """Return the model builder of onnxruntime-genai, loaded."""
    import onnxruntime_genai.models  # noqa: F401  (puts its own folder on sys.path)
    from onnxruntime_genai.models import builder

    return builder


def classes_with(method: str) -> list[Any]:
    """Return every model class of the builder that defines `method` itself, the base class first."""
    known = [
        value
        for value in vars(builder_module()).values()
        if isinstance(value, type) and hasattr(value, "make_genai_config")
    ]
    classes: dict[Any, None] = {}
    for kind in known:
        for base in reversed(kind.__mro__):
            if method in vars(base):
                classes.setdefault(base)
    return list(classes)


def wrap(method: str, around: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replace `method` in every class of the builder that defines it; skips a builder without it."""
    for kind in classes_with(method):
        setattr(kind, method, around(vars(kind)[method]))


def original_config(folder: str) -> Any:
    """Return the text model's settings as transformers reads them from a folder; the builder edits its own copy."""
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(folder, trust_remote_code=False).get_text_config()


def modeling_module(config: Any) -> ModuleType | None:
    """Return the module of transformers that computes a causal language model with these settings."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    try:
        kind = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    except KeyError:
        return None
    kind = kind[0] if isinstance(kind, tuple) else kind
    return sys.modules.get(kind.__module__)
