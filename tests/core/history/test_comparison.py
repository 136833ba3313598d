"""Which changes are flagged, what is refused, what is told; and how records are named."""

import json
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.documents.comparison import ChangeRow, ComparisonDocument
from firstlight_core.documents.history import RecordFacts, SampleSeries
from firstlight_core.errors import InputRefused, StateProblem, UsageError
from firstlight_core.history.against import find_earlier
from firstlight_core.history.comparison import Side, compare
from firstlight_core.history.references import earlier_runs, find_baseline, find_side, side_of
from firstlight_core.history.store import HistoryStore
from firstlight_core.measure.benchmark import machine
from firstlight_core.workflow import recorded
from tests.support.measured_documents import bench_case, bench_document, bench_result, figure
from tests.support.records import new_document, record_facts

STEADY = [100.0, 100.2, 99.8, 100.1, 99.9, 100.3, 99.7]


def scaled(factor: float) -> list[float]:
    return [sample * factor for sample in STEADY]


def side(facts: RecordFacts, *, machine: str = "m", versions: dict[str, str] | None = None) -> Side:
    return Side(facts=facts, machine_fingerprint=machine, versions=versions or {})


def series(
    measure: str, samples: list[float], length: int | None = None, better: str = "higher"
) -> SampleSeries:
    entry: Any = {
        "measure": measure,
        "unit": "tokens/s",
        "better": better,
        "prompt_tokens": length,
        "samples": samples,
    }
    return entry


def facts_of(*entries: SampleSeries) -> RecordFacts:
    return {**record_facts(), "series": list(entries)}


def row_of(document: ComparisonDocument, measure: str, length: int | None = None) -> ChangeRow:
    return next(
        row
        for row in document["rows"]
        if row["measure"] == measure and row["prompt_tokens"] == length
    )


@pytest.mark.parametrize(
    ("factor", "verdict"), [(0.95, "regression"), (1.0, "no-change"), (1.05, "improvement")]
)
def test_a_rate_that_falls_is_a_regression(factor: float, verdict: str) -> None:
    old, new = record_facts(samples=STEADY), record_facts(samples=scaled(factor))
    document = compare(side(old), side(new))
    row = row_of(document, "decode_tps", 128)
    assert row["verdict"] == verdict and row["ratio"] == pytest.approx(factor)
    assert row["interval"] is not None and row["interval"][0] <= factor <= row["interval"][1]
    assert document["ok"] is (verdict != "regression")
    assert ("error" in document) is (verdict == "regression")
    if "error" in document:
        assert document["error"]["code"] == "regression"
        assert "decode at 128 tokens -5.0 %" in document["error"]["message"]


def test_a_time_that_grows_is_a_regression_where_no_prefill_rate_says_it_too() -> None:
    old = facts_of(series("ttft_s", STEADY, 32, "lower"))
    new = facts_of(series("ttft_s", scaled(1.1), 32, "lower"))
    assert row_of(compare(side(old), side(new)), "ttft_s", 32)["verdict"] == "regression"
    old["series"].append(series("prefill_tps", STEADY, 32))
    new["series"].append(series("prefill_tps", STEADY, 32))
    document = compare(side(old), side(new))
    assert [row["measure"] for row in document["rows"]] == ["prefill_tps"]


def test_single_samples_are_shown_and_never_judged() -> None:
    old, new = record_facts(samples=STEADY), record_facts(samples=STEADY)
    old["series"].append(series("load_s", [1.0], None, "lower"))
    new["series"].append(series("load_s", [9.0], None, "lower"))
    document = compare(side(old), side(new))
    row = row_of(document, "load_s")
    assert (
        row["verdict"] == "not-judged"
        and row["interval"] is None
        and row["ratio"] == pytest.approx(9)
    )
    assert document["ok"] and document["level"] == pytest.approx(0.96)


def test_too_few_samples_are_not_judged() -> None:
    old, new = record_facts(samples=STEADY[:4]), record_facts(samples=scaled(0.5))
    document = compare(side(old), side(new))
    assert row_of(document, "decode_tps", 128)["verdict"] == "not-judged" and document["ok"]


