"""Heavy libraries for tests that compute with them: every worker finds every test, and most run none of these."""

import importlib
import importlib.util
from typing import Any


class _LazyModule:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):
            # Pytest asks every name of a module for marks of its own.
            raise AttributeError(attribute)
        return getattr(importlib.import_module(self._name), attribute)


def at_first_use(name: str) -> Any:
    """Return a stand-in for a module that is imported when something of it is used."""
    return _LazyModule(name)


def installed(*names: str) -> bool:
    """Return True if all of these can be imported; imports none of them."""
    return all(importlib.util.find_spec(name) is not None for name in names)
