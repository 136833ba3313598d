"""What `verify` finds in a report: a figure, a sentence, a drawn file or a ledger that was changed afterwards."""

import json
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.errors import InputRefused
from firstlight_core.ledger import LEDGER, Run
from firstlight_core.report.digest import content_digest
from firstlight_core.report.report import write_report
from firstlight_core.report.verification import verify
from firstlight_core.session import Session
from firstlight_core.workflow.run_file import write_run_toml
from tests.core.report.test_report_claims import DRIFT, bench, quality
from tests.support import documents

QUESTION, ANSWER = "What is my secret?", "Forty-two elephants."


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run.create("/models/mine", runs=tmp_path / "runs")
    run.record(
        "convert",
        "done",
        values=documents.converted(
            "int4",
            "/gone/int4",
            smoke={"tokens": 1, "text": ANSWER, "ids": [1], "prompt": QUESTION},
        ),
    )
    run.record(
        "chat",
        "done",
        values=documents.questions("/gone/int4", {"prompt": QUESTION, "text": ANSWER}),
    )
    run.record("benchmark", "done", values=bench())
    worst = [documents.drift_example(QUESTION, original=ANSWER, artifact=ANSWER)]
    run.record(
        "quality",
        "done",
        values=quality(
            drift={**DRIFT, "worst": worst},
            answers=[{"prompt": QUESTION, "text": ANSWER}],
            checks=[
                documents.check_row(
                    "domain-answers",
                    status="fail",
                    evidence={
                        "summary": "0 of 1",
                        "right": 0,
                        "faults": [{"prompt": QUESTION, "answer": ANSWER, "fault": ANSWER}],
                    },
                )
            ],
        ),
    )
    run.record(
        "deploy",
        "done",
        values=documents.answered("m", question=QUESTION, answer=ANSWER, artifact_answer=ANSWER),
    )
    return run


def written(run: Run) -> Path:
    return Path(write_report(run)["json"])


def content_of(report: Path) -> list[str]:
    """The problems that are about the report, not about the artifact that never was."""
    return [problem for problem in verify(report)["problems"] if "is not there" not in problem]


def edited(report: Path, change: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(report.read_text())
    change(document)
    report.write_text(json.dumps(document))


def a_figure(document: dict[str, Any]) -> None:
    document["quality"][0]["drift"]["kl_mean"] = 0.00018


def a_note(document: dict[str, Any]) -> None:
    document["production"][9]["status"] = "verified"


def a_section(document: dict[str, Any]) -> None:
    del document["limitations"]


def test_a_report_is_as_it_was_written(run: Run) -> None:
    report = written(run)
    assert content_of(report) == []
    # The walk, and a second report, write into the ledger afterwards.
    run.record("summary", "done")
    assert content_of(report) == []
    assert content_of(written(run)) == []
    assert verify(report)["notes"] and "signature" in verify(report)["notes"][0]


@pytest.mark.parametrize("change", [a_figure, a_note, a_section])
@pytest.mark.parametrize("alone", [True, False])
def test_an_edited_report_is_noticed(
    run: Run, tmp_path: Path, change: Callable[[dict[str, Any]], None], alone: bool
) -> None:
    report = written(run)
    if alone:
        report = Path(shutil.copy(report, tmp_path / "copied.json"))
        (run.folder / LEDGER).unlink()
    edited(report, change)
    assert "The report's content was changed after it was written." in content_of(report)


def test_an_edit_that_renews_its_own_digest_is_told_by_the_ledger(run: Run) -> None:
    report = written(run)

    def renew(document: dict[str, Any]) -> None:
        a_figure(document)
        document["digest"]["content"] = content_digest(document)

    edited(report, renew)
    assert content_of(report) == ["report.json was changed after it was written."]


def test_an_edited_ledger_is_noticed(run: Run) -> None:
    report = written(run)
    ledger = run.folder / LEDGER
    ledger.write_text(ledger.read_text().replace("100.0", "200.0"))
    assert content_of(report) == [
        "The run's ledger is not the one that the report was written from."
    ]


@pytest.mark.parametrize("name", ["report.md", "report.html"])
def test_an_edited_drawing_is_noticed(run: Run, name: str) -> None:
    report = written(run)
    drawn = report.with_name(name)
    assert verify(drawn)["ok"]
    drawn.write_text(drawn.read_text().replace("100", "200"))
    problem = f"{name} was changed after it was written."
    assert verify(drawn)["problems"] == [problem] and problem in content_of(report)


def test_a_report_without_a_digest_proves_no_figure(run: Run) -> None:
    report = written(run)
    edited(report, lambda document: document.pop("digest"))
    assert content_of(report) == [
        "The report has no digest of its content, so its figures cannot be checked."
    ]


def test_a_drawing_without_its_ledger_is_refused(run: Run, tmp_path: Path) -> None:
    written(run)
    moved = Path(shutil.copy(run.folder / "report.md", tmp_path / "report.md"))
    with pytest.raises(InputRefused, match="No ledger beside"):
        verify(moved)


def test_what_was_said_can_be_left_out(run: Run) -> None:
    paths = write_report(run, texts=False)
    for path in paths.values():
        text = Path(path).read_text()
        assert "secret" not in text and "elephants" not in text
        assert "0 of 1" in text
    assert content_of(Path(paths["json"])) == []
    assert QUESTION in Path(write_report(run)["markdown"]).read_text()


def test_what_was_said_is_for_its_owner_only(run: Run) -> None:
    run.record("model", "done", values={"path": "/m"})
    paths = write_report(run)
    toml = write_run_toml(run, Session(source="/m"))
    assert stat.S_IMODE(run.folder.stat().st_mode) == 0o700
    for path in (*paths.values(), toml, run.folder / LEDGER):
        assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
