"""The terminal as the wizard meets it: it may go away before the wizard does, and send bytes that are no text."""

import codecs
import contextlib
from functools import partial
from typing import IO, Any

from textual.app import App
from textual.drivers import linux_driver
from textual.drivers.linux_driver import LinuxDriver

from firstlight_tui.terminal.writes import Mark, Writes


def _lenient_decoder(encoding: str) -> Any:
    """Return a decoder for any bytes; Textual's own ends the wizard at a pasted byte that is not UTF-8."""
    return partial(codecs.getincrementaldecoder(encoding), "replace")


linux_driver.getincrementaldecoder = _lenient_decoder  # type: ignore[attr-defined]


class Vanishing:
    """A file that may vanish: later writes are lost silently."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._marks: list[Mark] = []

    def write(self, text: str) -> None:
        """Write, if anybody is there to read it."""
        if isinstance(text, Mark):
            self._marks.append(text)
            return
        with contextlib.suppress(OSError):
            self._file.write(text)

    def flush(self) -> None:
        """Send what was written on its way, and tell the marks among it."""
        with contextlib.suppress(OSError):
            self._file.flush()
        marks, self._marks = self._marks, []
        for mark in marks:
            mark.reached()

    def fileno(self) -> int:
        """Return the number of the file below."""
        return self._file.fileno()


class LastingDriver(LinuxDriver):
    """Textual's own, but its thread that writes outlives the terminal.

    In Textual 8 that thread ends when the terminal's window is closed; thirty writes later nobody takes them out of the queue
    any more, and whoever writes the next one, or wants to leave, waits for ever.
    """

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        self.writes = Writes(self.write)
        if self._file is not None:
            self._file = Vanishing(self._file)  # type: ignore[assignment]
