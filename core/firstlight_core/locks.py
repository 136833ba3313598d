"""Locks that the kernel frees when their owner dies; the existence of a lock file means nothing."""

import contextlib
import errno
import os
import sys
from dataclasses import dataclass
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@dataclass(slots=True)
class Lock:
    """A held lock; `release` gives it back."""

    path: Path
    descriptor: int

    def release(self, *, unlink: bool = False) -> None:
        """Give the lock back, and take its file away first when nobody else needs it."""
        if self.descriptor < 0:
            return
        if unlink:
            with contextlib.suppress(OSError):
                self.path.unlink()
        os.close(self.descriptor)
        self.descriptor = -1


def try_lock(path: Path, *, note: str = "", create: bool = True) -> Lock | None:
    """Take the lock at `path` without waiting; None when somebody has it, or it is missing and not to be made.

    A file system that cannot lock is no obstacle: names are unique besides, so safety does not rest on it.

    Raises:
        OSError: the file cannot be opened.
    """
    flags = os.O_RDWR | (os.O_CREAT if create else 0) | getattr(os, "O_CLOEXEC", 0)
    for _ in range(100):
        try:
            descriptor = os.open(path, flags, 0o600)
        except FileNotFoundError:
            if create:
                raise
            return None
        try:
            _take(descriptor)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.EINVAL):
                os.close(descriptor)
                if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
                    return None
                raise
        # The file that was locked may have been taken away by its last owner in between.
        with contextlib.suppress(OSError):
            if os.path.samestat(path.stat(), os.fstat(descriptor)):
                if note:
                    os.ftruncate(descriptor, 0)
                    os.write(descriptor, note.encode())
                return Lock(path, descriptor)
        os.close(descriptor)
    return None
