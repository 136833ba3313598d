"""Output for terminals only: colour by meaning, and one line of progress that is rewritten in place."""

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, TextIO

from firstlight_core.text import one_line, visible
from firstlight_tui.terminal.ascii_marks import to_ascii, wants_ascii

Role = Literal["plain", "good", "caution", "bad", "heading", "quiet"]
"""The meaning of a text."""

_CODES: dict[Role, str] = {
    "good": "32",
    "caution": "33",
    "bad": "1;31",
    "heading": "1",
    "quiet": "2",
}
"""The terminal's own 16 colours: they follow the user's light or dark scheme."""


class Painted(NamedTuple):
    """A part of a line with its meaning."""

    text: str
    role: Role


def rewrites_lines(stream: TextIO) -> bool:
    """Return whether a line of a stream can be written over."""
    try:
        return stream.isatty() and os.environ.get("TERM") != "dumb"
    except ValueError:
        # It is closed.
        return False


def wants_colour(stream: TextIO) -> bool:
    """Return whether a stream is a terminal whose user did not decline colour (no-color.org)."""
    if os.environ.get("NO_COLOR") or not rewrites_lines(stream):
        return False
    # The old console of Windows shows the codes themselves.
    return sys.platform != "win32" or bool(os.environ.get("WT_SESSION") or os.environ.get("TERM"))


def as_shown(parts: tuple[str | Painted, ...], stream: TextIO) -> str:
    """Join the parts of one line: nothing in it can be obeyed by a terminal but our own colours."""
    colour = wants_colour(stream)
    shown = []
    for part in parts:
        text, role = (part.text, part.role) if isinstance(part, Painted) else (part, "plain")
        text = to_ascii(visible(text)) if wants_ascii() else visible(text)
        code = _CODES.get(role) if colour else None
        shown.append(f"\x1b[{code}m{text}\x1b[0m" if code and text else text)
    return "".join(shown)


STAGE_COLUMNS = 28
"""Columns of the stage's name that what is left of the work may not take."""


@dataclass(slots=True)
class ProgressLine:
    """The one line of a running verb: its stage, how far it is, and the time it has taken."""

    stream: Callable[[], TextIO] = lambda: sys.stderr
    clock: Callable[[], float] = time.monotonic
    _stage: str = ""
    _count: str = ""
    _left: str = ""
    _began: float = 0.0
    _width: int = 0

    def stage(self, label: str) -> None:
        """A named part of the work begins."""
        if not self._stage:
            self._began = self.clock()
        self._stage, self._count = label, ""
        self.draw()

    def count(self, done: int, total: int | None, unit: str = "") -> None:
        """Say how far the stage is."""
        whole = f" of {total:,}" if total else ""
        self._count = f"{done:,}{whole} {unit}".rstrip()

    def left(self, words: str) -> None:
        """Say what is left of the whole work."""
        self._left = words

    def draw(self) -> None:
        """Write the line over the one before."""
        if not self._stage:
            return
        minutes, seconds = divmod(int(self.clock() - self._began), 60)
        hours, minutes = divmod(minutes, 60)
        spent = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
        columns = shutil.get_terminal_size().columns
        parts = [part for part in (self._count, self._left, spent) if part]
        end = "  ".join(["", *parts])
        if self._left and columns - len(end) < STAGE_COLUMNS:
            # The clock and the stage count more than what is left.
            end = "  ".join(["", *(part for part in parts if part != self._left)])
        line = one_line(self._stage, max(8, columns - len(end) - 1)) + end
        line = as_shown((line,), self.stream())[: columns - 1]
        self._write("\r" + line.ljust(self._width))
        self._width = len(line)

    def clear(self) -> None:
        """Take the line off the screen; the next `draw` brings it back."""
        if self._width:
            self._write("\r" + " " * self._width + "\r")
            self._width = 0

    def end(self) -> None:
        """Take the line off for good: the answer follows."""
        self.clear()
        self._stage = self._count = self._left = ""

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            stream = self.stream()
            stream.write(text)
            stream.flush()


PROGRESS = ProgressLine()
"""The progress of this process."""
