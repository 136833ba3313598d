"""A tuning that was stopped or killed goes on where it was: what it takes over, and what it leaves."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.documents.jobs_engine import Repetition
from firstlight_core.documents.tuning import StoppedTuningDocument
from firstlight_core.measure.interference import InterferenceWatch
from firstlight_core.paths import find_paths
from firstlight_core.process.events import Event, Measured, Progress, Remaining, Stage
from firstlight_core.process.remaining import remaining_words
from firstlight_core.tuning.halving import measurements_left, rungs
from firstlight_core.tuning.journal import Journal
from firstlight_core.tuning.remaining import Outlook
from firstlight_core.tuning.settings import Threads
from firstlight_core.tuning.tune import tune
from firstlight_core.workflow.leftovers import find_leftovers
from tests.support.tiny_models import tiny_genai

ONE, TWO = Threads(count=1), Threads(count=2, spin_us=20)
SHORT: dict[str, Any] = {
    "candidates": (ONE, TWO),
    "prompt_tokens": 16,
    "new_tokens": 8,
    "repeats": 5,
}


def sample(seconds: float) -> Repetition:
    return {"total_s": seconds, "decode_tps": 1 / seconds, "prefill_tps": 10 / seconds}


# The journal ----------------------------------------------------------------------------------------


def test_what_was_measured_is_read_back_and_forgotten_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "rounds.jsonl"
    journal = Journal.open(file)
    journal.add("threads", "a", 16, sample(1.0))
    journal.add("threads", "b", 16, sample(2.0))
    journal.add("threads", "a", 16, sample(3.0))
    again = Journal.open(file)
    assert (again.reused, journal.written) == (3, 3)
    assert [s["total_s"] for s in again.samples("threads", "a", 16)] == [1.0, 3.0]
    assert again.samples("threads", "a", 32) == again.samples("build", "a", 16) == []
    again.close()
    assert Journal.open(file).reused == 0


def test_void_and_old_measurements_are_taken_anew(tmp_path: Path) -> None:
    file = tmp_path / "rounds.jsonl"
    void = Journal.open(file)
    void.add("threads", "a", 16, sample(1.0))
    void.judge("threads", ["Void: the machine slept."])
    good = Journal.open(file)
    good.add("threads", "a", 16, sample(2.0))
    good.judge("threads", [])
    assert [s["total_s"] for s in Journal.open(file).samples("threads", "a", 16)] == [2.0]
    assert Journal.open(file, now=2.0**33).reused == 0


def test_of_a_killed_last_comparison_nothing_counts(tmp_path: Path) -> None:
    file = tmp_path / "rounds.jsonl"
    killed = Journal.open(file)
    killed.add("comparison", "a", 16, sample(1.0))
    whole = Journal.open(file)
    assert whole.reused == 0
    whole.add("comparison", "a", 16, sample(2.0))
    whole.judge("comparison", [])
    # The verdict of one process is none about another's measurements.
    assert [s["total_s"] for s in Journal.open(file).samples("comparison", "a", 16)] == [2.0]


@pytest.mark.parametrize(
    "line", ['{"kind": "sample", "race"', "[]", "7", '{"kind": "sample", "race": "threads"}', "\0"]
)
def test_a_line_cut_by_a_kill_loses_only_itself(tmp_path: Path, line: str) -> None:
    file = tmp_path / "rounds.jsonl"
    journal = Journal.open(file)
    journal.add("threads", "a", 16, sample(1.0))
    with file.open("a") as stream:
        stream.write(line)
    Journal.open(file).add("threads", "a", 16, sample(2.0))
    assert [s["total_s"] for s in Journal.open(file).samples("threads", "a", 16)] == [1.0, 2.0]


# What is left ---------------------------------------------------------------------------------------


def test_what_is_left_shrinks_with_the_settings() -> None:
    ladder = rungs(7)
    # 7 twice, 4 twice more, 2 four times more.
    assert measurements_left(ladder, 0, 7, 0) == (8, 30)
    assert measurements_left(ladder, 0, 7, 1) == (7, 23)
    assert measurements_left(ladder, 1, 3, 2) == (6, 14)
    assert measurements_left(ladder, 2, 2, 8) == (0, 0)


def test_the_time_is_estimated_from_what_was_done() -> None:
    events: list[Event] = []
    ticks = iter([0.0, 2.0, 4.0])
    outlook = Outlook(events.append, clock=lambda: next(ticks))
    outlook.expect("threads", 3, 9)
    assert outlook.left == Remaining(0, 3, 9, None)
    outlook.expect_builds(2, 30.0)
    assert remaining_words(outlook.left) == (
        "left: 2 builds, 3 rounds, 9 measurements, 60 s for the builds (estimate)"
    )
    outlook.begin()
    outlook.measured()
    outlook.measured()
    outlook.expect("threads", 2, 6)
    assert outlook.left == Remaining(2, 2, 6, 60.0 + 12.0)
    assert remaining_words(outlook.left) == (
        "left: 2 builds, 2 rounds, 6 measurements, 72 s (estimate)"
    )
    outlook.built(20.0)
    assert events == [Remaining(1, 2, 6, 32.0)]
    outlook.expect_builds(0, 0.0)
    outlook.expect("threads", 0, 0)
    assert remaining_words(outlook.left) == ""


# The whole ------------------------------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.usefixtures("loaded_jobs")
async def test_a_stopped_tuning_says_what_it_keeps_and_goes_on_with_it(tmp_path: Path) -> None:
    folder = tiny_genai(tmp_path / "t")
    parts: list[StoppedTuningDocument] = []
    task: asyncio.Task[Any]
    seen = 0

    def stop(event: Event) -> None:
        nonlocal seen
        if isinstance(event, Progress) and event.unit == "measurements":
            seen += 1
            if seen == 4:
                task.cancel()

    task = asyncio.ensure_future(
        tune(
            folder,
            on_event=stop,
            on_stopped=parts.append,
            watch=InterferenceWatch(busy=lambda: 0.0),
            **SHORT,
        )
    )
    with pytest.raises(asyncio.CancelledError):
        await task
    (part,) = parts
    assert part["kind"] == "stopped"
    assert part["kept"] == {"builds": 0, "measurements": 4}
    assert part["notes"] == ["Kept: 4 measurements. The same tuning goes on with that."]
    assert sum(row["rounds"] for row in part["trials"]) == 4
    assert [item.kind for item in find_leftovers()] == ["tuning"]

    events: list[Event] = []
    document = await tune(
        folder, on_event=events.append, watch=InterferenceWatch(busy=lambda: 0.0), **SHORT
    )
    assert document["taken_over"] == {"builds": 0, "measurements": 4}
    words = "Taking over 4 measurements of an earlier tuning"
    assert Stage("resume", words) in events
    # Three settings twice, of which four measurements were there, and two of them six times more.
    ran = [e for e in events if isinstance(e, Measured) and e.name == "ttft_s"]
    compared = 5 if document["best"] == document["baseline"] and "refuted" not in document else 10
    threads = sum(row["rounds"] for row in document["trials"] if row["stage"] == "threads")
    assert len(ran) == threads - 4 + compared
    assert any(isinstance(e, Remaining) and e.seconds is not None for e in events)
    assert list(find_paths().tuning.iterdir()) == []
    assert json.loads(json.dumps(document, allow_nan=False)) == document


@pytest.mark.real
@pytest.mark.usefixtures("loaded_jobs")
async def test_other_conditions_take_nothing_over(tmp_path: Path) -> None:
    folder = tiny_genai(tmp_path / "t")
    find_paths().tuning.mkdir(parents=True)
    await tune(folder, watch=InterferenceWatch(busy=lambda: 0.0), **SHORT)
    journal = Journal(find_paths().tuning / "rounds-0000000000000000.jsonl")
    journal.add("threads", f"|{ONE.label}", 16, sample(1.0))
    document = await tune(folder, watch=InterferenceWatch(busy=lambda: 0.0), **SHORT)
    assert "taken_over" not in document
