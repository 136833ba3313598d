"""Make texts from models, files and users safe to show: none of them reaches a terminal raw.

The map works per character and keeps no state, so the place where a stream is cut cannot matter.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_BIDI = (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C)
_MAP: dict[int, str] = {
    **{code: chr(0x2400 + code) for code in range(0x20) if code not in (0x09, 0x0A)},
    0x7F: "\u2421",
    **{code: "\ufffd" for code in range(0x80, 0xA0)},
    **{code: "\ufffd" for code in _BIDI},
    0x2028: "\u23ce",
    0x2029: "\u23ce",
    **{code: "\ufffd" for code in range(0xFFF9, 0xFFFC)},
    **{code: "\ufffd" for code in range(0xE0000, 0xE0080)},
}
_SURROGATES = re.compile("[\ud800-\udfff]")
_TOKEN = re.compile(r"hf_[A-Za-z0-9]{16,}|sk-[A-Za-z0-9_-]{16,}")


def visible(text: str) -> str:
    """Make every character that a terminal could obey visible; newline and tab stay."""
    return _SURROGATES.sub("\ufffd", text.translate(_MAP))


def one_line(text: str, limit: int = 200) -> str:
    """Return one visible line of at most `limit` characters, for tables, messages and window titles."""
    flat = visible(" ".join(text.split()))
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def shown_path(path: str | Path) -> str:
    """Return a path as it may be shown: undecodable bytes and control characters made visible."""
    return visible(str(path)).replace("\n", "⏎").replace("\t", "␉")


def redact(text: str, *, home: str | None = None) -> str:
    """Take tokens, the user's home folder and name out of a text that may leave the machine."""
    text = _TOKEN.sub("<token>", text)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "OPENAI_API_KEY", "FIRSTLIGHT_API_KEY"):
        if value := os.environ.get(name):
            text = text.replace(value, "<token>")
    folder = home if home is not None else str(Path.home())
    if len(folder) > 1:
        text = text.replace(folder, "~")
    user = Path(folder).name
    if len(user) > 2:
        text = re.sub(rf"\b{re.escape(user)}\b", "<user>", text)
    return text


def bytes_text(count: float) -> str:
    """Bytes in words, in binary units (2^30, 2^20) as everywhere in Firstlight."""
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if abs(count) >= size:
            return f"{count / size:.{2 if count < 10 * size else 1}f} {unit}"
    return f"{count:.0f} B"


def seconds_text(seconds: float) -> str:
    """Return a duration in words: `3.1 ms`, `0.42 s`, `12 s`, `3 min 20 s`, `1 h 04 min`."""
    if 0 < seconds < 0.1:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def ago_text(seconds: float) -> str:
    """Return how long ago something was, roughly: `just now`, `5 min ago`, `3 h ago`, `2 days ago`."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    hours = minutes // 60
    if hours < 24:
        return f"{hours} h ago"
    return "1 day ago" if hours < 48 else f"{hours // 24} days ago"


def first_difference(left: Sequence[Any], right: Sequence[Any]) -> int | None:
    """Index of the first place where two sequences differ, None when they are equal."""
    for index, (a, b) in enumerate(zip(left, right, strict=False)):
        if a != b:
            return index
    return None if len(left) == len(right) else min(len(left), len(right))
