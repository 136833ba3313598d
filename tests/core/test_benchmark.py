"""What is measured, in which order, and when it is void."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from firstlight_core.errors import InputRefused, UsageError
from firstlight_core.events import Event, Measured, Progress
from firstlight_core.measure.benchmark import benchmark, machine
from firstlight_core.measure.disturbance import Watch, awake_clock, whole_clock
from tests.core.tiny_models import tiny_genai


def readings(*values: float) -> Callable[..., float]:
    """A clock that gives these readings, one after another."""
    left = iter(values)
    return lambda *ignored: next(left)


def watched(**clocks: Callable[..., float]) -> list[str]:
    still: dict[str, Any] = {
        "awake": readings(0, 10),
        "whole": readings(0, 10),
        "busy": readings(0, 0),
        "ours": readings(0, 0),
    }
    watch = Watch(**(still | clocks))
    watch.begin([])
    watch.end()
    return watch.notes()


def test_a_quiet_run_is_not_void() -> None:
    assert watched() == []


def test_a_run_over_a_sleep_is_void() -> None:
    (note,) = watched(whole=readings(0, 70))
    assert note.startswith("Void: the machine slept for 60 s")
    assert watched(whole=readings(0, 10.5)) == []


def test_a_run_beside_other_programs_is_void() -> None:
    cores = psutil.cpu_count() or 1
    (note,) = watched(busy=readings(0, 10.0 * cores), ours=readings(0, 4.0 * cores))
    assert note.startswith("Void: other programs used 60 % of the processor")
    # Our own work is no reason.
    assert watched(busy=readings(0, 10.0 * cores), ours=readings(0, 9.0 * cores)) == []


def test_clocks_and_machine() -> None:
    assert awake_clock() <= whole_clock() + 1e-3
    found = machine()
    assert found["cpu"]
    assert found["threads"] >= 1
    assert "onnxruntime-genai" in found["versions"]


@pytest.mark.real
async def test_repetitions_interleave_and_the_warm_up_is_left_out(tmp_path: Path) -> None:
    left, right = tiny_genai(tmp_path / "left"), tiny_genai(tmp_path / "right")
    events: list[Event] = []
    pids: list[int] = []
    document = await benchmark(
        [left, str(right)],
        lengths=(8, 16, 500),
        new_tokens=8,
        repeats=2,
        on_event=events.append,
        started=pids.append,
    )
    order = [event.note for event in events if isinstance(event, Progress)]
    once = [f"{name}, {length} tokens" for length in (8, 16, 120) for name in ("left", "right")]
    assert order == list(itertools.chain.from_iterable([once] * 3))
    assert len(pids) == 2
    assert document["interleaved"] is True
    assert document["lengths"] == [8, 16, 500]
    assert any("left: prompts of 500 tokens were shortened to 120" in n for n in document["notes"])
    for result in document["results"]:
        assert [case["prompt_tokens"] for case in result["cases"]] == [8, 16, 120]
        for case in result["cases"]:
            # Never fewer tokens than asked for, although the model may want to stop.
            assert case["new_tokens"] == 8
            assert len(case["decode_tps"]["samples"]) == 2
    decode = [e for e in events if isinstance(e, Measured) and e.name == "decode_tps"]
    assert len(decode) == 2 * 3 * 2


@pytest.mark.real
async def test_a_void_run_keeps_its_figures_and_says_so(tmp_path: Path) -> None:
    watch = Watch(whole=itertools.count(0, 100).__next__)
    document = await benchmark(
        [tiny_genai(tmp_path / "t")], lengths=(8,), new_tokens=4, repeats=1, watch=watch
    )
    assert document["void"] is True
    assert document["notes"][0].startswith("Void")
    assert document["results"][0]["cases"]


async def test_wrong_numbers_and_targets(tmp_path: Path) -> None:
    folder = tiny_genai(tmp_path / "t")
    for wrong in (
        {"lengths": ()},
        {"lengths": (0,)},
        {"new_tokens": 1},
        {"repeats": 0},
        {"repeats": 10**6},
    ):
        with pytest.raises(UsageError):
            await benchmark([folder], **wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="nothing to measure"):
        await benchmark([])
    with pytest.raises(InputRefused, match="leave no prompt"):
        await benchmark([folder], new_tokens=128)
