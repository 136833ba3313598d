"""The plan of a queue: pending stages from the start, honest shares, and what one precision shows of the others."""

import pytest

from firstlight_core.documents.estimate import Estimates
from firstlight_core.precision.table import PRECISIONS
from firstlight_core.process.events import Progress, Stage
from firstlight_tui.state.conversion_stages import (
    phase_seconds,
    phases_of,
    planned,
    progress_of,
)
from firstlight_tui.state.work import MEMORY_POINTS, Work

ESTIMATES: Estimates = {"int8": {"seconds": 20.0}, "int4": {"seconds": 40.0}}


def running(now: list[float]) -> Work:
    work = Work("convert", "The conversion", clock=lambda: now[0])
    work.queue += [
        {"precision": "int8", "state": "running", "begun": 0.0},
        {"precision": "int4", "state": "waiting"},
    ]
    return work


@pytest.mark.parametrize("precision", PRECISIONS, ids=lambda row: row.key)
def test_every_precision_has_a_plan_whose_seconds_cover_its_estimate(precision: object) -> None:
    phases = phases_of(precision)  # type: ignore[arg-type]
    weights = phase_seconds(phases, 60.0, 15.0)
    assert [phases[0].label, phases[-1].label] == ["Load", "Publish"]
    assert sum(weights) == pytest.approx(60.0), "the estimate is of the whole conversion"
    assert sum(weights[-3:]) == pytest.approx(15.0), "the check comes after Olive"
    assert all(weight > 0 for weight in weights)


def test_all_stages_are_there_before_anything_runs() -> None:
    plan = planned(["int8", "int4"], ESTIMATES)
    assert {stage.status for stage in plan.stages} == {"pending"}
    assert [stage.label for stage in plan.stages][-2:] == ["Publish", "INT4"]
    assert plan.left is None and 50.0 < plan.expected < 60.0, "Olive is loaded once"


def test_nothing_is_left_to_say_before_olive_is_loaded() -> None:
    now = [0.0]
    work = running(now)
    work.take(Stage("start", "Converting to INT8"))
    work.take(Stage("load-olive", "Loading Olive"))
    now[0] = 100.0
    progress = progress_of(work, ESTIMATES)
    assert progress.left is None
    assert (progress.stages[0].status, progress.stages[0].seconds) == ("running", 100.0)


def test_a_running_stage_counts_by_what_it_has_counted() -> None:
    now = [0.0]
    work = running(now)
    work.take(Stage("load-olive", "Loading Olive"))
    now[0] = 4.0
    work.take(Stage("build", "Building"))
    now[0] = 9.0
    work.take(Stage("quantise", "Quantising"))
    before = sum(stage.done for stage in progress_of(work, ESTIMATES).stages)
    work.take(Progress(12, 24, "nodes"))
    progress = progress_of(work, ESTIMATES)
    quantise = progress.stages[2]
    assert (quantise.status, quantise.share) == ("running", 0.5)
    assert sum(stage.done for stage in progress.stages) == pytest.approx(
        before + quantise.weight / 2
    )
    assert [stage.seconds for stage in progress.stages[:2]] == [4.0, 5.0]
    assert progress.left is not None and progress.left > 40.0


def test_a_stopped_queue_marks_the_stage_it_stopped_in() -> None:
    now = [0.0]
    work = running(now)
    work.take(Stage("build", "Building"))
    work.end("cancelled")
    stages = progress_of(work, ESTIMATES).stages
    assert [stage.status for stage in stages[:3]] == ["done", "failed", "pending"]


def test_the_course_of_the_memory_gets_coarser_and_keeps_its_ends() -> None:
    now = [0.0]
    work = running(now)
    for number in range(3 * MEMORY_POINTS):
        now[0] = float(number)
        work.remember_memory(float(number))
        work.remember_memory(-1.0)
    assert len(work.memory) <= MEMORY_POINTS
    assert work.memory[0] == (0.0, 0.0) and work.memory[-1][0] == now[0]
