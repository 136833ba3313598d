"""Tuning: what is tried, who wins and when that counts, what is written; on real engines where it matters."""

import itertools
import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from firstlight_core.artifact.genai_config import SESSION_OPTIONS
from firstlight_core.artifact.publishing import read_manifest, write_manifest
from firstlight_core.conversion.olive_config import run_config
from firstlight_core.documents.tuning import TrialRow, TuneFigures
from firstlight_core.errors import (
    CheckFailed,
    InputRefused,
    StateProblem,
    TemplateRefused,
    UsageError,
)
from firstlight_core.inference.engine import open_engine
from firstlight_core.inference.session_options import THREAD_KEYS, session_options
from firstlight_core.locks import try_lock
from firstlight_core.measure.interference import InterferenceWatch
from firstlight_core.measure.metrics import figure
from firstlight_core.paths import find_paths
from firstlight_core.precision.options import read_options, with_options
from firstlight_core.precision.table import find_precision
from firstlight_core.process.events import Event, Progress, Stage
from firstlight_core.template.settle import undo_template
from firstlight_core.tuning.choice import confirmed, fastest, times_as_fast
from firstlight_core.tuning.halving import Rung, rungs, survivors
from firstlight_core.tuning.journal import Journal
from firstlight_core.tuning.race import race
from firstlight_core.tuning.remaining import Outlook
from firstlight_core.tuning.search import Search
from firstlight_core.tuning.settings import (
    AS_BUILT,
    Threads,
    builds,
    thread_candidates,
)
from firstlight_core.tuning.summary import verdict
from firstlight_core.tuning.trial import Trial
from firstlight_core.tuning.tune import reset, tune
from firstlight_core.tuning.writing import own_threads, without_threads, write_threads
from tests.support.tiny_models import tiny_genai

ONE, TWO = Threads(count=1), Threads(count=2, spin_us=20)


# What is tried --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("physical", "usable", "counts"),
    [(2, 2, {2, 1, 0}), (4, 8, {4, 8, 2, 0}), (None, 1, {1, 0}), (64, 2, {2, 1, 0})],
    ids=["two-cores", "hyperthreads", "one-core", "a-quota"],
)
def test_threads_that_are_tried_suit_the_machine(
    physical: int | None, usable: int, counts: set[int]
) -> None:
    candidates = thread_candidates(physical=physical, usable=usable)
    assert {threads.count for threads in candidates} == counts
    assert len(set(candidates)) == len(candidates)
    # Three ways to wait, for those that have something to wait for.
    assert sum((threads.count or 0) > 1 for threads in candidates) == 3 * len(counts - {0, 1})


def test_every_setting_is_one_that_an_artifact_may_bring() -> None:
    for threads in (*thread_candidates(physical=4, usable=8), AS_BUILT):
        assert threads.options().keys() <= SESSION_OPTIONS & set(THREAD_KEYS)
        # What is written is kept, the default too.
        assert session_options(threads.options(), cores=8) == {}
    labels = [threads.label for threads in thread_candidates(physical=4, usable=8)]
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize(
    ("key", "nearest", "count"),
    [
        ("int4", False, 5),
        ("int4", True, 7),
        ("int4-compact", False, 4),
        ("int4-compact", True, 7),
        ("int4-quality", False, 4),
        ("fp16", False, 1),
    ],
)
def test_builds_begin_with_the_row_and_are_known_to_load(
    key: str, nearest: bool, count: int
) -> None:
    row_of_table = find_precision(key)
    precision = (row_of_table.nearest or row_of_table) if nearest else row_of_table
    row = run_config(Path("source"), precision)
    candidates = builds(precision, read_options(row), tied=True)
    assert len(candidates) == count
    assert not candidates[0].options
    assert (
        len({build.name for build in candidates})
        == len({build.label for build in candidates})
        == count
    )
    configs = [
        json.dumps(with_options(row, build.options, precision=precision, tied=True))
        for build in candidates
        if build.options
    ]
    assert len({json.dumps(row), *configs}) == count


# Who wins -------------------------------------------------------------------------------------------


def test_clearly_slower_settings_drop_out() -> None:
    # Only two places, and the third would have had one if it were not clearly slower.
    assert survivors([[1.0, 1.0], [1.1, 9.0, 1.1], [1.14, 1.14]], keep=2) == [0, 1]
    assert survivors([[1.0, 1.0], [1.1, 9.0, 1.1], [1.3, 1.2]], keep=3) == [0, 1]
    assert survivors([[1.3], [1.0]], keep=2) == [1]


