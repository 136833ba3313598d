"""`python -m firstlight_dev`: what it runs on each system, and that the Makefile runs the same."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from firstlight_dev import commands, notices
from firstlight_dev.commands import COMMANDS, USAGE, Environment, main

REPOSITORY = Path(__file__).parents[1]


class Runs:
    """Remembers the commands; the one with `fails` in it ends with 7."""

    def __init__(self, fails: str = "nothing does") -> None:
        self.commands: list[list[str]] = []
        self._fails = fails

    def __call__(self, command: Sequence[str]) -> int:
        self.commands.append([*command])
        return 7 if any(self._fails in word for word in command) else 0


@pytest.fixture
def fresh(tmp_path: Path) -> Environment:
    folder = tmp_path / "venv"
    folder.mkdir()
    (folder / ".stamp-installed").touch()
    return Environment(folder, windows=False, base="python")


def test_bytecode_is_kept_even_where_the_shell_forbids_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    code = "import sys; sys.exit(sys.dont_write_bytecode)"
    assert commands.run_tool([sys.executable, "-c", code]) == 0


def test_the_first_command_installs_torch_first(tmp_path: Path) -> None:
    runs = Runs()
    folder = tmp_path / "venv"
    folder.mkdir()
    assert main(["quick"], where=Environment(folder, windows=True, base="py.exe"), run=runs) == 0
    made, torch, all_, compiled, tests = runs.commands
    assert made == ["py.exe", "-m", "venv", str(folder)]
    assert torch[0] == all_[0] == str(folder / "Scripts" / "python.exe")
    assert torch[-1].startswith("torch==")
    assert all_[-4:] == ["-c", "constraints.txt", "-e", ".[all,dev]"]
    assert compiled[1:3] == ["-m", "compileall"]
    assert tests[:3] == [torch[0], "-m", "pytest"] and "not real and not slow" in tests
    runs.commands.clear()
    assert main(["install"], where=Environment(folder, windows=True), run=runs) == 0
    assert runs.commands == []


def test_an_install_that_fails_ends_there(tmp_path: Path) -> None:
    folder = tmp_path / "venv"
    folder.mkdir()
    runs = Runs(fails="torch==")
    assert main(["demo"], where=Environment(folder, base="python"), run=runs) == 7
    assert len(runs.commands) == 2 and not (folder / ".stamp-installed").exists()


def test_check_types_three_systems(fresh: Environment) -> None:
    runs = Runs()
    assert main(["check"], where=fresh, run=runs) == 0
    platforms = [command[-1] for command in runs.commands if command[0].endswith("mypy")]
    assert platforms == ["linux", "darwin", "win32"]
    runs = Runs(fails="darwin")
    assert main(["check"], where=fresh, run=runs) == 7
    assert runs.commands[-1][-1] == "darwin"


def test_arguments_go_on(fresh: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKERS", "1")
    runs = Runs()
    assert main(["test", "tests/core", "-x"], where=fresh, run=runs) == 0
    (command,) = runs.commands
    assert command[-2:] == ["tests/core", "-x"] and command[command.index("-n") + 1] == "1"


def test_the_tests_of_screens_have_a_worker_more(
    fresh: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WORKERS", raising=False)
    runs = Runs()
    assert main(["test"], where=fresh, run=runs) == main(["quick"], where=fresh, run=runs) == 0
    assert [command[command.index("-n") + 1] for command in runs.commands] == ["3", "4"]


def test_what_is_not_known_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fly"], run=Runs()) == 2
    assert "usage" in capsys.readouterr().err
    assert main(["help"], run=Runs()) == 0
    out = capsys.readouterr().out
    for name in COMMANDS:
        assert name in out


def test_it_starts_without_anything_installed() -> None:
    """With the standard library alone: no site-packages, as on a new machine."""
    done = subprocess.run(
        [sys.executable, "-S", "-m", "firstlight_dev", "help"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0 and done.stdout == USAGE


def test_the_makefile_runs_the_same() -> None:
    done = subprocess.run(
        ["make", "-n", "-o", ".venv/.stamp-installed", "quick", "check", "demo", "WORKERS=3"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    for command in ("quick", "check", "demo"):
        assert f"WORKERS=3 .venv/bin/python -m firstlight_dev {command}" in done.stdout, done.stderr


@pytest.mark.slow
def test_the_notices_name_what_is_installed() -> None:
    text = notices.notices()
    for name in ("textual", "psutil", "jinja2", "onnxruntime", "transformers"):
        assert any(
            line.lower().startswith(f"{name} ") and ": " in line for line in text.splitlines()
        ), name
    assert "firstlight 0" not in text


def test_the_launchers_start_it() -> None:
    windows = (REPOSITORY / "demo.cmd").read_bytes()
    assert b"-m firstlight_dev demo" in windows and windows.count(b"\r\n") == windows.count(b"\n")
    mac = REPOSITORY / "demo.command"
    assert mac.stat().st_mode & 0o111
    assert subprocess.run(["sh", "-n", mac], check=False, timeout=10).returncode == 0
    assert commands.torch_pin().startswith("torch==")