def test_all_lengths_together_find_what_no_length_shows_alone() -> None:
    wide = [80.0, 90.0, 95.0, 100.0, 105.0, 110.0, 120.0]
    lengths = (32, 64, 128, 256, 512, 1024)
    old = facts_of(*(series("decode_tps", wide, length) for length in lengths))
    slow = [sample * 0.84 for sample in wide]
    new = facts_of(*(series("decode_tps", slow, length) for length in lengths))
    document = compare(side(old), side(new))
    assert {row["verdict"] for row in document["rows"] if row["lengths"] == 1} == {"no-change"}
    whole = row_of(document, "decode_tps")
    assert whole["lengths"] == 6 and whole["verdict"] == "regression"
    assert whole["ratio"] == pytest.approx(0.84) and whole["before"] is None


def test_void_is_never_compared() -> None:
    void = record_facts(samples=STEADY, void=True)
    void["void_reasons"] = ["Void: the machine slept for 60 s while it was measured."]
    for pair in ((void, record_facts(samples=STEADY)), (record_facts(samples=STEADY), void)):
        with pytest.raises(InputRefused, match=r"is void and is not compared\. Void: the machine"):
            compare(side(pair[0]), side(pair[1]))


def test_another_machine_is_refused_unless_wished_and_then_told() -> None:
    old, new = record_facts(samples=STEADY), record_facts(samples=STEADY)
    with pytest.raises(InputRefused, match="different machines"):
        compare(side(old), side(new, machine="n"))
    document = compare(side(old), side(new, machine="n"), across_machines=True)
    assert "different machines" in document["notes"][0]


def test_other_settings_and_kinds_are_refused() -> None:
    old, new = record_facts(samples=STEADY), record_facts(samples=STEADY)
    new["settings"]["new_tokens"] = 64
    with pytest.raises(InputRefused, match="other settings: new tokens 32 and 64"):
        compare(side(old), side(new))
    with pytest.raises(InputRefused, match=r"is a bench and .* a tune"):
        compare(side(old), side(record_facts(kind="tune")))
    with pytest.raises(InputRefused, match="no figure in common"):
        compare(side(old), side(facts_of(series("decode_tps", STEADY, 512))))


def test_what_differs_is_told() -> None:
    old = record_facts(samples=STEADY)
    new = record_facts(samples=STEADY, precision="int8", artifact="artifact-2")
    document = compare(
        side(old, versions={"onnxruntime": "1.31.0", "only": "1"}),
        side(new, versions={"onnxruntime": "1.31.1"}),
    )
    assert document["notes"] == [
        "Precision: int4, then int8.",
        "The artifacts differ: one was built anew, or has other options.",
        "onnxruntime: 1.31.0, then 1.31.1.",
    ]


def test_scatter_between_earlier_runs_keeps_a_change_of_its_size_quiet() -> None:
    old, new = record_facts(samples=STEADY), record_facts(samples=scaled(0.97))
    assert not compare(side(old), side(new))["ok"]
    runs = [record_facts(samples=scaled(factor)) for factor in (1.0, 0.96, 1.03, 0.98, 1.02)]
    document = compare(side(old), side(new), earlier=runs)
    assert document["ok"]
    assert document["notes"] == ["The scatter between 5 earlier runs widens the intervals."]
    assert not compare(side(old), side(new), earlier=runs[:3])["ok"]


@pytest.fixture
def store() -> HistoryStore:
    return HistoryStore()


def test_names_of_records(store: HistoryStore, tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="no last benchmark"):
        find_side("last", store)
    (tmp_path / "int4").mkdir()
    store.add(new_document(record_facts(label="int4"), at="2026-01-01T00:00:00+00:00"))
    store.add(new_document(record_facts(label="int8"), at="2026-01-02T00:00:00+00:00"))
    store.add(new_document(record_facts(label="int4"), at="2026-01-03T00:00:00+00:00"))
    store.add(new_document(record_facts(void=True), at="2026-01-04T00:00:00+00:00"))
    store.add(new_document(record_facts(), kind="tune", at="2026-01-05T00:00:00+00:00"))
    assert [find_side(name, store).id for name in ("last", "previous", "2", "int8")] == [3, 1, 2, 2]
    for wrong in ("99", "fp16", "", "\0", str(tmp_path / "int4"), "nothing.json"):
        with pytest.raises(InputRefused):
            find_side(wrong, store)


