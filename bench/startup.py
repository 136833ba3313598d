"""How long until `firstlight --version` has answered, and until the wizard has painted its first screen."""

import compileall
import sys
import tempfile
import time
from importlib.util import find_spec

from bench.measuring import Figure, timed
from bench.terminal import Terminal, firstlight

RUNS = 15
FIRST_WORDS = b"Environment"
"""On the first screen, in the step rail."""
PACKAGES = ("firstlight_core", "firstlight_tui", "firstlight_themes")


def measure() -> list[Figure]:
    """`--version` in turn with a bare interpreter, then the first paint."""
    compile_packages()
    command = firstlight()
    ours, bare = [], []
    for number in range(RUNS + 1):
        first, second = timed([command, "--version"])[0], timed([sys.executable, "-c", "pass"])[0]
        # The first one warms the disk cache.
        if number:
            ours.append(first)
            bare.append(second)
    paints = [first_paint() for _ in range(RUNS + 1)][1:]
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


def compile_packages() -> None:
    """Compile the packages as pip does with a wheel; modules that were edited since would be compiled at each start."""
    for package in PACKAGES:
        if (spec := find_spec(package)) is not None:
            for folder in spec.submodule_search_locations or ():
                compileall.compile_dir(folder, quiet=2)


def first_paint() -> float:
    """Seconds from the start of the process until its first screen stands on an 80x24 terminal."""
    with tempfile.TemporaryDirectory() as home:
        begun = time.perf_counter()
        terminal = Terminal(home, size=(80, 24))
        try:
            terminal.wait_for(FIRST_WORDS, seconds=20.0)
            return time.perf_counter() - begun
        finally:
            terminal.close()
