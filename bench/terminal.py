"""The wizard in a pseudo-terminal, as a person has it: keys in, drawings out."""

import fcntl
import os
import pty
import random
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path

CHUNK = 65536
TAIL = 8192
"""Bytes in which awaited words are looked for."""
_ESCAPES = re.compile(rb"\x1b(?:\[[0-9;?<=>]*[A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\)|.)")


def words_of(drawn: bytes) -> bytes:
    """Return the drawn text without colours and cursor movements."""
    return _ESCAPES.sub(b"", drawn)


class Terminal:
    """A process with a terminal of its own, by default the wizard on the sample model, 120x40."""

    def __init__(
        self,
        home: str | Path,
        arguments: Sequence[str | Path] = ("--demo",),
        *,
        command: Sequence[str | Path] = (),
        size: tuple[int, int] = (120, 40),
    ) -> None:
        line = [str(word) for word in (*(command or [firstlight()]), *arguments)]
        self.drawn = b""
        """The output that the newest `redraw` read."""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(
                FIRSTLIGHT_HOME=str(home), TERM="xterm-256color", COLORTERM="truecolor"
            )
            os.execv(line[0], line)
        columns, rows = size
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds: float) -> bytes:
        """Read the output of some seconds, or up to the first silence after some output.

        Raises:
            RuntimeError: the process has ended.
        """
        drawn, until = b"", time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            if select.select([self.fd], [], [], left)[0]:
                drawn += self._drawn()
            if drawn and not select.select([self.fd], [], [], 0.001)[0]:
                break
        return drawn

    def rest(self, seconds: float) -> bytes:
        """Let time pass and return what is drawn; unread, it would make the wizard wait for its terminal."""
        drawn, until = b"", time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            if select.select([self.fd], [], [], left)[0]:
                drawn += self._drawn()
        return drawn

    def _drawn(self) -> bytes:
        try:
            return os.read(self.fd, CHUNK)
        except OSError as error:
            raise RuntimeError("the wizard has left its terminal") from error

    def wait_for(self, *words: bytes, seconds: float = 120.0) -> float:
        """Read until one of these is drawn; the seconds that it took.

        Raises:
            RuntimeError: none ever is.
        """
        drawn, begun = b"", time.perf_counter()
        while not any(word in words_of(drawn) for word in words):
            if time.perf_counter() - begun > seconds:
                raise RuntimeError(f"{words!r} was not drawn within {seconds:.0f} s")
            drawn = drawn[-TAIL:] + self.read(0.1)
        return time.perf_counter() - begun

    def press(self, keys: bytes) -> None:
        """Press keys; a long paste is taken at the terminal's pace."""
        while keys:
            keys = keys[os.write(self.fd, keys[:1024]) :]
            if keys:
                self.rest(0.01)

    def redraw(self, key: bytes, words: bytes, *, limit: float = 5.0) -> float:
        """Seconds from a key to the drawing that holds `words`, all of one style; `limit` if it never comes.

        What was on its way before is read first. The pause has no fixed length, or keys would always meet the same
        phase of Textual's 60 frames a second.
        """
        self.rest(random.uniform(0.005, 0.03))
        begun = time.perf_counter()
        self.press(key)
        self.drawn = b""
        while words not in self.drawn:
            self.drawn += self.read(0.5)
            if time.perf_counter() - begun > limit:
                return limit
        return time.perf_counter() - begun

    def close(self) -> None:
        """End it, whatever it does."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def firstlight() -> Path:
    """The console script beside this Python."""
    return Path(sys.executable).with_name("firstlight")
