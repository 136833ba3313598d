"""A model that speaks escape sequences, or never stops, or dies, in the real wizard in a real pseudo-terminal."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.e2e.test_terminal import CTRL_Q, environment, gone
from tests.support import faultkit
from tests.support.tiny_models import puppet

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal"),
]


F4, F10 = b"\x1bOS", b"\x1b[21~"


def chat(folder: Path) -> list[str]:
    return [sys.executable, "-m", "firstlight_tui", "chat", str(folder)]


def cut(text: str, size: int) -> list[bytes]:
    """`text` in pieces of `size` bytes, so that escape sequences and characters are split across tokens."""
    raw = text.encode()
    pieces = [raw[i : i + size] for i in range(0, len(raw), size)]
    # The puppet says every chunk once only; a number makes equal pieces differ.
    seen: dict[bytes, int] = {}
    unique = []
    for piece in pieces:
        seen[piece] = seen.get(piece, 0) + 1
        unique.append(piece if seen[piece] == 1 else piece + str(seen[piece]).encode())
    return unique


@pytest.mark.parametrize("size", [7, 64, 400])
def test_nothing_hostile_reaches_the_terminal(tmp_path: Path, size: int) -> None:
    folder = puppet(tmp_path / "puppet", [*cut(faultkit.PAYLOAD, size), "THE END"])
    steps = [
        (b"loaded in", b"hi\r"),
        (b"measured:", b"/history\r"),
        (b"History", b"\x1b"),
        (0.3, b"/stats\r"),
        (b"Measured", b"\x1b"),
        # The tokens one by one, with what else was likely, and the prompt.
        (0.3, F10),
        (b"Token 1", b"\x1b[C"),
        (b"Token 2", b"\x1b"),
        (0.3, F4),
        (b"The prompt", b"\x1b"),
        (0.3, CTRL_Q),
    ]
    ran = faultkit.pty_run(chat(folder), steps, secs=120, env=environment(tmp_path))
    assert ran["left"] == [], ran["out"][-2000:]
    assert ran["rc"] == 0
    assert faultkit.leaks(ran["out"]) == []


def test_an_endless_answer_stops_at_the_limit_and_says_so(tmp_path: Path) -> None:
    folder = puppet(tmp_path / "puppet", [f"word{n} " for n in range(50)], loop=True)
    steps = [
        (b"loaded in", b"hi\r"),
        (b"cut at the", CTRL_Q),
    ]
    # Wide, so that the line of figures is not broken within these words. Said in the environment too: readline, which
    # pytest loads, writes a width of its own into the one that children get.
    wide = {**environment(tmp_path), "COLUMNS": "160", "LINES": "30"}
    ran = faultkit.pty_run(chat(folder), steps, secs=120, cols=160, env=wide)
    assert ran["left"] == [] and ran["rc"] == 0, ran["out"][-3000:]


def to_engine(number: signal.Signals) -> Callable[[int], None]:
    """Send a signal to the engine that the wizard started."""

    def send(pid: int) -> None:
        for child in psutil.Process(pid).children():
            if "firstlight_core.jobs" in child.cmdline() and "engine" in child.cmdline():
                os.kill(child.pid, number)

    return send


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_a_dying_engine_leaves_the_wizard_and_its_history(
    tmp_path: Path, number: signal.Signals
) -> None:
    folder = puppet(tmp_path / "puppet", [f"word{n} " for n in range(20)])
    steps = [
        (b"loaded in", b"first\r"),
        (b"measured:", to_engine(number)),
        (1.5, b"second\r"),
        (b"measured:", b"/history\r"),
        (b"first", b"\x1b"),
        (0.5, CTRL_Q),
        # The end of the first answer may have been drawn once more while the second is written: the wizard asks then.
        (0.5, b"\t\r"),
    ]
    ran = faultkit.pty_run(chat(folder), steps, secs=120, env=environment(tmp_path))
    # The answer to the question is left over where nothing was asked.
    assert ran["left"] in ([], [0.5]) and ran["rc"] == 0, ran["out"][-3000:]
    assert gone(tmp_path) == []


def test_a_suspended_engine_is_told_ended_and_started_anew(tmp_path: Path) -> None:
    folder = puppet(tmp_path / "puppet", [f"word{n} " for n in range(20)])
    steps = [
        (b"loaded in", b"first\r"),
        (b"measured:", to_engine(signal.SIGSTOP)),
        # The end of the first answer is taken in before a second question can be asked.
        (1.5, b"second\r"),
        # Stop cannot reach it; the wizard answers keys all the same.
        (0.5, b"\x1b"),
        (b"suspended", b"third\r"),
        # The question is on the screen, and then an answer from the new engine; the first one is still above it.
        (b"third", None),
        (b"measured:", CTRL_Q),
        # The end of the first answer may have been drawn once more while the second is written: the wizard asks then.
        (0.5, b"\t\r"),
    ]
    ran = faultkit.pty_run(chat(folder), steps, secs=120, env=environment(tmp_path))
    # The answer to the question is left over where nothing was asked.
    assert ran["left"] in ([], [0.5]) and ran["rc"] == 0, ran["out"][-3000:]
    assert gone(tmp_path) == []
