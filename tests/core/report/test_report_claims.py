"""What a report claims is what the run proved: void, failed and missing evidence is named, never counted."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.documents.bench_parts import LoadFigures
from firstlight_core.documents.conversion import ConversionDocument
from firstlight_core.documents.deploy import Deployed
from firstlight_core.documents.ledger import PrecisionValues
from firstlight_core.documents.measure import BenchDocument, OwnTextDrift, QualityDocument
from firstlight_core.documents.report import ReportDocument
from firstlight_core.ledger import Run
from firstlight_core.report.cells import bench_sentence, drift_cell, drift_rows
from firstlight_core.report.document import report_document
from firstlight_core.report.html import report_html
from firstlight_core.report.markdown import report_markdown
from tests.support import documents
from tests.support.measured_documents import figure

DRIFT = documents.drift()


def artifact(precision: str) -> str:
    return f"/runs/1/artifacts/{precision}"


def bench(precision: str = "int4", **over: Any) -> BenchDocument:
    return documents.bench(documents.bench_result(artifact(precision), precision=precision), **over)


VOID = {"void": True, "notes": ["Void: other programs used 70 % of the processor."]}


def quality(precision: str = "int4", **over: Any) -> QualityDocument:
    return documents.quality(artifact(precision), **over)


FAILED: dict[str, Any] = {
    "ok": False,
    "checks": [
        documents.check_row(
            "domain-answers",
            title="Answers",
            status="fail",
            evidence={
                "summary": "0 of 2",
                "faults": [
                    {"prompt": "Capital?", "fault": "the answer is not 'Rome'"},
                    {"prompt": "Sum?", "fault": "the answer is not JSON"},
                ],
            },
        )
    ],
}


def recorded(folder: Path, *entries: tuple[str, str, Mapping[str, Any]]) -> ReportDocument:
    run = Run.create("/models/m", runs=folder)
    for step, status, values in entries:
        run.record(step, status, values=values)
    return report_document(run, now=0)


def made(precision: str) -> tuple[str, str, ConversionDocument]:
    return "convert", "done", documents.converted(precision, artifact(precision))


def using(precision: str) -> tuple[str, str, PrecisionValues]:
    return "precision", "done", {"precisions": [precision], "use": precision, "method": "config"}


def statuses(document: Mapping[str, Any]) -> dict[str, str]:
    return {item["title"]: item["status"] for item in document["production"]}


def notes(document: Mapping[str, Any], part: str) -> dict[str, str]:
    return {item["title"]: item["note"] for item in document[part]}


def test_a_failed_quality_check_verifies_nothing(tmp_path: Path) -> None:
    document = recorded(tmp_path, made("int4"), ("quality", "failed", quality(**FAILED)))
    assert statuses(document)["Suitable quantization"] == "failed"
    assert "failed: Answers" in notes(document, "production")["Suitable quantization"]
    assert "quality failed: int4" in notes(document, "closing")["Model quantization optimization"]
    assert notes(document, "closing")["Performance tuning and troubleshooting"].endswith(
        "quality: failed: Answers"
    )
    assert any("failed: Answers" in line for line in document["limitations"])


@pytest.mark.parametrize(
    ("over", "status", "word"),
    [
        ({}, "verified", "every check passed"),
        ({"drift": None}, "reminder", "drift from the original was not measured"),
        ({"ok": False}, "failed", "too far"),
        (
            {"checks": [documents.check_row("a", title="Edge cases", status="needs-you")]},
            "reminder",
            "not settled: Edge cases",
        ),
        ({"checks": []}, "reminder", "no check"),
    ],
)
def test_only_a_passed_check_with_its_drift_verifies(
    tmp_path: Path, over: dict[str, Any], status: str, word: str
) -> None:
    document = recorded(tmp_path, made("int4"), ("quality", "done", quality(**over)))
    assert statuses(document)["Suitable quantization"] == status
    assert word in notes(document, "production")["Suitable quantization"]


def test_the_artifact_in_use_must_be_the_one_that_was_checked(tmp_path: Path) -> None:
    document = recorded(
        tmp_path, using("int4"), made("int4"), made("int8"), ("quality", "done", quality("int8"))
    )
    assert statuses(document)["Suitable quantization"] == "reminder"
    assert "int4 is in use, and only int8" in notes(document, "production")["Suitable quantization"]
    assert notes(document, "closing")["Model quantization optimization"] == (
        "2 quantized artifacts; drift measured for 1 of them (int8)"
    )
    assert "The drift from the original was not measured for int4." in document["limitations"]


def test_checks_of_several_artifacts_are_kept_side_by_side(tmp_path: Path) -> None:
    document = recorded(
        tmp_path,
        using("int4"),
        made("int4"),
        made("int8"),
        ("quality", "done", quality("int4")),
        ("quality", "done", quality("int8")),
    )
    assert statuses(document)["Suitable quantization"] == "verified"
    assert notes(document, "closing")["Model quantization optimization"] == (
        "2 quantized artifacts; drift measured for all"
    )


def test_a_check_of_an_artifact_that_was_made_again_is_forgotten(tmp_path: Path) -> None:
    document = recorded(tmp_path, made("int4"), ("quality", "done", quality()), made("int4"))
    assert statuses(document)["Suitable quantization"] == "reminder"


def test_void_figures_say_so_wherever_they_stand(tmp_path: Path) -> None:
    document = recorded(tmp_path, made("int4"), ("benchmark", "done", bench(**VOID)))
    by_step = statuses(document)
    for title in (
        "Speed under the expected load",
        "Caching and warming of the model",
        "Memory and CPU watched",
    ):
        assert by_step[title] == "void"
    (row,) = [row for row in document["precisions"] if "measured" in row]
    assert row["measured"]["void"] is True
    (closing,) = [c for c in document["closing"] if c["title"].startswith("Performance")]
    assert closing["status"] == "not done" and "void" in closing["note"]
    (model,) = document["metrics"]["models"].values()
    assert model["status"] == "void"
    markdown, html = report_markdown(document), report_html(document)
    for drawn in (markdown, html):
        assert "TTFT ms (measured, void)" in drawn and "Load (measured, void)" in drawn
        assert "Void: measure again" in drawn and "void: load" in drawn
        assert drawn.index("Do not rely on the speeds") < drawn.index("The precisions compared")


def test_a_valid_benchmark_verifies_memory_and_never_a_cold_start(tmp_path: Path) -> None:
    document = recorded(tmp_path, made("int4"), ("benchmark", "done", bench()))
    by_step = statuses(document)
    assert by_step["Memory and CPU watched"] == "verified"
    assert by_step["Caching and warming of the model"] == "reminder"
    assert by_step["Works offline"] == "reminder"
    assert "void" not in json.dumps(document["precisions"])


def test_a_benchmark_that_failed_is_not_passed_over(tmp_path: Path) -> None:
    failed = {"error": documents.failure("The engine died.")}
    document = recorded(tmp_path, made("int4"), ("benchmark", "failed", failed))
    assert statuses(document)["Memory and CPU watched"] == "failed"
    assert notes(document, "production")["Memory and CPU watched"] == "The engine died."


@pytest.mark.parametrize(
    ("deployed", "status", "note"),
    [
        (documents.answered("m"), "verified", "converted, deployed and asked"),
        (documents.published("m"), "reminder", "not verified"),
        (documents.exported("m", "ollama"), "reminder", "exported for ollama"),
        (documents.answered("m", verified=False), "failed", "is not the artifact's"),
    ],
)
def test_the_workflow_is_verified_by_an_answer(
    tmp_path: Path, deployed: Deployed, status: str, note: str
) -> None:
    document = recorded(tmp_path, made("int4"), ("deploy", "done", deployed))
    assert statuses(document)["The whole workflow, end to end"] == status
    assert note in notes(document, "production")["The whole workflow, end to end"]


def test_an_answer_that_differs_is_told(tmp_path: Path) -> None:
    deployed = documents.answered("m", verified=False, answer="4")
    document = recorded(tmp_path, made("int4"), ("deploy", "failed", deployed))
    assert document["deployment"]["verified"] is False
    assert statuses(document)["The whole workflow, end to end"] == "failed"
    (item,) = [i for i in document["closing"] if i["title"].startswith("Foundry")]
    assert (item["status"], item["note"]) == (
        "not done",
        "Foundry Local's answer is not the artifact's",
    )


def test_a_name_of_an_export_is_none_of_foundrys(tmp_path: Path) -> None:
    document = recorded(tmp_path, made("int4"), ("deploy", "done", documents.exported("m", "vllm")))
    assert statuses(document)["Model alias chosen for the use case"] == "reminder"


def test_a_deployment_that_was_taken_back_is_gone(tmp_path: Path) -> None:
    document = recorded(
        tmp_path,
        made("int4"),
        ("deploy", "done", documents.answered("m")),
        ("deploy", "undone", {"name": "m"}),
    )
    assert "deployment" not in document
    assert statuses(document)["The whole workflow, end to end"] == "reminder"
    (step,) = [s for s in document["steps"] if s["id"] == "deploy"]
    assert (step["status"], step["reason"]) == ("skipped", "taken back")


def test_an_adopted_artifact_was_not_converted_here(tmp_path: Path) -> None:
    document = recorded(
        tmp_path,
        ("model", "done", {"artifact": "/onnx"}),
        ("deploy", "done", documents.answered("m")),
    )
    assert statuses(document)["The whole workflow, end to end"] == "reminder"
    assert document["closing"][0]["status"] == "not done"


def test_a_step_that_says_no_says_why(tmp_path: Path) -> None:
    sentence = "Not good enough. 0 of 1 checks that ran passed."
    failed = ("quality", "failed", {**quality(**FAILED), "verdict": sentence})
    (step,) = [s for s in recorded(tmp_path, made("int4"), failed)["steps"] if s["id"] == "quality"]
    assert step["reason"] == sentence


def test_a_length_that_was_shortened_is_told(tmp_path: Path) -> None:
    sentence = "`ModelConfig.max_length` 99,999 is more than the model's context; 1,024 tokens are written."
    template = {"locked": True, "fitted": sentence, "inference_model": {"Name": "m"}}
    document = recorded(tmp_path, made("int4"), ("template", "done", template))
    for drawn in (report_markdown(document), report_html(document)):
        assert "99,999" in drawn and "1,024 tokens are written" in drawn


def test_the_reports_name_the_faults(tmp_path: Path) -> None:
    document = recorded(tmp_path, made("int4"), ("quality", "failed", quality(**FAILED)))
    for drawn in (report_markdown(document), report_html(document)):
        assert "Capital?" in drawn and "not JSON" in drawn


@pytest.mark.parametrize(
    ("used", "others", "words"),
    [
        ("int4", (), "convert to int8 next"),
        ("int4", ("int8-compact",), "take int8-compact, which this run made too"),
        ("int8-compact", ("int4",), "convert to fp16 next"),
        ("fp16", (), "convert to fp32 next"),
        ("fp32", (), "train again"),
    ],
)
def test_the_fallback_lies_closer_to_the_original(
    tmp_path: Path, used: str, others: tuple[str, ...], words: str
) -> None:
    document = recorded(tmp_path, using(used), *map(made, (used, *others)))
    assert words in document["fallback"]


def test_the_fallback_passes_over_what_cannot_run_or_failed(tmp_path: Path) -> None:
    fp16 = documents.estimated("fp16", available=False, reason="overflows")
    model = {"estimates": {"fp16": fp16}}
    document = recorded(
        tmp_path,
        ("model", "done", model),
        using("int4"),
        made("int4"),
        made("int8"),
        ("quality", "failed", quality("int8", ok=False)),
    )
    assert "convert to fp32 next" in document["fallback"]


def test_drift_rows_carry_their_intervals_and_the_users_own_text() -> None:
    own: OwnTextDrift = {
        "top1_agreement": 0.9,
        "top1_interval": [0.8, 0.95],
        "kl_mean": 0.0021,
        "kl_p95": 0.01,
        "perplexity_ratio": 1.0,
        "perplexity": {"original": 2.0, "artifact": 2.0},
        "stretches": 1,
        "text_tokens": 140,
        "reference_cached": False,
    }
    drift = documents.drift(
        top1_agreement=0.964,
        top1_interval=[0.912, 0.986],
        kl_mean=-2e-17,
        kl_interval=[-3e-17, 1e-12],
        perplexity_ratio=1.0088,
        tokens=140,
        own_text=own,
    )
    rows = dict(drift_rows(drift))
    assert rows["The original's token is the likeliest"] == "96.40 % (95 %: 91.20 % to 98.60 %)"
    assert rows["KL divergence, mean"] == "0 nats (95 %: 0 nats to 0 nats)"
    assert rows["Perplexity, times the original's"] == "1.0088 ×"
    assert rows["On your own text: KL divergence, mean"] == "0.0021 nats"
    assert drift_cell({"top1_agreement": 1.0, "kl_mean": -2e-17}) == "100.0 %, KL 0"


def test_a_stopped_benchmark_is_no_proof_and_says_so(tmp_path: Path) -> None:
    part = bench(stopped=True, notes=["Stopped after 7 of 16 measurements."])
    document = recorded(tmp_path, made("int4"), ("benchmark", "cancelled", part))
    assert any("stopped early" in note for note in notes(document, "closing").values())
    assert "Stopped early" in bench_sentence(part)


@pytest.mark.parametrize(
    ("load", "status", "word"),
    [
        ({}, "reminder", "not a cold start"),
        ({"cold_unknown": "nobody tells", "warm_s": figure(0.2)}, "reminder", "nobody tells"),
        ({"cold_s": figure(1.5), "warm_s": figure(0.2)}, "verified", "1.50 s"),
        (
            {"cold_s": figure(1.5, low=1.4, high=1.9), "warm_s": figure(0.2)},
            "verified",
            "no cold start took longer than 1.90 s",
        ),
    ],
)
def test_only_a_cold_load_verifies_a_cold_start(
    tmp_path: Path, load: LoadFigures, status: str, word: str
) -> None:
    document = bench()
    if load:
        document["results"][0]["load"] = load
    report = recorded(tmp_path, made("int4"), ("benchmark", "done", document))
    title = "Caching and warming of the model"
    assert statuses(report)[title] == status
    assert word in notes(report, "production")[title]
