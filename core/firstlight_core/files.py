"""Files that are written whole or not at all, and JSON from outside read under limits."""

import contextlib
import errno
import json
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

from firstlight_core.errors import InputRefused, StateProblem
from firstlight_core.text import one_line, shown_path

JSON_LIMIT = 16 * 2**20
"""Bytes; the largest config.json in public use is below 1 MB, the largest index below 10 MB."""


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
            os.fsync(stream.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
        sync_folder(path.parent)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        raise state_problem(error, path) from error


def state_problem(error: OSError, path: Path) -> StateProblem:
    """Turn an operating system error into a sentence that names the file and the remedy."""
    hints = {
        errno.ENOSPC: "The disk is full: free some space there and try again.",
        errno.EDQUOT: "Your disk quota is used up: free some space and try again.",
        errno.EROFS: "That file system is read-only: choose another folder.",
        errno.EACCES: "You may not write there: choose another folder or change its permissions.",
        errno.EPERM: "You may not write there: choose another folder or change its permissions.",
        errno.EIO: "The disk reports an error: check it before you go on.",
        errno.ENAMETOOLONG: "The name is too long for that file system: choose a shorter one.",
    }
    reason = os.strerror(error.errno) if error.errno else str(error)
    hint = hints.get(error.errno or 0, "Check the folder and try again.")
    return StateProblem(f"Cannot write {shown_path(path)}: {reason}.", hint=hint)


def write_json(path: Path, document: Any, *, indent: int | None = 2) -> None:
    """`write_whole` of a JSON document; NaN and infinity are refused, as Foundry Local refuses them."""
    write_whole(
        path, json.dumps(document, indent=indent, ensure_ascii=False, allow_nan=False) + "\n"
    )


def _no_constants(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries: dict[str, Any] = {}
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
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
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


def read_json(path: Path, *, limit: int = JSON_LIMIT, strict: bool = True) -> Any:
    """Read JSON from outside under one set of rules.

    Size-limited, UTF-8 (a BOM is allowed); with `strict`, NaN, infinities and duplicate keys are refused.

    Raises:
        InputRefused: the message names the file and what is wrong with it.
    """
    raw = read_limited(path, limit=limit)
    try:
        return json.loads(
            raw.decode("utf-8-sig"),
            parse_constant=_no_constants if strict else None,
            object_pairs_hook=_no_duplicates if strict else None,
        )
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else one_line(str(error))
        raise InputRefused(
            f"{shown_path(path)} is not valid JSON: {reason}.",
            hint="The file is damaged or incomplete: copy or download it again.",
        ) from error


def read_json_object(path: Path, *, limit: int = JSON_LIMIT, strict: bool = True) -> dict[str, Any]:
    """`read_json` that insists on an object at the top.

    Raises:
        InputRefused: as `read_json`, or the document is not an object.
    """
    document = read_json(path, limit=limit, strict=strict)
    if not isinstance(document, dict):
        raise InputRefused(f"{shown_path(path)} holds no JSON object.")
    return document
