"""The ledger: append-only, whole lines, and readable whatever happened to it."""

import json
import threading
from pathlib import Path

import pytest

from firstlight_core.errors import InputRefused, StateProblem
from firstlight_core.ledger import LEDGER, Run, list_runs
from firstlight_core.paths import find_paths


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create("/models/my model!", runs=tmp_path / "runs", now=0)


def test_entries_come_back_in_order(run: Run) -> None:
    run.record("convert", "done", seconds=1.5, values={"precision": "int4"})
    run.record("deploy", "failed")
    assert [(e.step, e.status, e.seconds, dict(e.values)) for e in run.entries()] == [
        ("convert", "done", 1.5, {"precision": "int4"}),
        ("deploy", "failed", 0.0, {}),
    ]


@pytest.mark.parametrize(
    "torn",
    [
        *(b'{"at": 1, "st', b"\xff\xfe", b"[]", b'{"at": "x"}', b"null", b"{}"),
        b'{"at": NaN, "step": "chat", "status": "done", "seconds": 1, "values": {}}',
        b'{"at": 1e99, "step": "chat", "status": "done", "seconds": 1, "values": {}}',
        b'{"at": 1, "step": "chat", "status": "done", "seconds": -Infinity, "values": {}}',
    ],
)
def test_a_torn_or_foreign_line_swallows_nothing(run: Run, torn: bytes) -> None:
    run.record("model", "done")
    with (run.folder / LEDGER).open("ab") as stream:
        stream.write(torn)
    run.record("convert", "done")
    assert [e.step for e in run.entries()] == ["model", "convert"]


def test_nan_is_refused_before_anything_is_written(run: Run) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        run.record("x", "done", values={"a": float("nan")})
    assert list(run.entries()) == []


def test_names_are_safe_and_unique(tmp_path: Path) -> None:
    made = [Run.create("/models/../my model!", runs=tmp_path, now=0) for _ in range(3)]
    assert len({run.id for run in made}) == 3
    for new_run in made:
        assert new_run.folder.parent == tmp_path
        assert set(new_run.id) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")


def test_the_sample_is_called_so(tmp_path: Path) -> None:
    assert Run.create(str(find_paths().sample), runs=tmp_path).id.endswith("-sample")


def test_a_run_is_opened_by_id_or_folder(run: Run, tmp_path: Path) -> None:
    run.record("model", "done")
    assert Run.open(run.id, runs=tmp_path / "runs") == run
    assert Run.open(str(run.folder), runs=tmp_path) == run


@pytest.mark.parametrize("name", ["nothing", "", "a\0b", "x" * 5_000, ".."])
def test_no_such_run(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="no run"):
        Run.open(name, runs=tmp_path)


def test_runs_are_listed_newest_first(tmp_path: Path) -> None:
    old, new = (Run.create("m", runs=tmp_path, now=now) for now in (0, 10**9))
    for run in (old, new):
        run.record("model", "done")
    (tmp_path / "foreign").mkdir()
    assert list_runs(tmp_path) == [new, old]
    assert list_runs(tmp_path / "missing") == []


def test_a_ledger_that_cannot_be_written_is_a_sentence(run: Run) -> None:
    (run.folder / LEDGER).mkdir()
    with pytest.raises(StateProblem, match=LEDGER):
        run.record("model", "done")


def test_no_folder_for_runs_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(StateProblem):
        Run.create("m", runs=tmp_path / "runs")


def test_entries_written_at_the_same_time_stay_whole(run: Run) -> None:
    threads = [
        threading.Thread(
            target=run.record, args=(f"s{n}", "done"), kwargs={"values": {"x": "y" * 500}}
        )
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {e.step for e in run.entries()} == {f"s{n}" for n in range(8)}


def test_each_line_is_one_json_object(run: Run) -> None:
    run.record("a", "done", values={"text": "two\nlines\u2028"})
    lines = (run.folder / LEDGER).read_bytes().split(b"\n")
    assert json.loads(lines[0])["values"]["text"] == "two\nlines\u2028"
    assert next(run.entries()).values["text"] == "two\nlines\u2028"
    assert [path.name for path in run.folder.iterdir()] == [LEDGER]