@pytest.mark.parametrize(
    ("count", "ladder"),
    [
        (1, ()),
        (2, (Rung(2, 8),)),
        (3, (Rung(3, 2), Rung(2, 8))),
        (7, (Rung(7, 2), Rung(4, 4), Rung(2, 8))),
        (11, (Rung(11, 2), Rung(6, 4), Rung(3, 8), Rung(2, 8))),
    ],
)
def test_each_rung_halves_the_settings_and_doubles_the_rounds(
    count: int, ladder: tuple[Rung, ...]
) -> None:
    assert rungs(count) == ladder
    # Eight rounds for everybody are about twice the measurements.
    measured = sum(
        rung.settings * (rung.rounds - before.rounds)
        for before, rung in zip((Rung(0, 0), *ladder), ladder, strict=False)
    )
    if count > 3:
        assert measured <= 0.6 * 8 * count


def test_the_fastest_is_taken_and_of_equals_the_first() -> None:
    assert fastest([[1.0, 1.0], [0.8, 0.8], [0.9, 0.9]]) == 1
    assert fastest([[1.0, 1.0], [0.99, 0.99]]) == 0
    # As often slower as faster: that is chance.
    assert fastest([[1.0, 1.0, 1.0, 1.0], [0.8, 1.3, 0.8, 1.1]]) == 0
    # A slow minute hits both: round by round the second is faster, although its median is not.
    assert fastest([[1.0, 2.0, 2.0], [0.8, 1.6, 1.9]]) == 1


def test_a_win_must_be_more_than_chance() -> None:
    assert confirmed([1.3, 1.2, 1.4, 1.1, 1.2, 1.3, 0.9])
    assert not confirmed([1.3, 1.2, 0.8, 1.1, 1.2, 0.7, 0.9])
    assert not confirmed([1.01] * 7)


def test_speeds_are_compared_round_by_round() -> None:
    def sample(total: float, decode: float, prefill: float) -> dict[str, float]:
        return {"total_s": total, "decode_tps": decode, "prefill_tps": prefill}

    new = [sample(1.0, 20, 300), sample(2.0, 10, 150)]
    old = [sample(2.0, 10, 100), sample(3.0, 8, 75)]
    ratios = times_as_fast(new, old)
    assert ratios["answer"]["samples"] == [2.0, 1.5]
    assert ratios["decode"]["median"] == pytest.approx((2 + 1.25) / 2)
    assert (ratios["prefill"]["min"], ratios["prefill"]["max"]) == (2, 3)


class Rigged:
    """A race whose outcome is known: seconds of an answer by label."""

    def __init__(self, *results: dict[str, Sequence[float]]) -> None:
        self.results = list(results)

    async def __call__(
        self, name: str, trials: Sequence[Trial], ladder: Sequence[Rung], **options: Any
    ) -> None:
        result = self.results.pop(0)
        for trial in trials:
            trial.samples[trial.lengths[0]] = [
                {"total_s": s, "decode_tps": 10 / s, "prefill_tps": 100 / s, "ttft_s": s / 2}
                for s in result[trial.label]
            ]


def search(race_: Any, **options: Any) -> Search:
    return Search(tell=lambda event: None, watch=InterferenceWatch(), race=race_, **options)


async def test_a_winner_that_does_not_win_again_is_refuted(tmp_path: Path) -> None:
    folder = tiny_genai(tmp_path / "t")
    for again, best in ([0.5, 0.6, 0.4, 0.5, 0.6], TWO), ([0.5, 1.6, 1.4, 0.5, 1.1], AS_BUILT):
        rigged = Rigged(
            {ONE.label: [2.0], TWO.label: [0.5], AS_BUILT.label: [1.0]},
            {TWO.label: again, AS_BUILT.label: [1.0, 1.0, 1.0, 1.0, 1.0]},
        )
        tuning = search(rigged, candidates=(ONE, TWO))
        assert await tuning.fastest_threads(folder) == TWO
        winner, document = await tuning.compare(
            tuning.trial(folder, TWO), tuning.trial(folder, AS_BUILT)
        )
        assert winner.threads == best
        assert document["best"]["label"] == best.label
        assert ("refuted" in document) == (best == AS_BUILT)
        assert ("gain" in document["best"]) == ("faster" in document["best"]) == (best == TWO)
        assert [row["label"] for row in tuning.trials] == [
            threads.label for threads in (ONE, TWO, AS_BUILT)
        ]


