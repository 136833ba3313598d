"""Cold and warm loads: which is which, and what is not known."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from firstlight_core.artifact.artifact import Artifact, check_artifact
from firstlight_core.documents.bench_parts import LoadFigures
from firstlight_core.measure import load_times
from firstlight_core.measure.bench_words import load_sentence
from firstlight_core.measure.load_times import LOADS_SECONDS, artifact_files, measure_loads
from firstlight_core.page_cache import Dropped
from firstlight_core.process.events import Event, Measured
from tests.support.measured_documents import bench_result, figure
from tests.support.tiny_models import tiny_genai


class Disk:
    """An artifact that loads in 2 s from the disk and in 0.5 s from the cache."""

    def __init__(self, folder: Path, dropped: Dropped) -> None:
        self.artifact: Artifact = check_artifact(tiny_genai(folder))
        self.dropped = dropped
        self.cached = False
        self.loads: list[float] = []
        self.now = 0.0
        self.events: list[Event] = []
        self.files: list[Path] = []

    def drop(self, files: list[Path]) -> Dropped:
        self.files = files
        self.cached = self.cached and not self.dropped.cold
        return self.dropped

    @asynccontextmanager
    async def open(self, folder: Path, **options: Any) -> AsyncIterator[Any]:
        seconds = 0.5 if self.cached else 2.0
        self.cached = True
        self.loads.append(seconds)
        yield SimpleNamespace(loaded={"load_s": seconds})

    async def measure(self, loads: int) -> LoadFigures | None:
        return await measure_loads(
            self.artifact,
            "int4",
            loads,
            max_length=64,
            tell=self.events.append,
            drop=self.drop,
            clock=lambda: self.now,
        )


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk(tmp_path / "int4", Dropped(True))
    monkeypatch.setattr(load_times, "open_engine", made.open)
    return made


async def test_cold_and_warm_take_turns_and_the_last_warm_one_is_the_callers(disk: Disk) -> None:
    figures = await disk.measure(3)
    assert figures is not None and "cold_unknown" not in figures
    assert figures["cold_s"]["samples"] == [2.0] * 3
    assert figures["warm_s"]["samples"] == [0.5] * 2
    assert disk.loads == [2.0, 0.5, 2.0, 0.5, 2.0]
    assert [(e.name, e.value) for e in disk.events if isinstance(e, Measured)] == [
        ("load_cold_s", 2.0),
        ("load_warm_s", 0.5),
        ("load_cold_s", 2.0),
        ("load_warm_s", 0.5),
        ("load_cold_s", 2.0),
    ]
    assert {file.name for file in disk.files} >= {"genai_config.json"}


async def test_a_cache_that_cannot_be_emptied_gives_no_cold_figure(disk: Disk) -> None:
    disk.dropped = Dropped(False, "this system has no way")
    figures = await disk.measure(3)
    assert figures is not None and "cold_s" not in figures
    assert figures["cold_unknown"] == "this system has no way"
    # The first load may have been from the disk: it is nobody's figure.
    assert disk.loads == [2.0, 0.5, 0.5] and figures["warm_s"]["samples"] == [0.5, 0.5]


async def test_a_large_artifact_is_loaded_once_each(disk: Disk) -> None:
    drop = disk.drop

    def slowly(files: list[Path]) -> Dropped:
        disk.now += LOADS_SECONDS + 1
        return drop(files)

    disk.drop = slowly  # type: ignore[method-assign]
    figures = await disk.measure(3)
    assert figures is not None and figures["cold_s"]["samples"] == [2.0]
    assert "warm_s" not in figures


async def test_without_loads_nothing_is_loaded(disk: Disk) -> None:
    assert await disk.measure(0) is None and disk.loads == []


def test_links_of_an_artifact_are_followed(tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(b"x")
    folder = tmp_path / "artifact"
    folder.mkdir()
    (folder / "model.onnx").symlink_to(tmp_path / "blob")
    assert artifact_files(folder) == [tmp_path / "blob"]


def test_loads_in_words() -> None:
    plain = bench_result("/a")
    assert load_sentence(plain) == "loaded in 0.21 s"
    both: LoadFigures = {"cold_s": figure(1.2), "warm_s": figure(0.21)}
    assert load_sentence({**plain, "load": both}) == "loaded cold in 1.20 s, warm in 0.21 s"
    unknown: LoadFigures = {"cold_unknown": "nobody knows", "warm_s": figure(0.21)}
    assert load_sentence({**plain, "load": unknown}) == (
        "loaded warm in 0.21 s; cold is unknown: nobody knows"
    )
