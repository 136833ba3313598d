"""The report as a reader meets it: the order of its parts, void everywhere, nothing raw, nothing from elsewhere."""

import html as escapes
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from firstlight_core.documents.ledger import TurnValues
from firstlight_core.documents.report import ReportDocument
from firstlight_core.ledger import Run
from firstlight_core.report.document import report_document
from firstlight_core.report.html import report_html
from firstlight_core.report.markdown import report_markdown
from firstlight_core.report.privacy import without_texts
from tests.support import documents
from tests.support.measured_documents import figure, qualities_document

DECODE = {"int8": 3137.0, "int4": 4459.0}
"""Rates that nothing else in the report has."""
WHY = "Void: other programs used 84 % of the processor."
VOID_ELEMENTS = {"meta", "br", "rect", "line", "circle", "polyline"}


def artifact(precision: str) -> str:
    return f"/runs/1/artifacts/{precision}"


def planted(
    folder: Path, *, void: bool = False, precisions: tuple[str, ...] = ("int8", "int4")
) -> Run:
    run = Run.create("/models/mine", runs=folder)
    run.record(
        "environment",
        "done",
        values=documents.doctor(
            documents.check("onnxruntime", title="onnxruntime", found="1.31.0")
        ),
    )
    run.record(
        "model",
        "done",
        values={
            "source": "/models/mine",
            "path": "/models/mine",
            "architecture": "Qwen2ForCausalLM",
            "tied_embeddings": True,
            "parameters": 134_515_008,
            "weight_bytes": 4_600_000,
            "estimates": {"fp32": documents.estimated("fp32", bytes=9_600_000)},
        },
    )
    run.record(
        "precision", "done", values={"precisions": [*precisions], "use": "int4", "method": "config"}
    )
    results = []
    for key in precisions:
        run.record("convert", "done", values=documents.converted(key, artifact(key)))
        rate = DECODE[key]
        case = {
            "prompt_tokens": 128,
            "new_tokens": 8,
            "ttft_s": figure(0.256, low=0.25, high=0.27),
            "prefill_tps": figure(500.0, low=490.0, high=510.0),
            "decode_tps": figure(rate, low=rate - 20, high=rate + 20),
        }
        rss = {"baseline": 10**7, "loaded": 2 * 10**7, "peak": 3 * 10**7}
        results.append(
            documents.bench_result(artifact(key), precision=key, cases=[case], rss_bytes=rss)
        )
    machine = {
        "cpu": "A processor",
        "cores": 2,
        "memory_bytes": 8 * 2**30,
        "system": "Linux x86_64",
        "versions": {"onnxruntime": "1.31.0"},
    }
    bench = documents.bench(*results, void=void, notes=[WHY] if void else [], machine=machine)
    run.record("benchmark", "done", values=bench)
    worst = [documents.drift_example("Capital?", original="Rome.", artifact="Milan.")]
    checked = [
        documents.quality(artifact(key), drift=documents.drift(worst=worst)) for key in precisions
    ]
    run.record("quality", "done", values=qualities_document(*checked))
    return run


def drawn(run: Run, *, transcripts: bool = False) -> tuple[ReportDocument, str, str]:
    document = report_document(run, now=0, transcripts=transcripts)
    return document, report_markdown(document), report_html(document)