@pytest.mark.real
@pytest.mark.parametrize("memory", [2**40, 0], ids=["together", "one-after-another"])
@pytest.mark.usefixtures("loaded_jobs")
async def test_settings_are_measured_in_turns(tmp_path: Path, memory: int) -> None:
    folder = tiny_genai(tmp_path / "t")
    trials = [Trial(folder, threads, lengths=(8,), new_tokens=8) for threads in (ONE, TWO)]
    events: list[Event] = []
    pids: list[int] = []
    await race(
        "threads",
        trials,
        (Rung(2, 3),),
        watch=InterferenceWatch(),
        tell=events.append,
        journal=Journal(),
        outlook=Outlook(events.append),
        started=pids.append,
        memory=lambda: memory,
    )
    order = [e.note for e in events if isinstance(e, Progress) and e.unit == "measurements"]
    assert order == [t.label for t in (ONE, TWO, TWO, ONE, ONE, TWO)]
    assert all(len(trial.seconds) == 3 for trial in trials)
    assert len(pids) == (2 if memory else 6)
    figures = trials[0].row("threads")
    assert figures["rounds"] == len(figures["decode_tps"]["samples"]) == 3


# What is written ------------------------------------------------------------------------------------


def test_threads_are_written_and_taken_out_again(tmp_path: Path) -> None:
    folder = tiny_genai(tmp_path / "t")
    before = json.loads((folder / "genai_config.json").read_text())
    write_manifest(folder, {"precision": "int4"})
    write_threads(folder, TWO, tuned={"settings": TWO.to_json()})
    assert own_threads(folder) == TWO.options()
    manifest = read_manifest(folder)
    assert manifest is not None
    assert manifest["tuned"]["settings"]["intra_op_num_threads"] == 2
    write_threads(folder, ONE, tuned={})
    # Nothing of the setting before is left.
    assert own_threads(folder) == {"intra_op_num_threads": 1}
    assert reset(folder)["removed"] == {"intra_op_num_threads": 1}
    assert json.loads((folder / "genai_config.json").read_text()) == before
    assert "tuned" not in (read_manifest(folder) or {})
    assert reset(folder)["removed"] == {}


def test_what_is_written_can_be_undone_like_a_template(tmp_path: Path) -> None:
    folder = tiny_genai(tmp_path / "t")
    write_threads(folder, TWO, tuned={})
    undo_template(folder)
    assert own_threads(folder) == {}


def test_a_tuned_artifact_is_measured_without_its_setting_and_stays_as_it_is(
    tmp_path: Path,
) -> None:
    folder = tiny_genai(tmp_path / "t")
    assert without_threads(folder, tmp_path / "copy") == folder
    write_threads(folder, TWO, tuned={})
    copy = without_threads(folder, tmp_path / "copy")
    assert own_threads(copy) == {}
    assert own_threads(folder) == TWO.options()
    assert (copy / "model.onnx").samefile(folder / "model.onnx")


@pytest.mark.real
async def test_an_engine_runs_with_the_threads_of_its_artifact(tmp_path: Path) -> None:
    folder = tiny_genai(tmp_path / "t")
    counts = {}
    for name, written, session in (
        ("own", ONE, None),
        ("laid over", ONE, {"intra_op_num_threads": 3}),
    ):
        write_threads(folder, written, tuned={})
        async with open_engine(folder, session=session) as engine:
            counts[name] = psutil.Process(engine.pid).num_threads()
    assert counts["laid over"] == counts["own"] + 2


# The whole ------------------------------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.usefixtures("loaded_jobs")
async def test_an_artifact_is_tuned_and_carries_the_result(tmp_path: Path) -> None:
    folder = tiny_genai(tmp_path / "t")
    write_manifest(folder, {"precision": "int4"})
    document = await tune(
        folder,
        apply=True,
        candidates=(ONE, TWO),
        prompt_tokens=(16, 32),
        new_tokens=8,
        repeats=5,
        watch=InterferenceWatch(busy=lambda: 0.0),
    )
    assert [row["label"] for row in document["trials"]] == [
        threads.label for threads in (ONE, TWO, AS_BUILT)
    ]
    assert all(row["rounds"] >= 2 for row in document["trials"])
    assert document["baseline"]["settings"] == AS_BUILT.to_json()
    assert document["baseline"]["rounds"] == 5
    assert (document["prompt_tokens"], document["lengths"]) == (32, [16, 32])
    each = document["baseline"]["by_length"]
    assert [row["prompt_tokens"] for row in each] == [16, 32]
    first = [row["total_s"]["samples"][0] for row in each]
    assert document["baseline"]["total_s"]["samples"][0] == pytest.approx(math.prod(first) ** 0.5)
    assert own_threads(folder) == Threads.from_json(document["best"]["settings"]).options()
    assert (read_manifest(folder) or {})["tuned"]["settings"] == document["best"]["settings"]
    assert document["applied"] is True
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    # Nothing is left of the work.
    assert [path.name for path in find_paths().work.iterdir()] == []
    assert list(find_paths().tuning.iterdir()) == []


