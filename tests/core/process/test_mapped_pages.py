"""Pages of a mapped file leave the memory of a process, and come back when they are read."""

import mmap
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from firstlight_core.process.mapped_pages import SMAPS, Mapping, mappings, release_mapped

SIZE = 64 * mmap.PAGESIZE
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc/self/smaps")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    file = tmp_path / "my model.data"
    file.write_bytes(b"w" * SIZE)
    return file


@pytest.fixture
def private(weights: Path) -> Iterator[mmap.mmap]:
    with weights.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as mapped:
        yield mapped


def parts_of(file: Path) -> list[Mapping]:
    return [m for m in mappings(SMAPS.read_text(errors="surrogateescape")) if m.file == file]


def resident(file: Path) -> int:
    return sum(part.resident for part in parts_of(file))


@ON_LINUX
def test_pages_that_were_read_leave_and_come_back(weights: Path, private: mmap.mmap) -> None:
    assert private[:] == b"w" * SIZE
    assert resident(weights) == SIZE
    assert release_mapped([weights]) == SIZE
    assert resident(weights) == 0
    assert private[:] == b"w" * SIZE


@ON_LINUX
def test_what_was_written_stays(weights: Path, private: mmap.mmap) -> None:
    """The file does not have it: giving the page back would lose it."""
    private[mmap.PAGESIZE] = ord("x")
    assert private[:1] == b"w"
    assert release_mapped([weights]) == 0
    assert private[mmap.PAGESIZE : mmap.PAGESIZE + 2] == b"xw"


@ON_LINUX
def test_other_files_stay(weights: Path, private: mmap.mmap, tmp_path: Path) -> None:
    assert private[:1] == b"w"
    before = resident(weights)
    assert release_mapped([tmp_path / "other.data"]) == 0
    assert resident(weights) == before > 0


RECORDED = """\
7f00000000-7f00040000 r--p 00001000 fd:00 42   {file}
Size:                256 kB
Rss:                 128 kB
Anonymous:             0 kB
VmFlags: rd mr mw me
7f00040000-7f00050000 rw-p 00000000 00:00 0
Size:                 64 kB
Rss:                  64 kB
Anonymous:            64 kB
7f00050000-7f00060000 rw-p 00041000 fd:00 42   {file}
Rss:                  64 kB
Anonymous:             4 kB
"""


def test_a_recorded_description_is_read(weights: Path, tmp_path: Path) -> None:
    described = tmp_path / "smaps"
    described.write_text(RECORDED.format(file=weights))
    calls: list[tuple[int, int]] = []

    def advise(address: int, size: int) -> bool:
        calls.append((address, size))
        return True

    released = release_mapped([weights], platform="linux", smaps=described, advise=advise)
    assert calls == [(0x7F00000000, 0x40000)]
    assert released == 128 * 1024
    refused = release_mapped(
        [weights], platform="linux", smaps=described, advise=lambda _address, _size: False
    )
    assert refused == 0


@pytest.mark.parametrize("described", [None, "nonsense\n", "7f-zz r--p /x\n", "Rss: many kB\n"])
def test_without_a_description_nothing_happens(
    weights: Path, tmp_path: Path, described: str | None
) -> None:
    smaps = tmp_path / "smaps"
    if described is not None:
        smaps.write_text(described)
    assert release_mapped([weights], platform="linux", smaps=smaps) == 0


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_are_not_asked(weights: Path, tmp_path: Path, platform: str) -> None:
    described = tmp_path / "smaps"
    described.write_text(RECORDED.format(file=weights))
    assert release_mapped([weights], platform=platform, smaps=described) == 0
