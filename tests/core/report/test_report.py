"""The report: everything that was recorded, every number marked, nothing private, nothing that runs."""

import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstlight_core.documents.bench_parts import ClientsLevel
from firstlight_core.documents.ledger import TemplateValues
from firstlight_core.documents.measure import BenchCase, BenchDocument, BenchResult
from firstlight_core.documents.tuning import ThreadSettings, TunedManifest
from firstlight_core.errors import InputRefused
from firstlight_core.ledger import Run
from firstlight_core.paths import RUN_FILE
from firstlight_core.report.cells import plain
from firstlight_core.report.charts import Bar, Spot, bar_chart, drift_chart, line_chart, number_text
from firstlight_core.report.document import report_document
from firstlight_core.report.html import report_html
from firstlight_core.report.markdown import report_markdown
from firstlight_core.report.report import find_run, write_report
from firstlight_core.session import Session
from firstlight_core.workflow.run_file import write_run_toml
from tests.support import documents, faultkit
from tests.support.measured_documents import figure, qualities_document

ARTIFACT = "/runs/1/artifacts/int4"
CONVERTED = documents.converted("int4", ARTIFACT)
SPREAD = figure(100.0, low=90.0, high=110.0)


def case(tokens: int) -> BenchCase:
    return {
        "prompt_tokens": tokens,
        "new_tokens": 8,
        "ttft_s": {**SPREAD, "median": tokens / 1000},
        "prefill_tps": SPREAD,
        "decode_tps": SPREAD,
        "total_s": {"median": 2.0, "min": 1.0, "max": 3.0, "samples": [1.0, 3.0]},
    }


RESULT = documents.bench_result(
    ARTIFACT,
    precision="int4",
    cases=[case(32), case(128)],
    rss_bytes={"baseline": 10**7, "loaded": 5 * 10**7, "peak": 6 * 10**7},
)
BENCH = documents.bench(RESULT, notes=["A note."])
QUALITY = documents.quality(
    ARTIFACT,
    checks=[documents.check_row("domain")],
    drift=documents.drift(top1_agreement=0.984, kl_mean=0.0021),
    verdict="Close to the original.",
)


def template(sentence: str) -> TemplateValues:
    return {
        "locked": False,
        "inference_model": {"Name": "mine", "PromptTemplate": {"prompt": "{Content}"}},
        "differences": [
            {
                "shape": "single",
                "between": "genai",
                "cause": "template",
                "index": 0,
                "expected": [],
                "found": [],
                "sentence": sentence,
            }
        ],
    }


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run.create("/models/mine", runs=tmp_path / "runs")
    run.record(
        "environment",
        "done",
        seconds=1,
        values=documents.doctor(documents.check("python", title="Python", found="3.11.9")),
    )
    run.record(
        "model",
        "done",
        values={
            "architecture": "Qwen2ForCausalLM",
            "weight_bytes": 4_600_000,
            "estimates": {
                "int4": documents.estimated("int4"),
                "fp16": documents.estimated("fp16", available=False, reason="no room"),
            },
        },
    )
    run.record("convert", "done", seconds=4.5, values=CONVERTED)
    run.record(
        "template",
        "done",
        values=template("A newline is missing."),
    )
    run.record(
        "deploy",
        "done",
        values=documents.answered("mine"),
    )
    run.record(
        "chat",
        "done",
        values=documents.questions(
            ARTIFACT, {"prompt": "Why?", "text": "Because.", "stats": {"decode_tps": 50.0}}
        ),
    )
    run.record("benchmark", "done", values=BENCH)
    run.record("quality", "done", values=QUALITY)
    return run


def drawn(run: Run) -> tuple[dict[str, Any], str, str]:
    document = report_document(run, now=0)
    return document, report_markdown(document), report_html(document)


def test_three_files_are_written(run: Run) -> None:
    paths = write_report(run)
    assert set(paths) == {"markdown", "json", "html"}
    assert json.loads(Path(paths["json"]).read_text())["run"]["id"] == run.id
    assert all(Path(path).stat().st_size > 1_000 for path in paths.values())


