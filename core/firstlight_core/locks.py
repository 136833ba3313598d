"""Locks that the kernel frees when their owner dies; the existence of a lock file means nothing."""

import contextlib
import errno
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from firstlight_core.files import BINARY

_BEYOND = 2**31 - 2
"""Offset of the byte that is locked on Windows, whose locks are mandatory: the note at the start stays readable."""

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        os.lseek(descriptor, _BEYOND, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


OPEN_FILES_CAN_GO = sys.platform != "win32"
"""Whether a name can be unlinked or renamed while its file is open."""


@dataclass(slots=True)
class Lock:
    """A held lock; `release` gives it back."""

    path: Path
    descriptor: int

    def release(self, *, unlink: bool = False) -> None:
        """Release the lock; with `unlink`, remove its file.

        The file goes while the lock is held, so that nobody else can have it by then. Windows deletes no open file:
        there it goes afterwards, and stays if somebody else has opened it in between.
        """
        if self.descriptor < 0:
            return
        if unlink and OPEN_FILES_CAN_GO:
            with contextlib.suppress(OSError):
                self.path.unlink()
        os.close(self.descriptor)
        self.descriptor = -1
        if unlink and not OPEN_FILES_CAN_GO:
            with contextlib.suppress(OSError):
                self.path.unlink()


def try_lock(path: Path, *, note: str = "", create: bool = True) -> Lock | None:
    """Take the lock at `path` without waiting; None when it is taken, or missing and `create` is false.

    A file system that cannot lock is no obstacle: names are unique besides, so safety does not rest on it.

    Raises:
        OSError: the file cannot be opened.
    """
    flags = os.O_RDWR | (os.O_CREAT if create else 0) | getattr(os, "O_CLOEXEC", 0) | BINARY
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
                if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK):
                    return None
                raise
        # The file that was locked may have been taken away by its last owner in between, if the system allows it.
        with contextlib.suppress(OSError):
            if not OPEN_FILES_CAN_GO or os.path.samestat(path.stat(), os.fstat(descriptor)):
                if note:
                    os.ftruncate(descriptor, 0)
                    os.write(descriptor, note.encode())
                return Lock(path, descriptor)
        os.close(descriptor)
    return None
