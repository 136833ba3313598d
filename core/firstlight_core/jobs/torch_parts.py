"""Has transformers load without torch's compiler and its distributed tensors: 1.3 s of processor time of every load.

No job compiles a model or spreads it over processes. transformers only marks functions for the compiler; for
whoever asks for more than a mark the real compiler is loaded, and everything is as torch made it.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, spec_from_loader
from types import ModuleType
from typing import Any

_COMPILER = "torch._dynamo"
_MASKS = "torch._dynamo._trace_wrapped_higher_order_op"


def install() -> None:
    """Adjust torch in this process, before transformers is loaded; does nothing once the compiler is there."""
    import torch

    if _COMPILER in sys.modules:
        return
    torch.distributed.is_available = lambda: False
    torch.compiler.disable = _mark
    sys.modules[_COMPILER] = _Compiler()
    sys.modules[_MASKS] = _Masks(_MASKS)
    sys.meta_path.insert(0, _Parts())


def _mark(function: Any = None, *_: Any, **named: Any) -> Any:
    """A decorator for the compiler: without it the function is as it is."""
    return (lambda given: given) if function is None else function


def _load_compiler() -> ModuleType:
    """The real compiler, in the place of its stand-in."""
    if isinstance(sys.modules.get(_COMPILER), _Compiler):
        del sys.modules[_COMPILER], sys.modules[_MASKS]
    return importlib.import_module(_COMPILER)


class _Compiler(ModuleType):
    """Stands in for the compiler as long as functions are only marked for it."""

    assume_constant_result = allow_in_graph = disable = staticmethod(_mark)

    def __init__(self) -> None:
        super().__init__(_COMPILER)
        # It has parts, which `_Parts` finds.
        self.__path__ = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_load_compiler(), name)


class _Masks(ModuleType):
    """Stands in for the module from which transformers takes a context for masks that are traced."""

    class TransformGetItemToIndex:
        """The real one, as soon as one is made."""

        def __new__(cls) -> Any:
            _load_compiler()
            return importlib.import_module(_MASKS).TransformGetItemToIndex()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        _load_compiler()
        return getattr(importlib.import_module(_MASKS), name)


class _Parts(MetaPathFinder):
    """Loads the real compiler for whoever imports a part of it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where the real part is; None for everything else."""
        if not (
            fullname.startswith(f"{_COMPILER}.")
            and isinstance(sys.modules.get(_COMPILER), _Compiler)
        ):
            return None
        _load_compiler()
        if fullname in sys.modules:
            return spec_from_loader(fullname, _Loaded())
        return find_spec(fullname)


class _Loaded(Loader):
    """The loader of a module that its package has loaded meanwhile."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module that is there."""
        return sys.modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: it has run."""
