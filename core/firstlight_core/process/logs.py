"""The output of a child process: split, capped, sanitised, redacted, kept in a file of limited size."""

import contextlib
import os
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from firstlight_core.files import BINARY
from firstlight_core.text import redact, visible

LINE_LIMIT = 4_000
"""Bytes of one line that are kept; progress bars without newline arrive as one line of megabytes."""
FILE_LIMIT = 5 * 2**20
"""Bytes of one log file."""
FILES_KEPT = 40
LINES_LIMIT = 20_000
"""Lines after which a log counts as a flood; Olive prints some hundred."""
FLOOD_LINES = 5
"""Lines kept of each chunk (64 KiB) of a flood."""
_LAST_LINES = 20
_CRASHES = ("Fatal Python error", "Windows fatal exception")
"""How faulthandler begins."""


class LogFile:
    """Turns raw bytes into lines and keeps them; a log that cannot be written is not an error."""

    def __init__(self, folder: Path | None, name: str) -> None:
        self.path: Path | None = None
        self.tail: deque[str] = deque(maxlen=200)
        self._rest = b""
        self._written = 0
        self._lines = 0
        self._descriptor: int | None = None
        if folder is not None:
            with contextlib.suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
                _prune(folder)
                path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}-{os.urandom(3).hex()}.log"
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY
                self._descriptor = os.open(path, flags, 0o600)
                self.path = path

    def feed(self, chunk: bytes) -> list[str]:
        """Return the complete lines that `chunk` finished, also written to the file."""
        pieces = (self._rest + chunk).replace(b"\r", b"\n").split(b"\n")
        self._rest = pieces.pop()[: LINE_LIMIT + 1]
        self._lines += len(pieces)
        if self._lines > LINES_LIMIT or self._written > FILE_LIMIT:
            # A child that prints gigabytes must not block its listener: only the newest lines count.
            pieces = pieces[-FLOOD_LINES:]
        lines = [_clean(piece) for piece in pieces if piece.strip()]
        for line in lines:
            self.keep(line)
        return lines

    def close(self) -> list[str]:
        """Flush the last, unfinished line and close the file."""
        lines = self.feed(b"\n") if self._rest else []
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = None
        return lines

    def keep(self, line: str) -> None:
        """Add one clean line."""
        self.tail.append(line)
        if self._descriptor is None or self._written > FILE_LIMIT:
            return
        raw = (line + "\n").encode("utf-8", "replace")
        self._written += len(raw)
        if self._written > FILE_LIMIT:
            raw = b"... the log was cut here ...\n"
        with contextlib.suppress(OSError):
            os.write(self._descriptor, raw)


def last_words(lines: Sequence[str]) -> Sequence[str]:
    """Return the lines of a log that say why its process ended: the last ones, or the first ones of a crash.

    From Python 3.14 on the stack of the C code, which may be long, stands below that of Python.
    """
    crash = max((n for n, line in enumerate(lines) if line.startswith(_CRASHES)), default=None)
    return lines[-_LAST_LINES:] if crash is None else lines[crash : crash + _LAST_LINES]


def _clean(piece: bytes) -> str:
    text = piece[:LINE_LIMIT].decode("utf-8", "replace")
    return visible(redact(_without_colours(text))) + ("…" if len(piece) > LINE_LIMIT else "")


def _without_colours(text: str) -> str:
    """Drop colour sequences, which only decorate; every other escape stays and is made visible."""
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def _prune(folder: Path) -> None:
    logs = sorted(folder.glob("*.log"))
    for old in logs[: max(0, len(logs) - FILES_KEPT + 1)]:
        old.unlink(missing_ok=True)
