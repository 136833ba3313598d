"""The lines of the summary screen: what failed, is void or was not done is named."""

from pathlib import Path
from typing import Any

import pytest

from firstlight_core.documents.deploy import Deployed
from firstlight_core.estimate.measured_figures import measured_figures
from firstlight_core.ledger import Run
from firstlight_core.report.achieved import Achievement, achievements
from firstlight_core.report.document import precision_rows
from firstlight_core.report.facts import current_facts
from firstlight_core.session import Session
from tests.core.report.test_report_claims import FAILED, artifact, bench, made, quality
from tests.support import documents
from tests.support.measured_documents import bench_case, bench_document, bench_result, figure


def lines(run: Run | None = None, **session: Any) -> dict[str, Achievement]:
    achieved = achievements(current_facts(Session(**session), run))
    return {achievement.title: achievement for achievement in achieved}


CONVERTED = {"source": "/m", "artifacts": (made("int4")[2],), "artifact": artifact("int4")}


def test_an_empty_session_achieved_nothing() -> None:
    assert {line.outcome for line in lines().values()} == {"skipped"}


def test_validated_needs_the_drift() -> None:
    achieved = lines(**CONVERTED, quality=quality())
    assert achieved["Validated against the original"].outcome == "done"
    achieved = lines(artifact="/arts/int8", quality=documents.quality("/arts/int8", drift=None))
    assert "Validated against the original" not in achieved
    assert achieved["Quality checked"].note == "1 of 1 checks passed; drift not measured"
    assert achieved["ONNX artifact adopted"].note == "int8"
    assert "Model converted to ONNX" not in achieved


def test_a_failed_check_is_no_validation() -> None:
    achieved = lines(**CONVERTED, quality=quality(**FAILED))
    assert achieved["Quality checked"].outcome == "failed"


def test_what_was_not_checked_is_named() -> None:
    two = {**CONVERTED, "artifacts": (made("int4")[2], made("int8")[2])}
    achieved = lines(**two, quality=quality())
    assert achieved["Validated against the original"].note == (
        "1 of 1 checks passed; drift not measured for int8"
    )


def test_a_void_benchmark_says_so() -> None:
    achieved = lines(**CONVERTED, benchmark=bench(void=True))["Measured on this machine"]
    assert achieved.outcome == "void"
    assert achieved.note == "decode 100 tok/s (median), but void: measure again"


def test_every_place_quotes_the_same_prompt_length() -> None:
    speeds = bench_document(
        bench_result(
            artifact("int4"),
            bench_case(32, decode=figure(126.0)),
            bench_case(128, decode=figure(112.0)),
            bench_case(512, decode=figure(97.0)),
            precision="int4",
        )
    )
    session: dict[str, Any] = {**CONVERTED, "benchmark": speeds}
    facts = current_facts(Session(**session), None)
    (row,) = [row for row in precision_rows(facts) if row["precision"] == "int4"]
    figures = measured_figures(session["artifacts"], Session(**session))["int4"]
    assert lines(**session)["Measured on this machine"].note == "decode 112 tok/s (median)"
    assert figures.decode_tps == 112.0
    assert (row["measured"]["prompt_tokens"], row["measured"]["decode_tps"]) == (128, 112.0)


@pytest.mark.parametrize(
    ("deployed", "title", "outcome"),
    [
        (documents.answered("m"), "Deployed to Foundry Local", "done"),
        (documents.exported("m", "vllm"), "Deployed as m", "done"),
        (documents.answered("m", verified=False), "Deployed to Foundry Local", "failed"),
    ],
)
def test_a_deployment_is_what_it_is(deployed: Deployed, title: str, outcome: str) -> None:
    assert lines(**CONVERTED, deployment=deployed)[title].outcome == outcome


def test_a_step_that_failed_was_not_skipped(tmp_path: Path) -> None:
    run = Run.create("/m", runs=tmp_path)
    run.record("benchmark", "failed", values={"error": documents.failure("The engine died.")})
    run.record("convert", "failed", values={"error": documents.failure("No room.")})
    achieved = lines(run)
    assert achieved["Measured on this machine"] == Achievement(
        outcome="failed",
        title="Measured on this machine",
        note="The engine died.",
        step="benchmark",
    )
    assert achieved["Model converted to ONNX"].note == "No room."
