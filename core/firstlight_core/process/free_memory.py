"""Gives memory that was freed back to the system: glibc keeps it for the next allocation, which may never come."""

import ctypes


def give_back_free_memory() -> None:
    """Return freed pages of the heap to the system; nothing happens where the C library has no `malloc_trim` (glibc has)."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        # Windows has no library of the process itself to look in, musl and macOS no such function.
        return
    trim(ctypes.c_size_t(0))
