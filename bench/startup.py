"""How long until `firstlight --version` has answered, and until the wizard has painted its first screen."""

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
from pathlib import Path

from bench.measuring import Figure, timed

RUNS = 15
FIRST_WORDS = b"Environment"
"""On the first screen, in the step rail."""


def measure() -> list[Figure]:
    """`--version` in turn with a bare interpreter, then the first paint."""
    command = Path(sys.executable).with_name("firstlight")
    ours, bare = [], []
    for number in range(RUNS + 1):
        first, second = timed([command, "--version"])[0], timed([sys.executable, "-c", "pass"])[0]
        # The first one warms the disk cache.
        if number:
            ours.append(first)
            bare.append(second)
    paints = [first_paint(command) for _ in range(RUNS + 1)][1:]
    return [
        Figure(
            name="firstlight --version",
            unit="s",
            samples=tuple(ours),
            target="<= 0.15 s",
            against="a bare interpreter",
            against_samples=tuple(bare),
        ),
        Figure(
            name="first paint of the wizard", unit="s", samples=tuple(paints), target="<= 0.5 s"
        ),
    ]


def first_paint(command: Path, seconds: float = 20.0) -> float:
    """Seconds from the start of the process until its first screen stands on an 80x24 terminal.

    Raises:
        RuntimeError: nothing was painted.
    """
    with tempfile.TemporaryDirectory() as home:
        begun = time.perf_counter()
        pid, terminal = pty.fork()
        if pid == 0:
            os.environ |= {"TERM": "xterm-256color", "FIRSTLIGHT_HOME": home}
            os.execv(command, [str(command), "--demo"])
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        said = b""
        try:
            while time.perf_counter() - begun < seconds:
                if select.select([terminal], [], [], 0.01)[0]:
                    said += os.read(terminal, 65536)
                    if FIRST_WORDS in said:
                        return time.perf_counter() - begun
            raise RuntimeError(f"the wizard painted nothing within {seconds:.0f} s")
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(terminal)
