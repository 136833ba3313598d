"""Freed memory goes back to the system where the C library can do that, and nothing happens elsewhere."""

import ctypes
import os
import platform

import pytest

from firstlight_core.monitor import read_resident
from firstlight_core.process.free_memory import give_back_free_memory

PIECE = 64 * 1024
"""Below the size that glibc maps by itself, and gives back by itself."""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc_trim is glibc's")
def test_freed_memory_is_no_longer_resident() -> None:
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.free.argtypes = [ctypes.c_void_p]
    pieces = [libc.malloc(PIECE) for _ in range(512)]
    for piece in pieces:
        ctypes.memset(piece, 1, PIECE)
    # The last one stays: behind it the heap cannot shrink by itself.
    for piece in pieces[:-1]:
        libc.free(piece)
    before = read_resident(os.getpid())
    give_back_free_memory()
    after = read_resident(os.getpid())
    libc.free(pieces[-1])
    assert before is not None and after is not None
    assert before.now - after.now > 0.8 * 511 * PIECE


@pytest.mark.parametrize("error", [OSError, TypeError])
def test_a_system_without_such_a_library_is_left_alone(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str | None) -> object:
        raise error

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    give_back_free_memory()


def test_a_library_without_the_function_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    give_back_free_memory()
