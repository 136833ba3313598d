"""The page cache of the system: take files out of it, and look how much of them is in it. Linux only."""

import contextlib
import ctypes
import mmap
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firstlight_core.files import BINARY

COLD_SHARE = 0.02
"""Share of a file that may remain in the cache: a page in use cannot be dropped."""
NO_WAY = "this system has no way to take files out of its cache"


@dataclass(frozen=True, slots=True)
class Dropped:
    """Whether files left the page cache, and why not."""

    cold: bool
    reason: str = ""
    """The end of a sentence; empty where they left."""


def drop_cached(
    files: Iterable[Path],
    *,
    platform: str = sys.platform,
    advise: Callable[[int], None] | None = None,
    resident: Callable[[int, int], float | None] | None = None,
) -> Dropped:
    """Take files out of the page cache, and look whether they left.

    Any user may ask for it; the kernel keeps pages that are mapped or not written yet, so it is verified. Of files of
    another user, Linux does not tell what is cached (since 5.2): that is no proof either.

    Args:
        advise: drops the pages of a descriptor.
        resident: descriptor and size in bytes → share of the file in the cache, 0 to 1; None where nobody can tell.
    """
    if platform != "linux":
        return Dropped(False, NO_WAY)
    advise, resident = advise or _drop, resident or _resident_share
    cached = total = 0.0
    for file in files:
        try:
            size = file.stat().st_size
            descriptor = os.open(file, os.O_RDONLY | BINARY)
        except OSError as error:
            return Dropped(False, f"{file.name} cannot be opened ({error.strerror})")
        try:
            # A page that is not on the disk yet stays.
            with contextlib.suppress(OSError):
                os.fsync(descriptor)
            advise(descriptor)
            share = resident(descriptor, size) if size else 0.0
        except OSError as error:
            return Dropped(False, f"the system refuses it for {file.name} ({error.strerror})")
        finally:
            os.close(descriptor)
        if share is None:
            return Dropped(False, "the system does not tell what is in its cache")
        cached += share * size
        total += size
    if total and cached / total > COLD_SHARE:
        words = f"{100 * cached / total:.0f} % of the files stayed in the system's cache"
        return Dropped(False, words)
    return Dropped(True)


def _drop(descriptor: int) -> None:
    if sys.platform == "linux":
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _resident_share(descriptor: int, size: int) -> float | None:
    """Share of a file's pages that are in memory, by mincore(2)."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
        return _mincore(library, descriptor, size)
    except (OSError, AttributeError, TypeError):
        return None


def _mincore(library: Any, descriptor: int, size: int) -> float | None:
    # Python's own mmap tells no address of a mapping that is only read.
    library.mmap.restype = ctypes.c_void_p
    library.mmap.argtypes = [
        ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long,
    ]  # fmt: skip
    library.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    library.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
    prot_read, map_shared, failed = 1, 1, ctypes.c_void_p(-1).value
    address = library.mmap(None, size, prot_read, map_shared, descriptor, 0)
    if address in (None, failed):
        return None
    pages = -(-size // mmap.PAGESIZE)
    states = (ctypes.c_ubyte * pages)()
    try:
        if library.mincore(address, size, states) != 0:
            return None
    finally:
        library.munmap(address, size)
    return sum(state & 1 for state in states) / pages
