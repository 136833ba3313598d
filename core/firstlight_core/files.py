"""Files that are written whole or not at all, and JSON from outside read under limits."""

import contextlib
import errno
import json
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any, NoReturn, TypeAlias, TypeVar

from firstlight_core.errors import InputRefused, StateProblem
from firstlight_core.text import one_line, shown_path

JSON_LIMIT = 16 * 2**20
"""Bytes; the largest config.json in public use is below 1 MB, the largest index below 10 MB."""
BINARY = getattr(os, "O_BINARY", 0)
"""Flag of `os.open`: without it Windows changes line ends and stops reading at Ctrl-Z."""
_FULL_SYNC = 51
"""F_FULLFSYNC of macOS, whose fsync(2) leaves the data in the cache of the drive."""
_IN_USE = (32, 33)
"""ERROR_SHARING_VIOLATION and ERROR_LOCK_VIOLATION: another program has the file open."""
_DENIED = 5
_PASSING = (_DENIED, 32, 33, 145)
"""Windows error codes while a scanner or an indexer reads a new file, or a deleted one is not gone yet."""
_AWAY = (
    *("ENOTCONN", "ESTALE", "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH", "ETIMEDOUT"),
    *("ENODEV", "ENXIO"),
)
"""Names of the error numbers with which a network drive, or a stick that was pulled out, answers."""
_AWAY_ON_WINDOWS = (21, 53, 55, 59, 64, 67, 121, 433, 1167, 1231)
"""Windows error codes for the same, ERROR_NOT_READY to ERROR_NETWORK_UNREACHABLE."""
_SAME_AS = {
    19: errno.EROFS,
    39: errno.ENOSPC,
    111: errno.ENAMETOOLONG,
    112: errno.ENOSPC,
    206: errno.ENAMETOOLONG,
}
"""Windows error codes that Python tells as another error number, and the one that they mean."""
_NOTHING_THERE = (errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP)
_NOTHING_ON_WINDOWS = (21, 123, 1921)
"""ERROR_NOT_READY, ERROR_INVALID_NAME and ERROR_CANT_RESOLVE_FILENAME, which pathlib took for nothing as well."""
_PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds between two tries."""
JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
"""A value of JSON from outside, before anybody has looked at it."""
JsonObject = dict[str, JsonValue]
"""A foreign JSON object: every reader checks the key and its type."""
Result = TypeVar("Result")
_sleep = time.sleep


def patiently(action: Callable[[], Result]) -> Result:
    """Do something to a file, again for some seconds while Windows says that another program holds it.

    Raises:
        OSError: what `action` raised last; at once on any other system.
    """
    for pause in _PAUSES:
        try:
            return action()
        except OSError as error:
            if getattr(error, "winerror", None) not in _PASSING:
                raise
        _sleep(pause)
    return action()


def exists(path: Path) -> bool:
    """Return whether a path leads to anything.

    From Python 3.14 on `Path.exists`, `is_dir` and `is_file` answer False as well where the system does not tell.

    Raises:
        OSError: the system does not tell: no permission, a name that is too long, a drive that does not answer.
    """
    return _mode_of(path) != 0


def is_folder(path: Path) -> bool:
    """Return whether a path leads to a folder; raises as `exists`."""
    return stat.S_ISDIR(_mode_of(path))


def is_file(path: Path) -> bool:
    """Return whether a path leads to a regular file; raises as `exists`."""
    return stat.S_ISREG(_mode_of(path))


def _mode_of(path: Path) -> int:
    """Return the mode of what a path leads to; 0 where nothing is."""
    try:
        return path.stat().st_mode
    except OSError as error:
        code = getattr(error, "winerror", None)
        if error.errno in _NOTHING_THERE or code in _NOTHING_ON_WINDOWS:
            return 0
        raise
    except ValueError:
        # A NUL, or what cannot be encoded.
        return 0


def sync_file(
    descriptor: int,
    *,
    platform: str = sys.platform,
    sync: Callable[[int], None] = os.fsync,
    control: Callable[[int, int], object] | None = None,
) -> None:
    """Bring a file's content to the disk itself.

    Raises:
        OSError: the disk reports an error.
    """
    if platform == "darwin":
        # Network drives know no F_FULLFSYNC.
        with contextlib.suppress(OSError):
            (control or _file_control)(descriptor, _FULL_SYNC)
            return
    sync(descriptor)


def _file_control(descriptor: int, command: int) -> object:
    if sys.platform == "win32":
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
    else:
        import fcntl

        return fcntl.fcntl(descriptor, command)


def read_no_further(descriptor: int) -> None:
    """Tell the system that a file is read here and there, so that it reads nothing ahead; a hint only."""
    if sys.platform == "linux":
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)


def long_path(path: PurePath, *, platform: str = sys.platform) -> str:
    """Return an absolute path in the form that has no limit of 260 characters on Windows; as it is elsewhere."""
    text = str(path)
    if platform != "win32" or text.startswith("\\\\?\\"):
        return text
    if text.startswith("\\\\"):
        return "\\\\?\\UNC" + text[1:]
    return "\\\\?\\" + text


def delete_tree(folder: Path, *, platform: str = sys.platform) -> None:
    """Delete a folder and all below it, read-only files included; undeletable files remain."""

    def retry(delete: Callable[[str], object], name: str, _: object) -> None:
        # Windows deletes no read-only file, and none that a virus scanner or an indexer has open.
        if platform == "win32":
            with contextlib.suppress(OSError):
                if not Path(name).is_symlink():
                    Path(name).chmod(stat.S_IWRITE | stat.S_IREAD)
                patiently(lambda: delete(name))

    whole = long_path(folder, platform=sys.platform)
    if sys.version_info >= (3, 12):
        shutil.rmtree(whole, onexc=retry)
    else:
        shutil.rmtree(whole, onerror=retry)


def sync_folder(folder: Path) -> None:
    """Make renames and new names in `folder` survive a power loss; a no-op where folders cannot be opened."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def write_whole(path: Path, content: bytes | str, *, mode: int = 0o644) -> None:
    """Write a file so that a reader, or a power loss, meets the old content or the new, never a part.

    Raises:
        StateProblem: the disk is full, read-only or failing; the old file is untouched.
    """
    raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(raw)
            stream.flush()
            sync_file(stream.fileno())
        Path(temporary).chmod(mode)
        new = Path(temporary)
        patiently(lambda: new.replace(path))
        sync_folder(path.parent)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        raise state_problem(error, path) from error


