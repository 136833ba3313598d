"""Verbs on a terminal: colour, the line of progress, ASCII; and nothing of them in a pipe."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from firstlight_core.process.events import Progress, Remaining, Stage
from firstlight_tui.commands import bench_, chat_, output
from firstlight_tui.commands.painting import Painted, ProgressLine, as_shown, wants_colour
from firstlight_tui.terminal.switches import take_switches
from tests.support.measured_documents import bench_document, bench_result

pty = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FIRSTLIGHT_ASCII"):
        # Set first, so that what a switch sets is taken back.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def on_a_terminal(*arguments: str) -> str:
    """What a verb writes on a pseudo-terminal, both streams together."""
    import pty as terminals

    leader, follower = terminals.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "firstlight_tui", *arguments],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=dict(os.environ),
    ) as verb:
        os.close(follower)
        output = b""
        try:
            while piece := os.read(leader, 65536):
                output += piece
        except OSError:
            # Linux ends a terminal that nobody has open any more so.
            pass
        verb.wait(timeout=60)
    os.close(leader)
    return output.decode()


@pytest.mark.slow
@pty
def test_a_refusal_is_red_on_a_terminal_only(tmp_path: Path) -> None:
    missing = str(tmp_path / "nowhere")
    assert "\x1b[1;31mThere is no folder" in on_a_terminal("inspect", missing)
    for switch in ("--no-color", "--ascii"):
        assert ("\x1b" in on_a_terminal("inspect", missing, switch)) == (switch == "--ascii")
    piped = subprocess.run(
        [sys.executable, "-m", "firstlight_tui", "inspect", missing],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "\x1b" not in piped.stderr + piped.stdout and "\r" not in piped.stderr


@pytest.mark.slow
@pty
def test_json_on_a_terminal_is_json(tmp_path: Path) -> None:
    output = on_a_terminal("inspect", str(tmp_path / "nowhere"), "--json")
    assert json.loads(output)["error"]["code"] == "model-refused"


@pytest.mark.parametrize(
    ("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")], ids=["NO_COLOR", "dumb"]
)
def test_who_declines_colour_gets_none(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    assert sys.platform == "win32" or wants_colour(Terminal())
    monkeypatch.setenv(name, value)
    assert not wants_colour(Terminal())
    assert as_shown((Painted("red", "bad"), "\x1b[0m"), Terminal()).startswith("red")


def test_a_text_from_outside_paints_nothing() -> None:
    text = as_shown((Painted("a\x1b[5mb", "good"),), Terminal())
    assert "\x1b[5m" not in text


def test_ascii_draws_in_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRSTLIGHT_ASCII", "1")
    assert as_shown(("✓ ✗ – é",), io.StringIO()) == "v x - é"


def test_the_line_of_progress_is_rewritten_and_leaves() -> None:
    terminal, now = Terminal(), [0.0]
    line = ProgressLine(stream=lambda: terminal, clock=lambda: now[0])
    line.stage("Loading int4")
    now[0] = 62.0
    line.count(3, 9, "prompts")
    line.draw()
    line.stage("Measuring")
    line.end()
    line.draw()
    lines = terminal.getvalue().split("\r")
    assert [text.rstrip() for text in lines] == [
        "",
        "Loading int4  0:00",
        "Loading int4  3 of 9 prompts  1:02",
        "Measuring  1:02",
        "",
        "",
    ]
    assert "\n" not in terminal.getvalue()


def test_what_is_left_stands_there_while_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    for columns, status in (
        (
            "100",
            "Measuring 6 settings  1 of 12 measurements  left: 3 rounds, 42 s (estimate)  0:00",
        ),
        ("60", "Measuring 6 settings  1 of 12 measurements  0:00"),
    ):
        monkeypatch.setenv("COLUMNS", columns)
        terminal = Terminal()
        line = ProgressLine(stream=lambda terminal=terminal: terminal, clock=lambda: 0.0)
        line.stage("Measuring 6 settings")
        line.left("left: 3 rounds, 42 s (estimate)")
        line.count(1, 12, "measurements")
        line.draw()
        assert terminal.getvalue().split("\r")[-1].rstrip() == status


def test_a_narrow_terminal_keeps_the_line_on_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    terminal = Terminal()
    ProgressLine(stream=lambda: terminal).stage("Loading a model of a very long name " * 3)
    assert len(terminal.getvalue().strip("\r")) < 30


def test_a_pipe_gets_a_line_for_each_stage(capsys: pytest.CaptureFixture[str]) -> None:
    show = output.show_events()
    show(Stage("load", "Loading int4"))
    show(Progress(1, 9))
    assert capsys.readouterr().err == "- Loading int4\n"
    for rounds in (2, 1):
        show(Remaining(rounds=rounds, measurements=4 * rounds, seconds=9.0))
    assert capsys.readouterr().err == "  left: 2 rounds, 8 measurements, 9.00 s (estimate)\n"


def test_a_switch_counts_before_the_first_word_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert take_switches(["--ascii", "--demo"]) == ["--demo"]
    assert os.environ["FIRSTLIGHT_ASCII"] == "1"
    assert take_switches(["chat", "x", "--no-color"]) == ["chat", "x", "--no-color"]
    assert "NO_COLOR" not in os.environ


def test_the_columns_of_a_benchmark_stand_under_their_headers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = bench_document(bench_result("/here/int4"), notes=["Busy."], void=True)
    document["machine"]["memory"] = "8 GiB"
    bench_._show(document)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("VOID: ") and lines[1] == "Busy."
    head = next(i for i, line in enumerate(lines) if "TTFT" in line)
    ends = {
        name: lines[head].index(name) + len(name)
        for name in ("prompt", "new", "TTFT", "prefill tok/s")
    }
    for name, end in ends.items():
        assert lines[head + 1][end - 1] != " " and lines[head + 1][end : end + 1] == " ", name


def test_the_end_of_an_answer_is_told_in_words() -> None:
    assert chat_._ENDS["stop"] == "finished by itself"
