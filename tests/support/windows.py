"""Windows as far as the seams see it: a file that somebody has open can neither be removed nor renamed.

The error numbers are those that CreateFile, MoveFileEx and RemoveDirectory give, as Python passes them on.
"""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from firstlight_core import files, locks

SHARING_VIOLATION, NOT_EMPTY, ACCESS_DENIED = 32, 145, 5


ERRORS = {
    3: (errno.ENOENT, "The system cannot find the path specified"),
    ACCESS_DENIED: (errno.EACCES, "Access is denied"),
    19: (errno.EACCES, "The media is write protected"),
    21: (errno.EACCES, "The device is not ready"),
    39: (errno.EINVAL, "The disk is full"),
    53: (errno.ENOENT, "The network path was not found"),
    64: (errno.EINVAL, "The specified network name is no longer available"),
    112: (errno.ENOSPC, "There is not enough space on the disk"),
    NOT_EMPTY: (errno.ENOTEMPTY, "The directory is not empty"),
    206: (errno.ENOENT, "The filename or extension is too long"),
    1231: (errno.EINVAL, "The network location cannot be reached"),
}
"""Error code of Windows → what Python 3.11 for Windows makes of it, and the text of the system."""
_IN_USE = (errno.EACCES, "The process cannot access the file")


def windows_error(code: int, path: object) -> OSError:
    """The exception that Python raises for an error code of Windows."""
    number, text = ERRORS.get(code, _IN_USE)
    error = OSError(number, text, str(path))
    error.winerror = code  # type: ignore[attr-defined,unused-ignore]
    return error


def open_paths() -> list[str]:
    """The files that this process has open."""
    matches = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            matches.append(str(descriptor.readlink()))
        except OSError:
            continue
    return matches


class Locked:
    """Files that another program has open for a while: it lets go after so many tries."""

    def __init__(self) -> None:
        self.tries: dict[str, int] = {}
        self.waited: list[float] = []

    def hold(self, path: Path, tries: int) -> None:
        """Let another program have `path` open until it was tried `tries` times."""
        self.tries[str(path)] = tries

    def refuse(self, path: object) -> None:
        """Raise what Windows raises when the file, or one below the folder, is open."""
        text = os.path.realpath(os.fsdecode(path))  # type: ignore[arg-type]
        if (left := self.tries.get(text, 0)) > 0:
            self.tries[text] = left - 1
            raise windows_error(SHARING_VIOLATION, text)
        for other in open_paths():
            if other == text or other.startswith(text + os.sep):
                raise windows_error(SHARING_VIOLATION if other == text else ACCESS_DENIED, text)


def fake_windows(monkeypatch: pytest.MonkeyPatch) -> Locked:
    """Make unlink, rename, replace and rmdir refuse open files, and the seams believe that they are on Windows."""
    already = getattr(os.unlink, "held", None)
    if isinstance(already, Locked):
        return already
    held = Locked()

    def refusing(real: Callable[..., None]) -> Callable[..., None]:
        def call(path: object, *more: object, **options: object) -> None:
            held.refuse(path)
            for other in more[:1]:
                if real.__name__ in ("rename", "replace"):
                    held.refuse(other)
                    if real.__name__ == "rename" and os.path.lexists(other):  # type: ignore[arg-type]
                        raise FileExistsError(errno.EEXIST, "already there", str(other))
            real(path, *more, **options)

        call.held = held  # type: ignore[attr-defined]
        return call

    for name in ("unlink", "remove", "rename", "replace", "rmdir"):
        monkeypatch.setattr(os, name, refusing(getattr(os, name)))
    # Windows has no dir_fd: shutil goes by names there. Python 3.14 decides it once, when shutil is imported.
    monkeypatch.setattr(shutil, "_use_fd_functions", False)
    if hasattr(shutil, "_rmtree_impl"):
        monkeypatch.setattr(shutil, "_rmtree_impl", shutil._rmtree_unsafe)
    monkeypatch.setattr(locks, "OPEN_FILES_CAN_GO", False)
    monkeypatch.setattr(files, "_sleep", held.waited.append)
    return held