def test_what_was_recorded_is_told(run: Run) -> None:
    document, markdown, html = drawn(run)
    for text in (
        "Qwen2ForCausalLM",
        "It says this.",
        "A newline is missing.",
        "mine:1",
        "Its answer.",
        "Because.",
        "39 of 39",
        "Close to the original.",
        "A note.",
        "A processor",
        "no room",
    ):
        assert text in json.dumps(document)
        assert text in html
        assert plain(text) in markdown or text in markdown
    # Choosing a precision is not recorded; one that was converted was chosen.
    assert "| Precision | done |" in markdown
    assert "TTFT ms (measured)" in markdown


def test_claim_estimate_and_measured_stand_apart(run: Run) -> None:
    document, markdown, html = drawn(run)
    (row,) = [row for row in document["precisions"] if row["precision"] == "int4"]
    assert row["claim"]["size"] == "×0.125"
    assert row["estimate"]["bytes"] == 2_000_000
    assert row["measured"] == {
        "bytes": 1_864_135,
        "seconds": 4.5,
        "peak_rss_bytes": 480_000_000,
        "top1_agreement": 0.984,
        "kl_mean": 0.0021,
        "kl_p95": 0.003,
        "perplexity_ratio": 1.01,
        "load_s": 0.25,
        "prompt_tokens": 128,
        "ttft_s": 0.128,
        "prefill_tps": 100.0,
        "decode_tps": 100.0,
        "decode_range": [90.0, 110.0],
        "run_rss_bytes": 6 * 10**7,
        "closeness": "close",
    }
    for kind in ("Claim", "Estimate", "Measured"):
        assert kind in markdown and kind in html


def test_a_run_is_repeated_by_a_file_that_is_there(run: Run) -> None:
    def repeats() -> list[str]:
        return [row["command"] for row in drawn(run)[0]["next"] if RUN_FILE in row["command"]]

    assert repeats() == []
    (run.folder / RUN_FILE).write_text("")
    assert len(repeats()) == 1


def test_the_time_of_a_step_is_that_of_the_model_it_ended_with(run: Run) -> None:
    other = documents.converted("int4", "/runs/1/artifacts/int4")
    other["source"] = {**other["source"], "path": "/models/another"}
    for seconds in (10.0, 5.0):
        run.record("convert", "done", seconds=seconds, values=other)
    (step,) = [step for step in drawn(run)[0]["steps"] if step["id"] == "convert"]
    assert step["seconds"] == 15.0, "4.5 s went to another model"


def test_a_template_of_which_nothing_is_known_is_not_said_to_match(run: Run) -> None:
    settled: TemplateValues = {
        "locked": True,
        "inference_model": {"Name": "mine", "PromptTemplate": {"prompt": "{Content}"}},
    }
    run.record("template", "done", values=settled)
    for text in drawn(run)[1:]:
        assert "The template was checked and settled." in text
        assert "Template matches" not in text


def test_an_export_is_taken_back_as_what_it_is(run: Run) -> None:
    undo = "firstlight deploy --name mine {}--undo"
    assert undo.format("") in [row["command"] for row in drawn(run)[0]["next"]]
    run.record("deploy", "done", values=documents.exported("mine", "vllm"))
    assert undo.format("--target vllm ") in [row["command"] for row in drawn(run)[0]["next"]]


def test_every_sample_is_kept(run: Run) -> None:
    document, _, html = drawn(run)
    assert (
        document["benchmark"]["results"][0]["cases"][0]["decode_tps"]["samples"]
        == SPREAD["samples"]
    )
    assert "90 100 110" in html


def test_the_metrics_have_the_courses_names(run: Run) -> None:
    metrics = drawn(run)[0]["metrics"]
    (model,) = metrics["models"].values()
    assert model == {
        "status": "healthy",
        "memory_usage": 5 * 10**7,
        "inference_count": 4,
        "average_latency": 2.0,
        "error_rate": 0.0,
    }
    assert metrics["alert_thresholds"] == {
        "response_time_ms": 2000,
        "error_rate_percent": 5,
        "memory_usage_percent": 85,
        "cpu_usage_percent": 80,
    }


def test_the_closing_items_and_the_sixteen(run: Run) -> None:
    document = drawn(run)[0]
    assert [item["status"] for item in document["closing"]] == ["done"] * 4
    assert len(document["production"]) == 16
    assert {item["status"] for item in document["production"]} <= {"verified", "done", "reminder"}


