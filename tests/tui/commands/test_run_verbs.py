"""The verbs run, runs, report and clean, as a user or a script calls them."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.ledger import Run
from firstlight_core.paths import find_paths
from tests.support.program import run_firstlight as call
from tests.support.schemas import checked


def document(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    return checked(json.loads(done.stdout))


@pytest.fixture
def run() -> Run:
    made = Run.create("mine")
    made.record("model", "done", seconds=0.1, values={"architecture": "X"})
    made.record("convert", "failed", values={"error": {"message": "It broke."}})
    return made


@pytest.mark.parametrize(
    ("text", "code", "word"),
    [
        (None, 1, "Cannot read"),
        ("source = ", 1, "not valid TOML"),
        ('source = "x"\nprecision = "int4"', 1, "`precision` is not a key"),
        ('source = "x"\nprecisions = ["int5"]', 1, "int5"),
    ],
)
def test_a_bad_plan_is_refused_before_anything_runs(
    tmp_path: Path, text: str | None, code: int, word: str
) -> None:
    path = tmp_path / "plan" / "run.toml"
    path.parent.mkdir()
    if text is not None:
        path.write_text(text)
    done = call("run", path, "--yes")
    assert done.returncode == code
    assert word in done.stderr and "Traceback" not in done.stderr and done.stdout == ""
    refusal = call("run", path, "--yes", "--json")
    assert refusal.returncode == code
    assert word in document(refusal)["error"]["message"]
    assert not find_paths().runs.exists()


def test_without_a_yes_and_a_terminal_nothing_runs(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('source = "sample"')
    done = call("run", path, "--json")
    assert done.returncode == 2
    assert document(done)["error"]["hint"] == "Add --yes."
    assert not find_paths().runs.exists()


@pytest.mark.slow
def test_a_missing_model_ends_the_walk_with_a_report(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('source = "no-such-folder"\n[deploy]\nname = "x"')
    done = call("run", path, "--yes", "--json")
    assert done.returncode == 1
    document_read = document(done)
    assert document_read["schema"] == "firstlight/run/1" and document_read["ok"] is False
    steps = {step["id"]: step for step in document_read["steps"]}
    assert steps["model"]["status"] == "failed"
    assert str(tmp_path / "no-such-folder") in steps["model"]["error"]["message"]
    assert steps["convert"]["status"] == steps["deploy"]["status"] == "skipped"
    assert Path(document_read["report"]["html"]).is_file()


def test_runs_are_listed(run: Run) -> None:
    assert document(call("runs", "--json"))["runs"] == [
        {
            "id": run.id,
            "folder": str(run.folder),
            "begun": document(call("runs", "--json"))["runs"][0]["begun"],
            "done": ["model"],
            "failed": ["convert"],
            "report": None,
        }
    ]
    assert run.id in call("runs").stdout


def test_no_run_yet() -> None:
    assert document(call("runs", "--json"))["runs"] == []
    done = call("report")
    assert (done.returncode, "no run yet" in done.stderr) == (1, True)


@pytest.mark.slow
def test_a_report_by_id_folder_and_last(run: Run) -> None:
    for name in (run.id, run.folder, "last"):
        done = call("report", name, "--json")
        assert done.returncode == 0, done.stderr
        assert Path(document(done)["html"]).is_file()
    assert call("report", "no-such-run").returncode == 1


@pytest.mark.slow
def test_clean_lists_first_and_removes_with_yes(run: Run) -> None:
    (run.folder / "artifacts").mkdir()
    (run.folder / "artifacts" / "model.onnx").write_bytes(b"x" * 2048)
    log = find_paths().logs / "a.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"x" * 1024)
    listed = document(call("clean", "--json"))
    assert {(row["kind"], row["bytes"], row["kept"]) for row in listed["left_overs"]} == {
        ("artifacts", 2048, True),
        ("logs", 1024, False),
    }
    assert listed["bytes"] == 1024 and listed["removed"] == [] and log.exists()
    assert "1.00 KiB may go" in call("clean").stdout
    removed = document(call("clean", "--yes", "--json"))
    assert removed["removed_bytes"] == 1024 and not log.exists()
    assert (run.folder / "artifacts" / "model.onnx").exists()
    assert document(call("clean", "--yes", "--all", "--json"))["removed_bytes"] == 2048
    assert call("clean").stdout == "There is nothing to remove.\n"
