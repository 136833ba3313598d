"""Pages of mapped files that a process no longer needs in memory: Linux alone tells which they are.

onnxruntime maps an artifact's weights, reads all of them once to pack them for the processor, and keeps the mapping of
those that are used as they are as well: the embedding that is also the head. Of that it then reads one row for a token.
"""

import ctypes
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

MADV_DONTNEED = 4
SMAPS = Path("/proc/self/smaps")
RELEASES_PAGES = sys.platform == "linux"
"""Whether this system is asked to take the pages of a mapped file out of memory."""


@dataclass(frozen=True, slots=True)
class Mapping:
    """Part of a file in this process's address space; sizes in bytes."""

    file: Path
    address: int
    size: int
    resident: int
    changed: int
    """Pages that this process has written over since: they are nowhere else."""


def release_mapped(
    files: Iterable[Path],
    *,
    platform: str = sys.platform,
    smaps: Path = SMAPS,
    advise: Callable[[int, int], bool] | None = None,
) -> int:
    """Take the pages of these files out of this process's memory, and return how many bytes it were; the mappings stay.

    A page that is read again comes from the system's page cache. A mapping that was written to is left alone.

    Args:
        advise: address and size → whether the system let go of them.
    """
    if platform != "linux":
        return 0
    advise = advise or _dont_need
    wanted = {file.resolve() for file in files}
    try:
        described = smaps.read_text(errors="surrogateescape")
        parts = [part for part in mappings(described) if part.file in wanted]
        clean = [part for part in parts if part.resident and not part.changed]
        return sum(part.resident for part in clean if advise(part.address, part.size))
    except (OSError, ValueError, AttributeError):
        # Nothing depends on it: no /proc, another form of it, or a C library without madvise.
        return 0


def mappings(described: str) -> Iterator[Mapping]:
    """Return the mapped files in the text of /proc/PID/smaps (proc(5)): a line of its address, then one a figure."""
    file: Path | None = None
    start = end = 0
    figures: dict[str, int] = {}
    for line in [*described.splitlines(), "0-0 end"]:
        first, _, rest = line.partition(" ")
        if not first.endswith(":"):
            if file:
                resident, changed = figures.get("Rss:", 0), figures.get("Anonymous:", 1)
                yield Mapping(file, start, end - start, resident, changed)
            start, end = (int(part, 16) for part in first.split("-"))
            path = line.partition("/")[2]
            file, figures = (Path("/" + path) if path else None), {}
        elif rest.endswith("kB"):
            figures[first] = int(rest.split()[0]) * 1024


def _dont_need(address: int, size: int) -> bool:
    library = ctypes.CDLL(None, use_errno=True)
    library.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return bool(library.madvise(address, size, MADV_DONTNEED) == 0)
