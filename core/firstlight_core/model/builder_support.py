"""Find the architectures that the installed model builder and transformers support, from their own source.

Importing the builder needs torch and transformers (seconds); its dispatch is a chain of
`config.architectures[0] == "Name"` comparisons, so reading the file is enough and takes a millisecond.
"""

import importlib.util
import re
from functools import lru_cache
from pathlib import Path

from firstlight_core.errors import InputRefused
from firstlight_core.files import read_limited

_DISPATCH = re.compile(r'config\.architectures\[0\] == "(\w{3,80})"')
_CAUSAL = re.compile(r'\("([\w.-]{1,80})", "(\w{3,80}ForCausalLM)"\)')
_CUDA_ONLY = ("PhiMoEForCausalLM",)
"""Architectures that the builder itself forces onto CUDA, whatever the request (genai 0.18, builder.py)."""


def _installed(package: str, below: str) -> Path | None:
    """Return a file of an installed package, found without importing anything of it."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder) / below).is_file():
            return path
    return None


def _source(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return read_limited(path, limit=4 * 2**20).decode("utf-8", "replace")
    except InputRefused:
        return ""


@lru_cache(maxsize=4)
def supported_architectures(builder: Path | None = None) -> frozenset[str] | None:
    """Return the architecture names the builder dispatches on for a CPU; None when unknown."""
    path = builder or _installed("onnxruntime_genai", "models/builder.py")
    names = frozenset(_DISPATCH.findall(_source(path))) - frozenset(_CUDA_ONLY)
    # A builder that dispatches in another way must not make every model "unsupported".
    return names if "LlamaForCausalLM" in names else None


@lru_cache(maxsize=4)
def native_models(mapping: Path | None = None) -> dict[str, frozenset[str]] | None:
    """Model type → the causal language models transformers has for it; None when unknown.

    A type that is not here can only be loaded by code from the model's own folder, which is never run.
    """
    path = mapping or _installed("transformers", "models/auto/modeling_auto.py")
    models: dict[str, set[str]] = {}
    for model_type, name in _CAUSAL.findall(_source(path)):
        models.setdefault(model_type, set()).add(name)
    return {key: frozenset(names) for key, names in models.items()} if "llama" in models else None
