"""From a key to the redraw that shows it, in a real pseudo-terminal: at rest, converting, loading, answering.

The key is F1 and Q in turn (a dialog opens and closes), the redraw is the first byte that follows. SPEC 4: p99 at
most 50 ms, worst at most 200 ms.
"""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Callable
from pathlib import Path

from bench.measuring import Figure

KEYS = 60
PAUSE_SECONDS = 0.03
F1, CLOSE, ENTER, NEXT = b"\x1bOP", b"q", b"\r", b"\x0e"
TARGET = "p99 <= 0.05 s, worst <= 0.2 s"


class Terminal:
    """The wizard in a pseudo-terminal of 120x40."""

    def __init__(self, home: str) -> None:
        command = Path(sys.executable).with_name("firstlight")
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(FIRSTLIGHT_HOME=home, TERM="xterm-256color", COLORTERM="truecolor")
            os.execv(command, [str(command), "--demo"])
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))

    def read(self, seconds: float) -> bytes:
        """What is drawn within some seconds, or up to the first silence after something was."""
        said, until = b"", time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            if select.select([self.fd], [], [], left)[0]:
                said += os.read(self.fd, 65536)
            if said and not select.select([self.fd], [], [], 0.002)[0]:
                break
        return said

    def wait_for(self, words: bytes, seconds: float = 60.0) -> None:
        """Read until some words are drawn.

        Raises:
            RuntimeError: they never are.
        """
        said, until = b"", time.perf_counter() + seconds
        while words not in said:
            if time.perf_counter() > until:
                raise RuntimeError(f"{words!r} was not drawn within {seconds:.0f} s")
            said = said[-4096:] + self.read(0.1)

    def press(self, key: bytes) -> None:
        """Press a key."""
        os.write(self.fd, key)

    def redraw(self, key: bytes, words: bytes) -> float:
        """Seconds from a key to the drawing that holds `words`; what was on its way before is read first."""
        self.read(PAUSE_SECONDS)
        begun = time.perf_counter()
        self.press(key)
        said = b""
        while words not in said:
            said = said[-4096:] + self.read(2.0)
            if time.perf_counter() - begun > 5:
                return 5.0
        return time.perf_counter() - begun

    def close(self) -> None:
        """End it, whatever it does."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def measure() -> list[Figure]:
    """Key to redraw while nothing runs, while Olive converts, and while the wizard probes the machine."""
    with tempfile.TemporaryDirectory() as home:
        terminal = Terminal(home)
        try:
            terminal.wait_for(b"Environment")
            probing = latencies(terminal, lambda n: n < KEYS // 2)
            terminal.wait_for(b"Next: Model") if not probing else time.sleep(6)
            rest = latencies(terminal, lambda n: n < KEYS)
            for _ in range(3):
                terminal.press(NEXT)
                time.sleep(1.0)
            terminal.press(ENTER)
            time.sleep(0.3)
            converting = latencies(terminal, lambda n: n < KEYS)
        finally:
            terminal.close()
    return [
        figure("key to redraw, probing the machine", probing),
        figure("key to redraw, at rest", rest),
        figure("key to redraw, converting", converting),
    ]


def latencies(terminal: Terminal, more: Callable[[int], bool]) -> list[float]:
    """Open and close the help dialog until `more` says no; the seconds of each."""
    seconds: list[float] = []
    while more(len(seconds)):
        seconds.append(terminal.redraw(F1, b"Esc closes"))
        seconds.append(terminal.redraw(CLOSE, b"Firstlight"))
    return seconds


def figure(name: str, seconds: list[float]) -> Figure:
    """All samples; the p99 and the worst are in the name, as they are what counts."""
    ordered = sorted(seconds)
    p99 = ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))]
    words = f"{name} (p99 {p99 * 1000:.0f} ms, worst {ordered[-1] * 1000:.0f} ms)"
    return Figure(name=words, unit="s", samples=tuple(seconds), target=TARGET)
