"""What the installed onnxruntime-genai model builder can convert, read from its own source.

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
_CUDA_ONLY = ("PhiMoEForCausalLM",)
"""Architectures that the builder itself forces onto CUDA, whatever was asked for (genai 0.18, builder.py)."""


@lru_cache(maxsize=1)
def builder_file() -> Path | None:
    """The installed `onnxruntime_genai/models/builder.py`, found without importing anything of it."""
    try:
        spec = importlib.util.find_spec("onnxruntime_genai")
    except (ImportError, ValueError):
        return None
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder) / "models" / "builder.py").is_file():
            return path
    return None


@lru_cache(maxsize=4)
def supported_architectures(builder: Path | None = None) -> frozenset[str] | None:
    """The architecture names the builder dispatches on for a CPU; None when that cannot be told."""
    path = builder or builder_file()
    if path is None:
        return None
    try:
        source = read_limited(path, limit=4 * 2**20).decode("utf-8", "replace")
    except InputRefused:
        return None
    names = frozenset(_DISPATCH.findall(source)) - frozenset(_CUDA_ONLY)
    # A builder that dispatches in another way must not make every model "unsupported".
    return names if "LlamaForCausalLM" in names else None
