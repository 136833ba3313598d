"""The identity of a model: SHA-256 over the content of its config, tokenizer and weights files.

Reading 14 GB takes ten seconds, so the digest of each file is kept in the cache under its path, size, mtime, ctime
and inode. Until a large model has been read once, `quick_fingerprint` names it by those file facts instead
(`quick:` in front); both change when one byte of a weight changes.
"""

import hashlib
import os
import time
from pathlib import Path

from firstlight_core.errors import FirstlightError, ModelRefused
from firstlight_core.files import JsonObject, exists, read_json_object, write_json
from firstlight_core.model.folder import Member, ModelFolder, list_folder
from firstlight_core.paths import find_paths
from firstlight_core.text import shown_path

READ_AT_ONCE = 256 * 2**20
"""Bytes; up to here an inspection reads the files, above it uses the cache or the quick fingerprint."""
RACY_SECONDS = 2.0
"""A file changed this recently may change again within one tick of its clock: its digest is not kept."""
_KEPT = 500
_SUFFIXES = (".safetensors", ".json", ".jinja", ".model", "merges.txt", "vocab.txt")
_NO_PART = ("trainer_state.json", "firstlight.json")


def fingerprint(folder: Path) -> str:
    """`sha256:...` over the content of every config, tokenizer and weights file; reads all of them at most once.

    Raises:
        ModelRefused: the folder cannot be read, or changes while it is read.
    """
    return content_fingerprint(list_folder(folder))


def content_fingerprint(folder: ModelFolder) -> str:
    """As `fingerprint`, of a folder that has been listed.

    Raises:
        ModelRefused: as `fingerprint`.
    """
    cache = _read_cache()
    total = hashlib.sha256()
    fresh: dict[str, str] = {}
    for member in _members(folder):
        key = _key(member)
        digest = cache.get(key)
        if not isinstance(digest, str):
            digest = _digest(member)
            if time.time() - member.mtime_ns / 1e9 > RACY_SECONDS:
                fresh[key] = digest
        total.update(os.fsencode(member.name) + b"\0" + digest.encode() + b"\0")
    if fresh:
        _write_cache({**cache, **fresh})
    return "sha256:" + total.hexdigest()


def quick_fingerprint(folder: ModelFolder) -> str:
    """Return the content fingerprint when it is cheap, else `quick:...` over names, sizes, times and inodes."""
    members = _members(folder)
    cache = _read_cache()
    unread = sum(m.size for m in members if not isinstance(cache.get(_key(m)), str))
    if unread <= READ_AT_ONCE:
        return content_fingerprint(folder)
    total = hashlib.sha256()
    for member in members:
        total.update(os.fsencode(_key(member)) + b"\0")
    return "quick:" + total.hexdigest()


def _members(folder: ModelFolder) -> list[Member]:
    return [
        member
        for name, member in sorted(folder.files.items())
        if name.endswith(_SUFFIXES) and name not in _NO_PART
    ]


def _key(member: Member) -> str:
    path = os.fsencode(member.path).hex() if not str(member.path).isprintable() else member.path
    return f"{path}|{member.size}|{member.mtime_ns}|{member.ctime_ns}|{member.inode}"


def _digest(member: Member) -> str:
    try:
        with member.path.open("rb") as stream:
            before = os.fstat(stream.fileno())
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            after = os.fstat(stream.fileno())
    except OSError as error:
        raise ModelRefused(f"Cannot read {shown_path(member.name)}: {error.strerror}.") from error
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise ModelRefused(
            f"{shown_path(member.name)} changed while it was read.",
            hint="Wait until whatever writes the model is done, and try again.",
        )
    return digest


def _cache_file() -> Path:
    return find_paths().cache / "fingerprints.json"


def _read_cache() -> JsonObject:
    path = _cache_file()
    try:
        return read_json_object(path) if exists(path) else {}
    except (FirstlightError, OSError):
        return {}


def _write_cache(entries: JsonObject) -> None:
    newest = dict(list(entries.items())[-_KEPT:])
    try:
        write_json(_cache_file(), newest)
    except FirstlightError:
        return  # A cache that cannot be written costs time, nothing else.
