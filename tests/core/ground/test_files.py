"""Files are written whole or not at all, and read under limits."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstlight_core.errors import InputRefused, StateProblem
from firstlight_core.files import (
    read_json,
    read_json_object,
    read_limited,
    state_problem,
    write_json,
    write_whole,
)
from tests.support import faultkit


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "file"
    write_whole(path, "old")
    write_whole(path, b"new", mode=0o600)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert names(path.parent) == ["file"]


def test_a_refused_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "state" / "file"
    path.mkdir(parents=True)
    with pytest.raises(StateProblem, match="file") as caught:
        write_whole(path, "new")
    assert caught.value.hint
    assert names(path.parent) == ["file"]


SCRIPT = "import sys; from firstlight_core.files import write_whole; from pathlib import Path; write_whole(Path(sys.argv[1]), 'new' * 3000)"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the fault kit leaves files open
@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("mode", ["signal=KILL", "error=ENOSPC", "error=EIO"])
def test_killed_or_out_of_space_at_any_instant_the_file_is_old_or_new(
    tmp_path: Path, mode: str
) -> None:
    folder = tmp_path / "state"
    path = folder / "file"
    old, new = "old" * 3000, "new" * 3000

    def setup() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        path.write_text(old)

    def check() -> str | None:
        return None if path.read_text() in (old, new) else "half-written"

    # The calls that the write itself makes; the interpreter's own start makes none of these but write.
    calls = ("fsync", "rename", "chmod", "write")
    hit, bad = faultkit.kill_everywhere(
        [sys.executable, "-P", "-c", SCRIPT, str(path)],
        setup,
        check,
        syscalls=calls,
        limit=40,
        mode=mode,
    )
    assert hit >= 3
    assert not bad


def test_json_is_written_without_nan(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"a": float("inf")})
    assert not path.exists()
    write_json(path, {"ä": "\ud800"})
    assert b"\xed\xa0\x80" in path.read_bytes()


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (b"", "JSON"),
        (b"{", "JSON"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": Infinity}', "Infinity"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b"\xff\xfe{\x00}\x00", "JSON"),
        (b"[" * 200_000, "deeply"),
        (b"9" * 6_000, "JSON"),
        (b"[1]", "no JSON object"),
        (b"null", "no JSON object"),
    ],
)
def test_json_from_outside_is_refused_with_its_reason(
    tmp_path: Path, raw: bytes, word: str
) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(raw)
    with pytest.raises(InputRefused, match=word) as caught:
        read_json_object(path)
    assert "x.json" in str(caught.value)


def test_a_byte_order_mark_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json_object(path) == {"a": 1}


def test_lenient_json_allows_nan_and_duplicates(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"a": 1, "a": NaN}')
    assert str(read_json(path, strict=False)["a"]) == "nan"


@pytest.mark.parametrize("kind", ["fifo", "folder", "missing", "device", "nul", "long"])
def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "nul":
        path = tmp_path / "a\0b"
    elif kind == "long":
        path = tmp_path / ("x" * 5_000)
    with pytest.raises(InputRefused):
        read_limited(path)


def test_a_link_is_refused_where_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("x")
    (tmp_path / "link").symlink_to("target")
    assert read_limited(tmp_path / "link") == b"x"
    with pytest.raises(InputRefused):
        read_limited(tmp_path / "link", follow=False)


def test_a_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x" * 11)
    with pytest.raises(InputRefused, match="larger"):
        read_limited(tmp_path / "x", limit=10)
    assert len(read_limited(tmp_path / "x", limit=11)) == 11


@pytest.mark.slow
@given(
    st.dictionaries(
        st.text(max_size=5), st.integers() | st.text(max_size=5) | st.none(), max_size=4
    )
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, document: dict[str, object]
) -> None:
    path = tmp_path_factory.mktemp("json") / "x.json"
    write_json(path, document)
    assert read_json_object(path) == json.loads(json.dumps(document))


def test_an_error_without_a_number_is_still_a_sentence() -> None:
    assert str(state_problem(OSError("odd"), Path("/x"))) == "Cannot write /x: odd."