@pytest.mark.real
@pytest.mark.usefixtures("loaded_jobs")
async def test_void_figures_are_never_written(tmp_path: Path) -> None:
    folder = tiny_genai(tmp_path / "t")
    before = (folder / "genai_config.json").read_text()
    with pytest.raises(CheckFailed, match="The figures are void, so nothing was written into t"):
        await tune(
            folder,
            apply=True,
            candidates=(ONE,),
            prompt_tokens=32,
            new_tokens=8,
            repeats=5,
            watch=InterferenceWatch(whole=itertools.count(0, 100).__next__),
        )
    assert (folder / "genai_config.json").read_text() == before


async def test_wrong_targets_and_options(tmp_path: Path) -> None:
    folder = tiny_genai(tmp_path / "t")
    for what, options, words in (
        ("http://127.0.0.1:9/v1", {}, "server"),
        (folder, {"output": tmp_path / "o"}, "--output"),
        (folder, {"max_drift": 0.1}, "--max-drift"),
        ("sample", {"apply": True}, "--apply"),
        ("sample", {"max_drift": float("nan")}, "0 nats"),
        ("sample", {"precision": "int3"}, "int3"),
        (folder, {"new_tokens": 2}, "new tokens"),
        (folder, {"repeats": 4}, "repeats"),
        (folder, {"prompt_tokens": (128, 0)}, "prompt tokens"),
        (folder, {"prompt_tokens": ()}, "prompt tokens"),
        (folder, {"drift_budget": "1x"}, "--drift-budget"),
        ("sample", {"drift_budget": "a little"}, "no drift budget"),
        ("sample", {"drift_budget": "-1x"}, "no drift budget"),
        ("sample", {"drift_budget": "1x", "max_drift": 0.1}, "say the same"),
    ):
        with pytest.raises(UsageError, match=words):
            await tune(what, **options)  # type: ignore[arg-type]
    with pytest.raises(InputRefused):
        await tune(tmp_path)
    with pytest.raises(UsageError, match="Only an artifact"):
        reset("sample")


async def test_a_source_without_a_template_is_refused_before_anything_is_built(
    tmp_path: Path, sample: Path
) -> None:
    source = tmp_path / "base"
    shutil.copytree(sample, source)
    (source / "chat_template.jinja").unlink()
    stages: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, Stage):
            stages.append(event.label)

    with pytest.raises(TemplateRefused, match="has no chat template"):
        await tune(source, on_event=listen)
    assert not [stage for stage in stages if "build" in stage.lower()]
    assert not list(find_paths().tuning.glob("int4-*"))


async def test_two_tunings_at_once_would_spoil_each_other(tmp_path: Path) -> None:
    folder = tiny_genai(tmp_path / "t")
    path = find_paths().work / "tuning.lock"
    path.parent.mkdir(parents=True)
    lock = try_lock(path)
    assert lock is not None
    try:
        with pytest.raises(StateProblem, match="Another tuning"):
            await tune(folder)
    finally:
        lock.release()


def test_a_void_comparison_says_so_first() -> None:
    row: TrialRow = {
        "stage": "comparison",
        "label": "1 thread",
        "settings": ONE.to_json(),
        "rounds": 3,
        "total_s": figure([1.0, 1.0, 1.0]),
    }
    figures: TuneFigures = {
        "baseline": row,
        "best": row,
        "trials": [],
        "machine": {},
        "prompt_tokens": 256,
        "new_tokens": 64,
        "repeats": 3,
        "notes": [],
        "void": False,
    }
    assert verdict(figures) == "Nothing was faster than what Olive makes."
    assert verdict({**figures, "void": True}).startswith("Void, measure again. Nothing was")
