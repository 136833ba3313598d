"""Logs: split, capped, sanitised, redacted, and never an error."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstlight_core.process.logs import FILE_LIMIT, FILES_KEPT, LINE_LIMIT, LogFile, last_words


def test_lines_are_split_at_returns_and_newlines() -> None:
    log = LogFile(None, "x")
    assert log.feed(b"one\rtwo\nthr") == ["one", "two"]
    assert log.feed(b"ee\n\n \n") == ["three"]
    assert log.close() == []


def test_the_last_line_needs_no_newline() -> None:
    log = LogFile(None, "x")
    assert log.feed(b"end") == []
    assert log.close() == ["end"]


@given(st.binary(max_size=300), st.integers(1, 50))
def test_where_the_stream_is_cut_cannot_matter(raw: bytes, size: int) -> None:
    whole, cut = LogFile(None, "x"), LogFile(None, "x")
    expected = whole.feed(raw) + whole.close()
    listed = [line for i in range(0, len(raw), size) for line in cut.feed(raw[i : i + size])]
    assert listed + cut.close() == expected
    assert all(not any(ord(c) < 32 and c not in "\t" for c in line) for line in expected)


def test_colours_go_and_other_escapes_become_visible() -> None:
    (line,) = LogFile(None, "x").feed(b"\x1b[31mred\x1b[0m \x1b[2J\n")
    assert line == "red ␛[2J"


def test_an_endless_line_is_cut() -> None:
    log = LogFile(None, "x")
    for _ in range(100):
        log.feed(b"x" * 1_000)
    (line,) = log.feed(b"\n")
    assert len(line) == LINE_LIMIT + 1 and line.endswith("…")


def test_tokens_are_redacted(tmp_path: Path) -> None:
    log = LogFile(tmp_path, "x")
    log.feed(b"Authorization: hf_0123456789abcdefghij\n")
    log.close()
    assert log.path is not None
    assert log.path.read_text() == "Authorization: <token>\n"


@pytest.mark.slow
def test_a_file_is_capped_and_says_so(tmp_path: Path) -> None:
    log = LogFile(tmp_path, "x")
    for _ in range(FILE_LIMIT // 900):
        log.feed(b"y" * 1_000 + b"\n")
    log.close()
    assert log.path is not None
    text = log.path.read_text()
    assert len(text) < FILE_LIMIT + 100
    assert text.endswith("... the log was cut here ...\n")
    assert len(log.tail) == 200


def test_old_logs_go(tmp_path: Path) -> None:
    for number in range(FILES_KEPT + 5):
        (tmp_path / f"20200101-{number:06}-x.log").touch()
    log = LogFile(tmp_path, "new")
    log.close()
    assert len(list(tmp_path.glob("*.log"))) == FILES_KEPT
    assert log.path is not None and log.path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("blocked", [True, False])
def test_a_log_that_cannot_be_written_is_no_error(tmp_path: Path, blocked: bool) -> None:
    folder = tmp_path / "logs"
    if blocked:
        folder.write_text("a file")
    log = LogFile(folder if blocked else None, "x")
    assert log.feed(b"line\n") == ["line"]
    assert log.path is None
    log.close()


def test_the_last_words_of_a_crash_are_its_first_ones() -> None:
    """Python 3.14 writes the stack of the C code, one line a function, below its own."""
    lines = [f"step {n}" for n in range(30)]
    assert last_words(lines) == lines[-20:]
    crash = ["Fatal Python error: Aborted", "Current thread (most recent call first):"]
    stack = [f"  Binary file, at _function+{n}" for n in range(40)]
    assert last_words([*lines, *crash, *stack]) == [*crash, *stack[:18]]
    assert last_words(["Fatal Python error: earlier", *lines, *crash]) == crash
    assert last_words([]) == []
