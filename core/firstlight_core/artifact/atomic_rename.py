"""Two renames that POSIX lacks: onto a free name only, and of two folders for each other.

Linux: `renameat2(2)`; macOS: `renamex_np(2)`. Elsewhere plain renames, with a note that the next sweep can follow.
"""

import ctypes
import errno
import os
import sys
from pathlib import Path

from firstlight_core.files import patiently

_AT_FDCWD = -100
_LINUX_NOREPLACE, _LINUX_EXCHANGE = 1, 2
_MACOS_SWAP, _MACOS_EXCL = 2, 4
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM)


def _native(source: Path, target: Path, linux: int, macos: int) -> bool:
    """Ask the kernel; False when it, or the file system, does not know the call."""
    libc = ctypes.CDLL(None, use_errno=True) if os.name == "posix" else None
    old, new = os.fsencode(source), os.fsencode(target)
    if sys.platform == "darwin" and hasattr(libc, "renamex_np"):
        return _succeeded(libc.renamex_np(old, new, macos), target)  # type: ignore[union-attr]
    if sys.platform == "linux" and hasattr(libc, "renameat2"):
        result = libc.renameat2(_AT_FDCWD, old, _AT_FDCWD, new, linux)  # type: ignore[union-attr]
        return _succeeded(result, target)
    return False


def _succeeded(result: int, target: Path) -> bool:
    if result == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), str(target))


def rename_new(source: Path, target: Path, *, native: bool = True) -> None:
    """Rename a folder onto a name that must be free.

    Raises:
        FileExistsError: the name is taken.
        OSError: the rename failed; nothing has changed.
    """
    if native and _native(source, target, _LINUX_NOREPLACE, _MACOS_EXCL):
        return
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    patiently(lambda: source.rename(target))


def rename_exchange(source: Path, target: Path, *, aside: Path, native: bool = True) -> None:
    """Give each of two folders the other's name, in one step where the system can.

    Otherwise the old folder goes to `aside/previous` first; `aside/target` says where it belongs.

    Raises:
        OSError: the rename failed; `target` is the old folder still, or again.
    """
    if native and _native(source, target, _LINUX_EXCHANGE, _MACOS_SWAP):
        return
    note, previous = aside / "target", aside / "previous"
    note.write_text(str(target), "utf-8", "surrogateescape")
    patiently(lambda: target.rename(previous))
    try:
        patiently(lambda: source.rename(target))
    except BaseException:
        patiently(lambda: previous.rename(target))
        raise
    patiently(lambda: previous.rename(source))
