"""The queue of jobs without a screen: one conversion or measurement at a time, in an order that one can change."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from firstlight_core.documents.measure import BenchDocument, QualityDocument
from firstlight_core.errors import UsageError
from firstlight_core.process.events import Progress, Stage
from firstlight_core.report.facts import current_facts
from firstlight_core.session import Session
from firstlight_tui.state.job_list import job_rows, jobs_badge
from firstlight_tui.state.jobs import Jobs
from firstlight_tui.state.navigation import Navigation
from firstlight_tui.state.work import OnEvent, Started, Work, WorkKey, WorkOf
from firstlight_tui.state.workspace import Workspace
from firstlight_tui.steps.benchmark.screen import BenchmarkStep, keep_stopped
from firstlight_tui.steps.quality.scorecard import headline
from firstlight_tui.steps.quality.screen import QualityStep
from firstlight_tui.steps.quality.screen import keep_stopped as keep_stopped_check
from tests.support.background import LoopTasks
from tests.support.waiting import until
from tests.support.wizard_documents import BENCHMARK, FULL, QUALITY
from tests.support.wizard_services import Called, fake_services


class Bench:
    """Jobs that work until they are let go."""

    def __init__(self) -> None:
        self.tasks, self.done, self.stopped = LoopTasks(), list[str](), list[str]()
        self.jobs = Jobs(self.tasks)
        self.gates: dict[str, asyncio.Event] = {}

    def start(self, name: str, *, alone: bool = True, part: str | None = None) -> Work:
        gate = self.gates.setdefault(name, asyncio.Event())

        async def run(on_event: OnEvent, started: Started) -> str:
            on_event(Stage("work", "Working"))
            try:
                await gate.wait()
            except asyncio.CancelledError:
                work.finished_part = part
                raise
            return name

        key = WorkKey[str](name)
        work = self.jobs.start(
            WorkOf(key, f"The {name}", alone=alone),
            key,
            run,
            done=lambda result, seconds: self.done.append(result),
            stopped=lambda part, seconds: self.stopped.append(part),
        )
        return work


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    bench.jobs.close()
    await bench.tasks.end()


async def test_a_second_measurement_waits_and_begins_when_the_first_has_ended(bench: Bench) -> None:
    convert, check = bench.start("conversion"), bench.start("check", alone=False)
    measure = bench.start("benchmark")
    assert (convert.status, check.status, measure.status) == ("running", "running", "waiting")
    assert measure.waits_for == "The conversion" and measure.pending and not measure.running
    assert bench.start("benchmark") is measure, "it waits already"
    bench.gates["conversion"].set()
    await until(lambda: measure.running)
    assert convert.status == "done" and bench.jobs.alone is measure and not bench.jobs.waiting
    bench.gates["benchmark"].set()
    await until(lambda: measure.status == "done")
    assert bench.done == ["conversion", "benchmark"]


async def test_never_do_two_of_them_run_at_once(bench: Bench) -> None:
    most = [0]

    def count(work: Work) -> None:
        most[0] = max(most[0], sum(work.alone for work in bench.jobs.running))

    bench.jobs.changed.listen(count)
    works = [bench.start(f"job {number}") for number in range(5)]
    for number, work in enumerate(works):
        await until(lambda work=work: work.running)  # type: ignore[misc]
        if number % 2:
            bench.jobs.stop(work.name)
        else:
            bench.gates[work.name].set()
    await until(lambda: not any(work.pending for work in works))
    assert most == [1] and [work.status for work in works] == ["done", "cancelled"] * 2 + ["done"]


async def test_a_failure_lets_the_next_one_begin(bench: Bench) -> None:
    async def fail(on_event: OnEvent, started: Started) -> None:
        raise UsageError("No.")

    key = WorkKey[None]("conversion")
    failed = bench.jobs.start(WorkOf(key, "The conversion", alone=True), key, fail)
    after = bench.start("benchmark")
    await until(lambda: after.running)
    assert failed.status == "failed"


async def test_the_order_can_be_changed_and_one_can_leave_the_queue(bench: Bench) -> None:
    bench.start("conversion")
    first, second, third = (bench.start(name) for name in ("benchmark", "quality", "tuning"))
    bench.jobs.move("tuning", -1)
    assert bench.jobs.waiting == [first, third, second]
    assert [work.waits_for for work in (first, third, second)] == [
        "The conversion",
        "The benchmark",
        "The tuning",
    ]
    bench.jobs.move("benchmark", -1)
    bench.jobs.move("quality", 1)
    assert bench.jobs.waiting == [first, third, second], "the first cannot come earlier"
    bench.jobs.stop("benchmark")
    assert first.status == "cancelled" and bench.jobs.waiting == [third, second]
    assert third.waits_for == "The conversion"
    bench.gates["conversion"].set()
    await until(lambda: third.running)


async def test_nothing_begins_any_more_when_the_wizard_ends(bench: Bench) -> None:
    convert, after = bench.start("conversion"), bench.start("benchmark")
    await until(lambda: convert.entered)
    bench.jobs.close()
    bench.jobs.stop("conversion")
    await until(lambda: not convert.pending)
    assert after.waiting


async def test_what_was_finished_is_handed_over_when_work_is_cancelled(bench: Bench) -> None:
    bench.start("benchmark", part="three figures")
    nothing = bench.start("quality")
    await until(lambda: bench.jobs.works["benchmark"].entered)
    bench.jobs.stop("benchmark")
    await until(lambda: nothing.running)
    bench.jobs.stop("quality")
    await until(lambda: not nothing.pending)
    assert bench.stopped == ["three figures"]


async def test_the_list_says_what_runs_what_waits_and_how_it_ended(bench: Bench) -> None:
    assert jobs_badge(bench.jobs) == "" and job_rows(bench.jobs) == []
    convert = bench.start("conversion")
    await until(lambda: convert.stage is not None)
    convert.take(Progress(3, 24, "layers"))
    bench.start("benchmark")
    bench.start("quality")
    assert jobs_badge(bench.jobs) == "Jobs ◐ 1 ○ 2  F3"
    rows = job_rows(bench.jobs)
    assert [(row.mark, row.label, row.words) for row in rows] == [
        ("◐", "The conversion", "Working  3 of 24 layers"),
        ("○", "The benchmark", "after the conversion"),
        ("○", "The quality", "after the benchmark"),
    ]
    bench.jobs.stop("conversion")
    await until(lambda: convert.status == "cancelled")
    rows = job_rows(bench.jobs)
    assert [row.mark for row in rows] == ["◐", "○", "·"] and rows[-1].words == "stopped"


# In the workspace -------------------------------------------------------------------------------------


def workspace_of(session: Session) -> tuple[Workspace, list[str]]:
    notices: list[str] = []
    return (
        Workspace(
            LoopTasks(),
            navigation=Navigation((BenchmarkStep,)),
            session=session,
            services=fake_services(Called()),
            tell=notices.append,
        ),
        notices,
    )


async def test_leaving_names_what_runs_and_what_waits(bench: Bench) -> None:
    workspace, notices = workspace_of(FULL)

    async def forever(on_event: OnEvent, started: Started) -> None:
        await asyncio.Event().wait()

    workspace.start(WorkKey[None]("convert"), "The conversion", forever, alone=True)
    workspace.start(WorkKey[None]("benchmark"), "The benchmark", forever, alone=True)
    question = "The conversion is still running. The benchmark waits for its turn. Stop and quit?"
    assert workspace.leave_question().startswith(question)
    assert notices == ["The benchmark begins after the conversion. F3 shows the jobs."]
    workspace.jobs.close()
    workspace.stop_work("convert")


@pytest.mark.parametrize("before", [None, BENCHMARK, {**BENCHMARK, "void": True}])
async def test_a_stopped_benchmark_is_kept_but_never_in_the_place_of_a_whole_one(
    before: BenchDocument | None,
) -> None:
    workspace, _ = workspace_of(FULL.decide(benchmark=before))
    part: BenchDocument = {**BENCHMARK, "stopped": True}
    keep_stopped(workspace, part, 12.0)
    workspace.ledger.flush()
    whole = before is not None and not before["void"]
    assert workspace.session.benchmark == (before if whole else part)
    assert BenchmarkStep.done(workspace.session) is whole
    run = workspace.run_record
    entries = list(run.entries()) if run is not None else []
    assert [entry.status for entry in entries] == ([] if whole else ["cancelled"])


@pytest.mark.parametrize("before", [None, QUALITY])
async def test_a_stopped_check_is_kept_but_never_in_the_place_of_a_whole_one(
    before: QualityDocument | None,
) -> None:
    workspace, _ = workspace_of(FULL.decide(quality=before))
    part: QualityDocument = {**QUALITY, "ok": False, "stopped": True}
    keep_stopped_check(workspace, part, 12.0)
    workspace.ledger.flush()
    whole = before is not None
    assert workspace.session.quality == (before if whole else part)
    assert QualityStep.done(workspace.session) is whole
    run = workspace.run_record
    entries = list(run.entries()) if run is not None else []
    assert [entry.status for entry in entries] == ([] if whole else ["cancelled"])
    assert "STOPPED EARLY" in headline(part).plain and "no verdict" in headline(part).plain
    assert (current_facts(workspace.session, run).qualities == ()) is not whole
