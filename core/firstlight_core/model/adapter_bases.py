"""Which base model the user named for an adapter folder, so that every later step finds it again."""

import os
from pathlib import Path

from firstlight_core.errors import FirstlightError
from firstlight_core.files import read_json_object, write_json
from firstlight_core.paths import find_paths

KEPT = 100
_FILE_LIMIT = 1 << 20


def _file() -> Path:
    return find_paths().state / "adapter-bases.json"


def _read() -> dict[str, str]:
    try:
        entries = read_json_object(_file(), limit=_FILE_LIMIT)
    except FirstlightError:
        return {}
    return {key: value for key, value in entries.items() if isinstance(value, str)}


def _key(adapter: Path) -> str:
    """Return one name for a folder, whichever links lead to it."""
    return os.path.realpath(adapter)


def remembered_base(adapter: Path) -> Path | None:
    """Return the folder that was named as the base of this adapter folder; None when none was."""
    text = _read().get(_key(adapter))
    return Path(text) if text and "\0" not in text else None


def remember_base(adapter: Path, base: Path) -> None:
    """Keep the user's answer; what cannot be written is forgotten."""
    bases = _read()
    bases.pop(_key(adapter), None)
    entries = [*bases.items(), (_key(adapter), str(base.absolute()))][-KEPT:]
    try:
        write_json(_file(), dict(entries))
    except (FirstlightError, UnicodeError):
        return
