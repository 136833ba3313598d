"""What becomes of a document in the history, and that nothing there keeps a result from the user."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.documents.history import SampleSeries
from firstlight_core.documents.measure import BenchDocument, DriftDocument
from firstlight_core.documents.tuning import (
    LengthFigures,
    StoppedTuningDocument,
    TrialRow,
    TunedArtifactDocument,
)
from firstlight_core.history.fingerprints import (
    artifact_fingerprint,
    machine_fingerprint,
    template_fingerprint,
)
from firstlight_core.history.records import (
    bench_records,
    conversion_records,
    quality_records,
    tune_records,
)
from firstlight_core.history.store import HistoryStore, Query
from firstlight_core.measure.metrics import figure
from firstlight_core.process.events import Event, Notice
from firstlight_core.workflow import recorded
from tests.support.tiny_models import tiny_genai
from tests.support.wizard_documents import BENCHMARK, QUALITY, conversion

BEST: TrialRow = {
    "stage": "comparison",
    "label": "2 threads",
    "settings": {"intra_op_num_threads": 2, "spin_us": 20},
    "rounds": 3,
    "total_s": figure([0.8] * 3),
}
TUNED: TunedArtifactDocument = {
    "kind": "artifact",
    "best": BEST,
    "baseline": BEST,
    "trials": [BEST],
    "machine": {"cpu": "A processor"},
    "prompt_tokens": 256,
    "new_tokens": 64,
    "repeats": 3,
    "notes": [],
    "void": False,
    "artifact": "/models/out/int4",
    "applied": False,
}
STOPPED: StoppedTuningDocument = {
    "kind": "stopped",
    "target": "/models/out/int4",
    "trials": [],
    "machine": {"cpu": "A processor"},
    "prompt_tokens": 256,
    "new_tokens": 64,
    "repeats": 3,
    "builds": [],
    "kept": {"builds": 0, "measurements": 1},
    "notes": [],
}


def by_name(series: list[SampleSeries]) -> dict[tuple[str, int | None], list[float]]:
    return {(entry["measure"], entry["prompt_tokens"]): entry["samples"] for entry in series}


@pytest.mark.real
async def test_a_benchmark_is_kept_with_every_sample_and_off_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []
    add = HistoryStore.add

    def watched(store: HistoryStore, new: Any) -> list[int]:
        threads.append(threading.current_thread())
        return add(store, new)

    monkeypatch.setattr(HistoryStore, "add", watched)
    folder = tiny_genai(tmp_path / "tiny")
    events: list[Event] = []
    document = await recorded.benchmark(
        [folder], lengths=(8, 16), new_tokens=4, repeats=3, on_event=events.append
    )
    (row,) = HistoryStore().records()
    assert threads[0] is not threading.main_thread()
    assert not any(isinstance(event, Notice) for event in events)
    series = by_name(row["series"])
    for case in document["results"][0]["cases"]:
        samples = case["decode_tps"]["samples"]
        assert len(samples) == 3 and series["decode_tps", case["prompt_tokens"]] == samples
    load = document["results"][0]["load"]
    assert series["load_s", None] == load["warm_s"]["samples"]
    assert series.get(("load_cold_s", None), []) == load.get("cold_s", {"samples": []})["samples"]
    assert row["artifact_fingerprint"] == artifact_fingerprint(folder)
    assert row["settings"] == {"new_tokens": 4, "repeats": 3, "context": 20}
    assert row["machine_fingerprint"] == machine_fingerprint(document["machine"])
    assert HistoryStore().record(row["id"])["document"] == document


async def test_a_history_that_cannot_be_written_keeps_no_result_back(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = BENCHMARK

    async def measure(targets: list[str], *, on_event: Callable[[Event], None]) -> Any:
        return document

    events: list[Event] = []
    remembered = recorded._recorded("bench", measure, bench_records)
    (own_home / "firstlight").mkdir()
    (own_home / "firstlight" / "state").write_text("in the way")
    assert await remembered([], on_event=events.append) is document
    (notice,) = events
    assert isinstance(notice, Notice) and notice.text.startswith("Not kept in the history. ")

    def fail(store: HistoryStore, new: Any) -> list[int]:
        raise RuntimeError("boom")

    monkeypatch.setattr(HistoryStore, "add", fail)
    assert await remembered([], on_event=events.append) is document
    assert events[-1] == Notice("Not kept in the history: boom.")


def test_a_damaged_history_is_told_and_the_record_kept(own_home: Path) -> None:
    store = HistoryStore()
    store.path.parent.mkdir(parents=True)
    store.path.write_bytes(b"rubbish" * 1000)
    events: list[Event] = []
    assert recorded.record("bench", BENCHMARK, bench_records, on_event=events.append) == [1]
    (notice,) = events
    assert isinstance(notice, Notice) and "set aside" in notice.text
    assert len(HistoryStore().records(Query(kind="bench"))) == 1


def test_every_kind_has_its_figures() -> None:
    document = BENCHMARK
    (bench,) = bench_records(document)
    case = document["results"][0]["cases"][0]
    assert by_name(bench["series"])["ttft_s", case["prompt_tokens"]] == case["ttft_s"]["samples"]
    (tuned,) = tune_records(TUNED)
    assert tuned["settings"]["threads"] == "2 threads"
    assert by_name(tuned["series"]) == {("total_s", 256): [0.8, 0.8, 0.8]}
    each: list[LengthFigures] = [
        {"prompt_tokens": 128, "total_s": figure([0.5])},
        {"prompt_tokens": 512, "total_s": figure([1.28])},
    ]
    (lengths,) = tune_records({**TUNED, "best": {**BEST, "by_length": each}})
    assert by_name(lengths["series"]) == {("total_s", 128): [0.5], ("total_s", 512): [1.28]}
    assert tune_records(STOPPED) == []
    drift: DriftDocument = {**QUALITY["drift"], "kl_mean": 0.3, "kl_by_prompt": [0.1, 0.2, 0.9]}
    (checked,) = quality_records({**QUALITY, "drift": drift})
    assert ("top1_agreement", None) in by_name(checked["series"])
    assert by_name(checked["series"])["kl", None] == [0.3], "the figure that Quality shows"
    assert by_name(checked["series"])["kl_by_prompt", None] == [0.1, 0.2, 0.9]
    made = conversion("int4")
    (converted,) = conversion_records([made])
    assert converted["precision"] == "int4"
    assert by_name(converted["series"])["bytes", None] == [float(made["bytes"])]
    assert converted["source_fingerprint"] == made["source"]["fingerprint"]


def test_a_fingerprint_follows_weights_and_options_not_the_template(tmp_path: Path) -> None:
    folder = tiny_genai(tmp_path / "tiny")
    before, template = artifact_fingerprint(folder), template_fingerprint(folder)
    assert before is not None and before.startswith("quick:")
    (folder / "inference_model.json").write_text('{"Name": "other"}')
    assert artifact_fingerprint(folder) == before
    assert template_fingerprint(folder) != template
    config = folder / "genai_config.json"
    text = config.read_text()
    config.write_text(text.replace('"search"', '"searched"', 1))
    assert artifact_fingerprint(folder) == before
    config.write_text(text.replace('"context_length": 128', '"context_length": 64'))
    assert artifact_fingerprint(folder) != before
    assert artifact_fingerprint(tmp_path / "none") is None


def test_a_machine_is_the_same_after_an_update_of_its_kernel() -> None:
    machine: Any = {
        "cpu": "A",
        "cores": 2,
        "threads": 4,
        "memory_bytes": 16 * 2**30,
        "system": "Linux 6.1",
        "architecture": "x86_64",
    }
    mark = machine_fingerprint(machine)
    assert machine_fingerprint({**machine, "system": "Linux 6.8", "python": "3.13"}) == mark
    assert machine_fingerprint({**machine, "threads": 8}) != mark
    assert machine_fingerprint({}) != mark


@pytest.mark.slow
def test_neither_the_seam_nor_the_verbs_import_sqlite3_or_numpy_before_they_need_them() -> None:
    modules = "firstlight_core.workflow.recorded, firstlight_tui.commands.history_, firstlight_tui.commands.compare_"
    code = f"import sys, {modules}; print({{'sqlite3', 'numpy'}} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


async def test_what_a_stopped_benchmark_has_measured_is_kept() -> None:
    async def measure(*, on_stopped: Callable[[BenchDocument], None]) -> BenchDocument:
        on_stopped(BENCHMARK)
        raise asyncio.CancelledError

    parts: list[BenchDocument] = []
    with pytest.raises(asyncio.CancelledError):
        await recorded._recorded("bench", measure, bench_records)(on_stopped=parts.append)
    assert parts == [BENCHMARK] and len(HistoryStore().records()) == 1
