"""The real wizard in a real pseudo-terminal: it starts, it leaves, it gives the terminal back, nothing lives on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support import faultkit

WIZARD = [sys.executable, "-m", "firstlight_tui", "--demo"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal"),
]
FIRST = b"Environment"
CTRL_Q = b"\x11"
CTRL_N = b"\x0e"


def environment(home: Path) -> dict[str, str]:
    return {
        "FIRSTLIGHT_HOME": str(home / "firstlight"),
        "HOME": str(home),
        "COLORTERM": "truecolor",
    }


def children_of_home(home: Path) -> list[psutil.Process]:
    """Every worker that was started for this home and still lives."""
    matches = []
    for process in psutil.process_iter():
        try:
            mine = process.environ().get("FIRSTLIGHT_HOME", "").startswith(str(home))
            if mine and process.status() != psutil.STATUS_ZOMBIE:
                matches.append(process)
        except psutil.Error:
            continue
    return matches


def gone(home: Path, seconds: float = 5.0) -> list[psutil.Process]:
    """Who is left of this home's processes after at most `seconds`."""
    _, alive = psutil.wait_procs(children_of_home(home), timeout=seconds)
    return alive


def kill_first_child(pid: int) -> None:
    child = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]
    os.kill(int(child), signal.SIGKILL)


def test_it_starts_and_leaves(tmp_path: Path) -> None:
    ran = faultkit.pty_run(
        WIZARD, [(FIRST, None), (0.5, CTRL_Q), (0.5, b"\t\r")], secs=120, env=environment(tmp_path)
    )
    assert not ran["hung"]
    assert ran["rc"] == 0
    assert all(faultkit.restored(ran["out"]).values())
    assert gone(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_ends_it_and_restores_the_terminal(tmp_path: Path, number: signal.Signals) -> None:
    ran = faultkit.pty_run(
        WIZARD, [(FIRST, None), (1.0, number)], secs=120, env=environment(tmp_path)
    )
    assert not ran["hung"]
    assert ran["rc"] == 128 + number
    assert all(faultkit.restored(ran["out"]).values())
    assert gone(tmp_path) == []


@pytest.mark.parametrize("after", [0.0, 1.0])
def test_closing_the_window_ends_it(tmp_path: Path, after: float) -> None:
    """While it walks to the next step, and when that rests."""
    ran = faultkit.pty_run(
        faultkit.under_shell(WIZARD),
        [(FIRST, CTRL_N), (after, "hangup")],
        secs=120,
        env=environment(tmp_path),
    )
    assert ran["left"] == []
    assert [p for p in gone(tmp_path) if "firstlight" in " ".join(p.cmdline())] == []


def test_killing_it_kills_what_it_started(tmp_path: Path) -> None:
    """As the child of a shell, as users run it: a session leader's death would hide orphans."""
    argv = faultkit.under_shell(WIZARD)
    ran = faultkit.pty_run(
        argv,
        [(FIRST, None), (1.0, kill_first_child), (1.0, signal.SIGKILL)],
        secs=120,
        env=environment(tmp_path),
    )
    assert ran["left"] == []
    assert [p for p in gone(tmp_path) if "firstlight" in " ".join(p.cmdline())] == []


def test_a_window_too_small_is_survived(tmp_path: Path) -> None:
    steps = [
        (FIRST, None),
        (0.3, (20, 5)),
        (0.3, (1, 1)),
        (0.3, (200, 60)),
        (0.5, CTRL_Q),
        (0.5, b"\t\r"),
    ]
    ran = faultkit.pty_run(WIZARD, steps, secs=120, env=environment(tmp_path))
    assert not ran["hung"] and ran["rc"] == 0


def test_a_folder_as_the_only_argument_opens_the_wizard_on_it(tmp_path: Path) -> None:
    model = tmp_path / "my-model"
    model.mkdir()
    (model / "config.json").write_text('{"architectures": ["BertForMaskedLM"]}')
    argv = [sys.executable, "-m", "firstlight_tui", str(model)]
    steps = [(FIRST, CTRL_N), (b"BertForMaskedLM is an encoder", CTRL_Q)]
    ran = faultkit.pty_run(argv, steps, secs=60, env=environment(tmp_path))
    assert not ran["hung"] and ran["rc"] == 0


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "firstlight_tui", str(tmp_path / "nowhere")]
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[0] == f"There is no folder {tmp_path / 'nowhere'}."


@pytest.mark.parametrize("arguments", [[], ["--demo"]])
def test_without_a_terminal_it_refuses_in_one_sentence(
    tmp_path: Path, arguments: list[str]
) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "firstlight_tui", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=30,
        check=False,
        env={**os.environ, **environment(tmp_path)},
    )
    assert ran.returncode == 2
    assert "needs a terminal" in ran.stderr
    assert "\x1b" not in ran.stdout + ran.stderr