def test_an_empty_walk_claims_nothing(tmp_path: Path) -> None:
    run = Run.create("m", runs=tmp_path)
    run.record("model", "failed", values={"error": documents.failure("No weights.")})
    document, markdown, html = drawn(run)
    assert [item["status"] for item in document["closing"]] == ["not done"] * 4
    assert (
        not {"precisions", "benchmark", "quality", "metrics", "deployment", "template"}
        & document.keys()
    )
    assert "verified" not in {item["status"] for item in document["production"]}
    assert "No weights" in markdown and "No weights" in html
    assert not re.search(r"\d tok/s", markdown)


def test_a_session_knows_better_than_the_steps(run: Run) -> None:
    session = Session(
        source="/models/mine",
        artifacts=({**CONVERTED, "bytes": 7},),
        artifact=ARTIFACT,
        chat={
            "kind": "conversation",
            "turns": [{"role": "user", "text": "Asked?"}, {"role": "assistant", "text": "Told."}],
            "stats": [{"ttft_s": 0.5}],
            "ratings": [],
        },
    )
    write_run_toml(run, session)
    document = drawn(run)[0]
    assert document["chat"] == [
        {"question": "Asked?", "answer": "Told.", "measured": {"ttft_s": 0.5}}
    ]
    (row,) = [r for r in document["precisions"] if "measured" in r]
    assert row["measured"]["bytes"] == 7


