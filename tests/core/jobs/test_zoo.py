"""Every animal of the zoo gets its verdict: quickly, in clean words, without running or reading anything else."""

import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import firstlight_core
from firstlight_core.errors import ModelRefused
from firstlight_core.model.inspection import inspect_model
from firstlight_core.text import visible
from tests.support import zoo_kinds
from tests.support.zoo import CANARY, ZOO, Animal, build, honest_folder

_OPENED: list[str] | None = None


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if _OPENED is not None and event == "open" and isinstance(arguments[0], str | bytes):
        _OPENED.append(os.fsdecode(arguments[0]))


@cache
def _listen() -> None:
    """Hear of every event from now on; such a hook stays, and costs all later tests of its process."""
    sys.addaudithook(_hear)


@contextmanager
def opened_files() -> Iterator[list[str]]:
    """The paths that this process opens inside the block."""
    global _OPENED
    _listen()
    _OPENED = []
    try:
        yield _OPENED
    finally:
        _OPENED = None


def words_are_clean(*texts: str) -> bool:
    """No character that a terminal could obey."""
    return all(visible(text) == text and "\n" not in text for text in texts)


def test_zoo_is_large_and_named() -> None:
    assert len(ZOO) >= 80
    assert len({animal.name for animal in ZOO}) == len(ZOO)


@pytest.fixture(scope="module", autouse=True)
def tables_are_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the tools' own files say is read once a process; it is no business of the first animal."""
    inspect_model(honest_folder(tmp_path_factory.mktemp("first") / "model"))


@pytest.mark.parametrize("animal", ZOO, ids=lambda animal: animal.name)
def test_verdict(animal: Animal, tmp_path: Path, own_home: Path) -> None:
    target = build(animal, tmp_path)
    began = time.perf_counter()
    with opened_files() as opened:
        try:
            inspection = inspect_model(target)
        except ModelRefused as refused:
            assert not animal.healthy, f"{refused} | {refused.hint}"
            assert re.search(_pattern(animal.verdict), str(refused)), str(refused)
            assert words_are_clean(str(refused), refused.hint)
            assert len(str(refused)) < 700
            assert refused.hint or animal.name not in zoo_kinds.KINDS
        else:
            assert animal.healthy, "it passed"
            warnings = " ".join(inspection.warnings)
            assert re.search(_pattern(animal.verdict), warnings), warnings
            assert words_are_clean(
                *inspection.warnings, inspection.licence or "", str(inspection.to_json())
            )
    assert time.perf_counter() - began < 60
    assert not (tmp_path / CANARY).exists()
    ours = str(Path(firstlight_core.__file__).parent)
    inside = (str(tmp_path), str(own_home), sys.prefix, sys.base_prefix, ours)
    foreign = [p for p in opened if p.startswith("/") and not p.startswith(inside)]
    assert not foreign
    assert str(tmp_path / "secret.txt") not in opened


def _pattern(words: str) -> str:
    return "|".join(re.escape(part) for part in words.split("|"))