class Balanced(HTMLParser):
    """Every element that is opened is closed, in its order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[int] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID_ELEMENTS:
            self.open.append(tag)
        if re.fullmatch(r"h\d", tag):
            self.headings.append(int(tag[1]))
        if tag == "th":
            assert dict(attrs).get("scope") in ("col", "row")
        if tag == "svg":
            assert dict(attrs).get("role") == "img" and dict(attrs).get("aria-label")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Shapes close themselves."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_first_page_comes_first(tmp_path: Path) -> None:
    _, markdown, html = drawn(planted(tmp_path, void=True))
    order = (
        "mine runs on this machine as INT4",
        "A processor",
        WHY,
        "The precisions compared",
        "Sample answers",
        "Milan.",
        "Claim against measurement",
        "Limitations",
        "Appendices",
        "Production readiness",
    )
    body = html[html.index("<body>") :]
    for page in (markdown, body):
        places = [page.index(words) for words in order]
        assert places == sorted(places)
    charts = [body.index("<svg"), body.index("log scale")]
    assert body.index("The precisions compared") < min(charts)
    assert max(charts) < body.index("Sample answers")
    assert body.index("Appendices") < body.index("<details>")


def test_void_stands_beside_every_figure_of_a_void_benchmark(tmp_path: Path) -> None:
    document, markdown, html = drawn(planted(tmp_path, void=True))
    verdict = document["result"]["verdict"]
    assert "void" in verdict and "tok/s" not in verdict
    parts = re.split(r"[|\n]", markdown)
    parts += [escapes.unescape(part) for part in re.findall(r"[^<>]+", html)]
    parts += re.findall(r'aria-label="([^"]*)"', html)
    for number in ("3137", "4459", "256", "28.6 MiB"):
        matches = [part for part in parts if re.search(rf"\b{number}\b", part)]
        assert matches, number
        # A list of repetitions says it once.
        assert all("void" in part.casefold() for part in matches), [
            part for part in matches if "void" not in part.casefold()
        ]


def test_a_void_benchmark_is_ticked_nowhere(tmp_path: Path) -> None:
    document = drawn(planted(tmp_path, void=True))[0]
    closing = {item["title"]: item["status"] for item in document["closing"]}
    assert closing["Performance tuning and troubleshooting"] == "not done"
    reasons = {step["id"]: step["reason"] for step in document["steps"]}
    assert "void" in reasons["benchmark"] and reasons["quality"] == ""


def test_a_good_report_marks_nothing(tmp_path: Path) -> None:
    document, markdown, html = drawn(planted(tmp_path))
    assert "void" not in document["result"]
    assert document["result"]["verdict"] == (
        "mine runs on this machine as INT4: 1.78 MiB, 4459 tok/s, first token after 256 ms of a 128-token "
        "prompt, "
        "close to the original (measured)."
    )
    body = html[html.index("<body>") :]
    assert "void" not in markdown and "void" not in body


def test_the_comparison_has_no_empty_column(tmp_path: Path) -> None:
    run = Run.create("/models/mine", runs=tmp_path)
    run.record("convert", "done", values=documents.converted("int4", artifact("int4")))
    _, markdown, html = drawn(run)
    assert "| Precision | Size |\n" in markdown
    assert "Mean KL, nats" not in html


def test_a_size_says_what_it_is_held_against(tmp_path: Path) -> None:
    document = drawn(planted(tmp_path))[0]
    (size,) = [row for row in document["claims"] if row["subject"] == "size"]
    assert size["measured"] == "×0.194 of FP32 (estimate)"


def test_no_key_and_no_version_twice(tmp_path: Path) -> None:
    _, markdown, html = drawn(planted(tmp_path))
    for page in (markdown, html):
        for raw in ("tied_embeddings", "memory_bytes", "weight_bytes", "response_time_ms", "_s"):
            assert not re.search(rf"\b{raw}\b", page), raw
        assert page.count("1.31.0") == 1
        assert "135 million" in page
    assert "x86_64" in markdown and "x86\\_64" not in markdown


def test_a_single_precision_has_no_bar_chart_of_its_speed(tmp_path: Path) -> None:
    html = drawn(planted(tmp_path, precisions=("int4",)))[2]
    assert "Decode rate (" not in html
    assert "9.16 MiB (estimate)" in html  # FP32 beside it: two bars
    assert "Size of the artifact" in html


def test_the_page_is_well_formed_and_for_every_reader(tmp_path: Path) -> None:
    page = Balanced()
    html = drawn(planted(tmp_path, void=True))[2]
    page.feed(html)
    assert page.open == [] or page.open == ["html"]
    assert page.headings[0] == 1 and page.headings.count(1) == 1
    assert all(
        after - before <= 1 for before, after in zip(page.headings, page.headings[1:], strict=False)
    )
    assert "prefers-color-scheme: dark" in html and "@media print" in html
    assert not re.search(r"(?:src|href|url)\s*[=(]|@import|<script", html)


def turn(prompt: str, *, reused: int = 0) -> TurnValues:
    return {
        "kind": "turn",
        "prompt": prompt,
        "text": "Yes.",
        "stats": {"prompt_tokens": 37, "reused_tokens": reused, "prefill_tps": 10.5},
    }


def test_the_rate_of_one_token_is_no_prefill(tmp_path: Path) -> None:
    run = planted(tmp_path)
    run.record("chat", "done", values=turn("Kept?", reused=36))
    document, markdown, html = drawn(run)
    assert document["chat"][0]["measured"]["prefill_tps"] == 10.5
    assert "prefill 10.5" not in markdown + html
    run.record("chat", "done", values=turn("Read?"))
    assert "prefill 10.5" in drawn(run)[1]


def test_transcripts_are_there_on_request_only(tmp_path: Path) -> None:
    run = planted(tmp_path)
    run.record("chat", "done", values=turn("Before the clear?"))
    record = {
        "kind": "conversation",
        "turns": [{"role": "user", "text": "After?"}, {"role": "assistant", "text": "Yes."}],
        "stats": [],
        "ratings": [],
    }
    run.record("summary", "done", values={"session": {"chat": record}})
    document, markdown, html = drawn(run)
    assert "transcripts" not in document
    assert "Before the clear" not in markdown + html
    document, markdown, html = drawn(run, transcripts=True)
    assert [pair["question"] for pair in document["transcripts"]] == ["Before the clear?"]
    assert "Before the clear" in markdown and "Before the clear" in html
    redacted = without_texts(document)
    for page in (report_markdown(redacted), report_html(redacted)):
        assert not any(word in page for word in ("Before the clear", "After?", "Milan", "Capital?"))


def test_answers_of_a_compared_model_stand_in_the_transcripts_only(tmp_path: Path) -> None:
    run = planted(tmp_path)
    run.record("chat", "done", values=turn("Both?"))
    run.record("chat", "done", values={**turn("Both?"), "text": "The other says no.", "by": "int8"})
    document, markdown, html = drawn(run)
    assert "The other says no" not in markdown + html
    document, markdown, html = drawn(run, transcripts=True)
    assert [pair.get("by") for pair in document["transcripts"]] == [None, "int8"]
    assert "(int8)" in markdown and "The other says no" in html


@pytest.mark.parametrize("checks", ["fail", "pass"])
def test_the_verdict_does_not_praise_what_failed(tmp_path: Path, checks: str) -> None:
    run = planted(tmp_path)
    row = documents.check_row("domain-answers", title="Answers", status=checks)
    run.record(
        "quality",
        "done",
        values=documents.quality(artifact("int4"), checks=[row], ok=checks == "pass"),
    )
    verdict = drawn(run)[0]["result"]["verdict"]
    assert ("not good enough: failed: Answers" in verdict) is (checks == "fail")