def state_problem(error: OSError, path: Path) -> StateProblem:
    """Turn an operating system error on writing into a sentence that names the file and the remedy."""
    return StateProblem(f"Cannot write {shown_path(path)}: {_reason(error)}.", hint=_remedy(error))


def system_problem(error: OSError) -> StateProblem:
    """Turn an operating system error, wherever it arose, into a sentence and the remedy."""
    reason = _reason(error)
    sentence = f"{shown_path(error.filename)}: {reason}." if error.filename else f"{reason}."
    return StateProblem(sentence, hint=_remedy(error))


def _reason(error: OSError) -> str:
    # Windows knows it better than the number that Python translates its code into.
    if getattr(error, "winerror", None) and error.strerror:
        return one_line(error.strerror.rstrip("."))
    return os.strerror(error.errno) if error.errno else one_line(str(error))


def _remedy(error: OSError) -> str:
    hints = {
        errno.ENOSPC: "The disk is full: free some space there and try again.",
        errno.EDQUOT: "Your disk quota is used up: free some space and try again.",
        errno.EROFS: "That file system is read-only: choose another folder.",
        errno.EACCES: "You may not write there: choose another folder or change its permissions.",
        errno.EPERM: "You may not write there: choose another folder or change its permissions.",
        errno.EIO: "The disk reports an error: check it before you go on.",
        errno.ENAMETOOLONG: "The name is too long for that file system: choose a shorter one.",
    }
    code = getattr(error, "winerror", None)
    number = _SAME_AS.get(code or 0, error.errno or 0)
    if code in _AWAY_ON_WINDOWS or errno.errorcode.get(number) in _AWAY:
        return (
            "That drive does not answer: connect it again and try again, or choose another folder."
        )
    if code in _IN_USE:
        return "Another program has a file of it open: end the chat, service or editor that does, and try again."
    if code == _DENIED:
        # Windows says the same of a folder without permission and of one in which a file is open.
        return (
            "Another program has a file of it open, or you may not write there: "
            "end that program, or choose another folder."
        )
    return hints.get(number, "Check the folder and try again.")


def write_json(path: Path, document: Any, *, indent: int | None = 2) -> None:
    """`write_whole` of a JSON document; NaN and infinity are refused, as Foundry Local refuses them."""
    write_whole(
        path, json.dumps(document, indent=indent, ensure_ascii=False, allow_nan=False) + "\n"
    )


def _no_constants(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _no_duplicates(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    entries: JsonObject = {}
    for key, value in pairs:
        if key in entries:
            raise ValueError(f"the key {one_line(key, 60)!r} stands twice")
        entries[key] = value
    return entries


def read_limited(path: Path, *, limit: int = JSON_LIMIT, follow: bool = True) -> bytes:
    """Read a regular file of at most `limit` bytes; never waits on a FIFO or device.

    Raises:
        InputRefused: it is missing, not a regular file, too large, or unreadable.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | BINARY
    if not follow:
        flags |= getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(path, flags)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputRefused(f"Cannot read {shown_path(path)}: {one_line(reason)}.") from error
    try:
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise InputRefused(f"{shown_path(path)} is not a regular file.")
            if status.st_size > limit:
                raise InputRefused(
                    f"{shown_path(path)} is larger than {limit // 2**20} MiB; that is not a file of this kind."
                )
            # A buffer of the whole limit would be allocated at once.
            return stream.read(min(limit, max(status.st_size, 2**16)) + 1)
    except OSError as error:
        raise InputRefused(f"Cannot read {shown_path(path)}: {error.strerror}.") from error


def read_json(path: Path, *, limit: int = JSON_LIMIT, strict: bool = True) -> JsonValue:
    """Read JSON from outside under one set of rules.

    Size-limited, UTF-8 (a BOM is allowed); with `strict`, NaN, infinities and duplicate keys are refused.

    Raises:
        InputRefused: the message names the file and what is wrong with it.
    """
    raw = read_limited(path, limit=limit)
    try:
        value: JsonValue = json.loads(
            raw.decode("utf-8-sig"),
            parse_constant=_no_constants if strict else None,
            object_pairs_hook=_no_duplicates if strict else None,
        )
        return value
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else one_line(str(error))
        raise InputRefused(
            f"{shown_path(path)} is not valid JSON: {reason}.",
            hint="The file is damaged or incomplete: copy or download it again.",
        ) from error


def read_json_object(path: Path, *, limit: int = JSON_LIMIT, strict: bool = True) -> JsonObject:
    """`read_json` that insists on an object at the top.

    Raises:
        InputRefused: as `read_json`, or the document is not an object.
    """
    document = read_json(path, limit=limit, strict=strict)
    if not isinstance(document, dict):
        raise InputRefused(f"{shown_path(path)} holds no JSON object.")
    return document