def test_a_printed_document_is_a_side(store: HistoryStore, tmp_path: Path) -> None:
    document = bench_document(bench_result("/models/out/int4", precision="int4"))
    file = tmp_path / "old.json"
    file.write_text(json.dumps({"schema": "firstlight/bench/1", "ok": True, **document}))
    printed = find_side(str(file), store)
    assert printed.id is None and printed.facts["precision"] == "int4"
    assert compare(printed, printed)["ok"]
    both = bench_document(bench_result("/models/a"), bench_result("/models/b"))
    for content in (json.dumps(both), "{}", "[1]", "not json", json.dumps({"results": [1]})):
        file.write_text(content)
        with pytest.raises(InputRefused):
            find_side(str(file), store)


def test_the_baseline_is_the_same_target_or_else_the_same_artifact(store: HistoryStore) -> None:
    store.add(new_document(record_facts(label="elsewhere", artifact="a")))
    store.add(new_document(record_facts(label="here", artifact="old")))
    rows = store.records()
    assert (find_baseline(record_facts(label="here", artifact="a"), rows) or {})["label"] == "here"
    moved = find_baseline(record_facts(label="moved", artifact="a"), rows)
    assert moved is not None and moved["label"] == "elsewhere"
    other = record_facts(label="here", artifact="a")
    other["settings"]["new_tokens"] = 64
    assert find_baseline(other, rows) is None
    assert find_baseline(record_facts(label="new", artifact=None), rows) is None


def test_earlier_runs_are_those_of_the_same_artifact_and_settings(store: HistoryStore) -> None:
    for _ in range(3):
        store.add(new_document(record_facts()))
    store.add(new_document(record_facts(artifact="another")))
    store.add(new_document(record_facts(void=True)))
    store.add(new_document(record_facts(), machine="another"))
    rows = store.records()
    by_id = {row["id"]: side_of(row) for row in rows}
    assert [row["id"] for row in earlier_runs(by_id[1], by_id[3], rows)] == [2, 1]


def against(store: HistoryStore, decode: float, **more: Any) -> Any:
    """What `bench --against last` says of a benchmark with this decode rate."""
    spread = {**figure(decode), "samples": [decode * sample / 100 for sample in STEADY]}
    result = bench_result("/models/out/int4", bench_case(decode=spread))  # type: ignore[arg-type]
    document = bench_document(result, **more)
    document["machine"] = machine()
    verb = find_earlier("last", store).compare(document)
    recorded.record("bench", document, recorded.bench_records, store=store)
    return verb


def test_a_benchmark_against_the_last_one(store: HistoryStore) -> None:
    first = against(store, 400.0)
    assert first["against"] == [] and "ok" not in first
    assert first["notes"] == ["int4: the history has nothing to compare with yet."]
    second = against(store, 400.0)
    assert second["against"][0]["before"]["id"] == 1 and "ok" not in second
    third = against(store, 360.0)
    assert third["ok"] is False and third["error"]["code"] == "regression"
    fourth = against(store, 360.0, void=True)
    assert fourth["ok"] is False and fourth["error"]["code"] == "void"
    assert "against" not in fourth
    # A void run is no baseline.
    assert against(store, 360.0)["against"][0]["before"]["id"] == 3


def test_against_something_that_is_no_record(store: HistoryStore) -> None:
    for wrong in ("latest", "", "-1", "1.5"):
        with pytest.raises(UsageError, match="no record of the history"):
            find_earlier(wrong, store)
    with pytest.raises(InputRefused, match="no record 7"):
        find_earlier("7", store)
    store.path.parent.mkdir(parents=True)
    store.path.mkdir()
    with pytest.raises(StateProblem):
        find_earlier("last", store)
