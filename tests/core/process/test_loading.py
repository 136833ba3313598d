"""Loading libraries without garbage collections in between."""

import gc
import sys
from collections.abc import Iterator
from unittest.mock import MagicMock

import pytest

from firstlight_core.jobs import transformers_model
from firstlight_core.process.loading import without_collections


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    """Nothing is frozen at the start; at the end again what `rare_collections` froze."""
    gc.unfreeze()
    yield
    gc.freeze()


def test_nothing_is_collected_meanwhile_and_what_was_loaded_never() -> None:
    collected: list[str] = []

    def note(phase: str, _: object) -> None:
        collected.append(phase)

    gc.callbacks.append(note)
    try:
        with without_collections():
            loaded = [[number] for number in range(200_000)]
            with without_collections():
                pass
            assert not gc.isenabled()
    finally:
        gc.callbacks.remove(note)
    assert not collected
    assert gc.isenabled()
    assert gc.get_freeze_count() > len(loaded)


def test_it_is_enabled_again_when_a_library_cannot_be_loaded() -> None:
    with pytest.raises(ImportError), without_collections():
        raise ImportError
    assert gc.isenabled()


def test_what_is_loaded_already_freezes_no_model_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torch", "transformers", "transformers.modeling_utils"):
        monkeypatch.setitem(sys.modules, name, MagicMock())
    transformers_model.import_transformers()
    assert gc.get_freeze_count() == 0
