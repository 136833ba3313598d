"""Files leave the page cache, and nothing is called cold that did not."""

import mmap
import os
import sys
from pathlib import Path

import pytest

from firstlight_core.page_cache import NO_WAY, Dropped, drop_cached


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    made = []
    for name, size in (("a.data", 300_000), ("b.json", 10), ("empty", 0)):
        (tmp_path / name).write_bytes(b"x" * size)
        made.append(tmp_path / name)
    return made


def test_each_file_is_dropped_and_looked_at(files: list[Path]) -> None:
    dropped: list[int] = []
    sizes: list[int] = []

    def resident(descriptor: int, size: int) -> float:
        assert descriptor == dropped[-1], "first dropped, then looked at"
        sizes.append(size)
        return 0.0

    answer = drop_cached(files, platform="linux", advise=dropped.append, resident=resident)
    assert answer == Dropped(True)
    assert sizes == [300_000, 10] and len(dropped) == 3


def test_what_stays_in_the_cache_is_not_cold(files: list[Path]) -> None:
    stays = {300_000: 0.5, 10: 0.0}
    answer = drop_cached(
        files, platform="linux", advise=lambda fd: None, resident=lambda fd, size: stays[size]
    )
    assert answer == Dropped(False, "50 % of the files stayed in the system's cache")
    # A page or two of a large artifact may be in use.
    stays[300_000] = 0.01
    assert drop_cached(
        files, platform="linux", advise=lambda fd: None, resident=lambda fd, size: stays[size]
    ).cold


def test_what_nobody_can_tell_is_not_cold(files: list[Path], tmp_path: Path) -> None:
    def refuse(descriptor: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    unknown = drop_cached(
        files, platform="linux", advise=lambda fd: None, resident=lambda fd, size: None
    )
    assert unknown == Dropped(False, "the system does not tell what is in its cache")
    refused = drop_cached(files, platform="linux", advise=refuse, resident=lambda fd, size: 0.0)
    assert refused == Dropped(False, "the system refuses it for a.data (Operation not permitted)")
    gone = drop_cached([tmp_path / "gone"], platform="linux", advise=lambda fd: None)
    assert gone.reason.startswith("gone cannot be opened")


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_other_systems_have_no_way(files: list[Path], platform: str) -> None:
    assert drop_cached(files, platform=platform) == Dropped(False, NO_WAY)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own answer")
def test_a_page_that_is_mapped_and_touched_stays_and_is_noticed(files: list[Path]) -> None:
    first = drop_cached(files[:1])
    if not first.cold:
        pytest.skip(first.reason)
    with files[0].open("rb") as stream:
        mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        assert sum(mapped[at] for at in range(0, len(mapped), os.sysconf("SC_PAGE_SIZE"))) > 0
        again = drop_cached(files[:1])
        mapped.close()
    assert not again.cold and "stayed in the system's cache" in again.reason