class Page(HTMLParser):
    """What a browser would run or fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.fetched: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on") or name == "style"]
        self.fetched += [
            str(v)
            for name, v in attrs
            if name in ("src", "href", "srcset", "action", "data", "xlink:href")
        ]


HOSTILE = (
    "<script>alert(1)</script> [x](http://evil.example) `` ` ``` | \n# pwned\n<img src=x onerror=y> {{7*7}} "
    + faultkit.PAYLOAD
)


def hostile_run(tmp_path: Path) -> Run:
    run = Run.create("m", runs=tmp_path)
    run.record(
        "environment",
        "done",
        values=documents.doctor(documents.check(HOSTILE, found=HOSTILE)),
    )
    run.record("model", "done", values={"architecture": HOSTILE, "licence": HOSTILE})
    run.record(
        "convert",
        "done",
        values=documents.converted(
            "int4",
            HOSTILE,
            command=[HOSTILE],
            smoke={"tokens": 1, "text": HOSTILE, "ids": [1], "prompt": HOSTILE},
        ),
    )
    run.record("template", "done", values=template(HOSTILE))
    run.record(
        "deploy",
        "done",
        values=documents.answered(
            HOSTILE, answer=HOSTILE, commands=[{"does": HOSTILE, "command": HOSTILE}]
        ),
    )
    chat = documents.questions(HOSTILE, {"prompt": HOSTILE, "text": HOSTILE})
    run.record("chat", "done", values=chat)
    result = {**RESULT, "target": HOSTILE, "label": HOSTILE, "precision": HOSTILE}
    run.record("benchmark", "done", values={**BENCH, "notes": [HOSTILE], "results": [result]})
    quality = documents.quality(
        HOSTILE,
        checks=[documents.check_row(HOSTILE, evidence={"summary": HOSTILE})],
        drift=documents.drift(worst=[documents.drift_example(HOSTILE)]),
        verdict=HOSTILE,
    )
    run.record("quality", "done", values=quality)
    run.record("summary", "failed", values={"error": documents.failure(HOSTILE)})
    return run


def test_the_page_runs_nothing_and_fetches_nothing(run: Run, tmp_path: Path) -> None:
    for subject in (run, hostile_run(tmp_path)):
        html = drawn(subject)[2]
        page = Page()
        page.feed(html)
        assert not page.tags & {"script", "img", "iframe", "link", "object", "a", "form", "base"}
        assert not page.fetched and not page.handlers
        assert "default-src 'none'" in html
        assert "49" not in re.findall(r"onerror=y&gt; (\S+)", html)


def test_foreign_text_stays_text(tmp_path: Path) -> None:
    document, markdown, html = drawn(hostile_run(tmp_path))
    for text in (json.dumps(document, ensure_ascii=False), markdown, html):
        assert faultkit.leaks(text.encode()) == []
    fence = ""
    for line in markdown.splitlines():
        if mark := re.fullmatch(r"(`{3,}).*", line):
            fence = "" if fence == line else fence or mark[1]
        elif not fence:
            bare = re.sub(r"`[^`]*`", "", line)
            assert not re.search(r"(?<!\\)<(script|img)", bare)
            assert not re.search(r"(?<!\\)\]\(", bare)
            assert not line.startswith("# pwned")


def test_nothing_private_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/annabel")
    run = Run.create("m", runs=tmp_path)
    secret = "/home/annabel/models hf_0123456789abcdefghij by annabel"
    run.record("model", "done", values={"path": secret, "architecture": "X"})
    run.record("convert", "done", values={**CONVERTED, "artifact": secret})
    for text in (json.dumps(drawn(run)[0]), *drawn(run)[1:]):
        assert "annabel" not in text
        assert "hf_0123456789" not in text


def test_a_run_without_entries_has_no_report(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="recorded nothing"):
        write_report(Run.create("m", runs=tmp_path))


def test_the_last_run_is_found(own_home: Path) -> None:
    with pytest.raises(InputRefused, match="no run yet"):
        find_run("last")
    made = Run.create("m")
    made.record("model", "done")
    assert find_run("last") == made == find_run(made.id)


def test_an_odd_ledger_still_gives_a_report(tmp_path: Path) -> None:
    run = Run.create("m", runs=tmp_path)
    run.record("benchmark", "done", values={"results": [{"target": "x", "cases": []}]})
    run.record("quality", "done", values={"artifacts": [{"checks": []}, {}]})
    run.record("deploy", "begun")
    run.record("unheard-of", "done")
    document, markdown, html = drawn(run)
    assert document["steps"] and markdown and html


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.00012, "0.00012"), (1.5, "1.5"), (12.345, "12.3"), (1234.5, "1234"), (3.0, "3")],
)
def test_numbers_in_words(value: float, text: str) -> None:
    assert number_text(value) == text


def test_charts_draw_what_they_are_given() -> None:
    bars = [Bar(label="a", value=10.0), Bar(label="b", value=5.0)]
    svg = bar_chart("T", bars, "u")
    widths = [float(w) for w in re.findall(r'<rect [^>]*width="([\d.]+)"', svg)]
    assert widths[0] == 2 * widths[1]
    assert "10 u" in svg
    line = line_chart("T", [("a", [(1.0, 1.0), (2.0, 2.0)])], "x", "u")
    assert line.count("<circle") == 2
    # A single bar or point compares nothing.
    assert bar_chart("T", bars[:1], "u") == line_chart("T", [("a", [(1.0, 1.0)])], "x", "u") == ""
    assert bar_chart("T", [], "u") == line_chart("T", [("a", [])], "x", "u") == ""


@given(st.text(max_size=20), st.floats(0, 1e12))
def test_charts_are_well_formed_whatever_they_show(label: str, value: float) -> None:
    page = Page()
    page.feed(
        bar_chart(label, [Bar(label=label, value=value, ends=(0, value), note=label)] * 2, label)
        + line_chart(label, [(label, [(value, value), (0.0, 0.0)])], label, label)
        + drift_chart(label, [Spot(label=label, kl_mean=value, interval=(0, value))], [])
    )
    assert page.tags <= {"svg", "title", "text", "rect", "line", "polyline", "circle"}


@given(st.text(max_size=60))
def test_plain_text_keeps_no_markdown(text: str) -> None:
    escaped = plain(text)
    assert "\n" not in escaped
    assert not re.search(
        r"(?<!\\)(?:\\\\)*([`*\[\]<>|#]|~[^/]|(?<![A-Za-z0-9\\])_|!(?=\[))", escaped
    )


@pytest.mark.parametrize(
    "text", ["x86_64", "smollm2_hf, C:\\models", "{Content}", "~/models", "Yes!"]
)
def test_a_name_is_not_littered_with_escapes(text: str) -> None:
    assert plain(text) == text


def test_a_server_is_named_with_what_it_bore(tmp_path: Path) -> None:
    run = Run.create("served", runs=tmp_path)
    endpoint = {"target": "http://127.0.0.1:1/v1#m", "server": "", "model": "m", "network": False}
    level: ClientsLevel = {
        "clients": 2,
        "requests": 4,
        "errors": 2,
        "error_rate": 0.5,
        "seconds": 1.0,
        "requests_per_s": 3.0,
        "tokens_per_s": 9.0,
    }
    case: BenchCase = {
        "prompt_words": 8,
        "new_tokens": 2,
        "total_s": {"median": 1.0, "min": 1.0, "max": 1.0, "samples": [1.0]},
    }
    result: BenchResult = {
        "kind": "server",
        "target": endpoint["target"],
        "label": endpoint["target"],
        "load_s": 0.1,
        "cases": [case],
        "endpoint": endpoint["target"],
        "model": "m",
        "error_rate": 0.25,
        "clients": [level],
    }
    bench: BenchDocument = {
        "machine": {},
        "lengths": [32],
        "new_tokens": 2,
        "repeats": 1,
        "interleaved": False,
        "results": [result],
        "notes": [],
        "void": False,
    }
    run.record("connect", "done", values=endpoint)
    run.record("benchmark", "done", values=bench)
    paths = write_report(run)
    for kind in ("markdown", "html"):
        text = Path(paths[kind]).read_text()
        assert "asked a running server on this machine" in text
        assert "2 clients, 3.00 requests/s" in text
        assert "unknown" in text
    document = json.loads(Path(paths["json"]).read_text())
    assert document["metrics"]["models"][endpoint["target"]]["error_rate"] == 0.25
    # Disconnected again: the session knows better.
    run.record("summary", "done", values={"session": {"endpoint": None, "benchmark": bench}})
    assert "running server" not in Path(write_report(run)["markdown"]).read_text()


@pytest.mark.parametrize("user", ["run", "median", "quality", "steps"])
def test_a_user_may_have_the_name_of_a_key(
    run: Run, user: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = drawn(run)[0]
    monkeypatch.setenv("HOME", str(tmp_path / user))
    document, markdown, _ = drawn(run)
    assert document.keys() == before.keys()
    assert "39 of 39" in markdown


def test_every_figure_has_a_name_and_a_unit(tmp_path: Path) -> None:
    run = Run.create("/models/mine", runs=tmp_path / "runs")
    (run.folder / RUN_FILE).write_text("")
    first = {**CONVERTED, "olive_load_seconds": 3.0}
    run.record("environment", "done", seconds=7, values=documents.doctor())
    run.record("convert", "done", values=first)
    run.record(
        "chat",
        "done",
        values=documents.questions(
            ARTIFACT,
            {
                "prompt": "And why?",
                "text": "Because.",
                "stats": {"prompt_tokens": 60, "reused_tokens": 45, "prefill_tps": 9_000.0},
            },
        ),
    )
    bench = {**BENCH, "repeats": 5, "new_tokens": 8}
    result = {**RESULT, "cpu_percent": 82.0}
    run.record("benchmark", "done", values={**bench, "results": [result]})
    drift = documents.drift(top1_agreement=0.984, kl_mean=0.0021, perplexity_ratio=0.99977)
    other = documents.quality("/runs/1/artifacts/int8", drift=drift)
    run.record("quality", "done", values=qualities_document(QUALITY, other))
    document, markdown, html = drawn(run)
    for page in (markdown, html):
        for text in (
            "int8",
            "0.9998 ×",
            "0.0021 nats",
            "98.40 %",
            "of 5 repetitions after a warm-up, 8 new tokens each",
            "0.25 s",
            "82 %",
            "45 of them kept in the KV cache",
            "Loading Olive, 3.00 s here",
            f"firstlight run {run.folder}/run.toml --yes",
        ):
            assert text in page, text
    assert markdown.index("### int4") < markdown.index("### int8")
    # A step's entry is written when it ends; the run began when its first step did.
    begun = time.gmtime(next(run.entries()).at - 7)
    assert document["run"]["begun"] == time.strftime("%Y-%m-%d %H:%M:%S UTC", begun)


def test_a_tuned_artifact_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "int4"
    folder.mkdir()
    settings: ThreadSettings = {"intra_op_num_threads": 2, "spin_us": 20}
    tuned: TunedManifest = {
        "settings": settings,
        "faster": {"decode": 1.36},
        "void": True,
        "machine": {"cpu": "A processor", "cores": 2, "threads": 2, "versions": {}},
    }
    manifest = {"schema": "firstlight/manifest/1", "files": {}, "tuned": tuned}
    (folder / "firstlight.json").write_text(json.dumps(manifest))
    run = Run.create("/models/mine", runs=tmp_path / "runs")
    run.record("convert", "done", values={**CONVERTED, "artifact": str(folder)})
    _, markdown, html = drawn(run)
    assert (
        "Void, the machine was busy with something else. Tuned: 2 threads, awake 20 µs. "
        "Against what Olive leaves: decode 1.36 ×." in markdown
    )
    assert "Tuned: 2 threads" in html
