"""Waiting until the machine is quiet, on the Benchmark step: it watches, names who disturbs, and begins by itself."""

import asyncio
from typing import Any

from firstlight_core.documents.measure import BenchDocument
from firstlight_core.measure.busy_processes import wait_until_quiet
from firstlight_core.monitor import ALERT_THRESHOLDS
from firstlight_core.process.events import Event, Measured, Stage
from firstlight_tui.modals.detail import DetailScreen
from firstlight_tui.state.work import Work, WorkKey
from firstlight_tui.steps.benchmark.limits import limits_chart, limits_of, over_words
from firstlight_tui.steps.benchmark.results import BenchResults
from firstlight_tui.steps.benchmark.screen import BenchmarkStep
from firstlight_tui.steps.benchmark.waiting import quiet_wait
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.charts.chart import Chart
from tests.core.measure.test_busy_processes import Machine
from tests.support.chart_gallery import text_of
from tests.support.pilot import Build, settle, until
from tests.support.wizard_documents import FULL
from tests.support.wizard_services import Called, fake_services
from tests.tui.benchmark.test_dials import GIB, document, result


async def test_the_wait_of_the_core_is_what_the_screen_shows() -> None:
    machine = Machine(0.5, 0.4, 0.02, 0.0, 0.0)
    work = Work("benchmark", "The benchmark")

    def take(event: Event) -> None:
        machine.events.append(event)
        work.take(event)

    frames: list[str] = []

    async def sleep(seconds: float) -> None:
        if (wait := quiet_wait(work)) is not None:
            frames.append(wait.content().plain)
        await machine.sleep(seconds)

    await wait_until_quiet(
        60,
        take,
        load=lambda: machine.used,
        processes=lambda: {},
        clock=lambda: machine.now,
        sleep=sleep,
    )
    assert "Looking at the other programs" in frames[0]
    assert "50 %" in frames[1] and "no program disturbs most" in frames[1]
    assert "● ○ ○ 1 of 3 s" in frames[3] and "disturbs" not in frames[3]
    wait = quiet_wait(work)
    assert wait is not None and [round(load) for load in wait.loads] == [50, 40, 2, 0, 0]
    plot = wait.plot()
    assert plot is not None and "quiet below 10 %" in "\n".join(text_of(plot, 80, 10))
    work.take(Stage("load", "Loading int4"))
    assert quiet_wait(work) is None


def test_another_culprit_renews_the_stage_instead_of_adding_one() -> None:
    work = Work("benchmark", "The benchmark", clock=iter(range(9)).__next__)
    work.take(Stage("quiet", "Waiting"))
    begun = work.stages[0][1]
    work.take(Stage("quiet", "Waiting: make", renews=True))
    assert [(stage.label, at) for stage, at in work.stages] == [("Waiting: make", begun)]


async def test_w_waits_shows_who_disturbs_and_begins_by_itself(
    wizard: Build, called: Called
) -> None:
    calls: list[Any] = []
    quiet, ends = asyncio.Event(), asyncio.Event()

    async def benchmark(
        targets: Any, *, on_event: Any, wait_quiet: float | None, **options: Any
    ) -> BenchDocument:
        calls.append((targets, wait_quiet))
        on_event(Stage("quiet", "Waiting until the machine is quiet"))
        on_event(Measured("others_percent", 45.0, "%", "make (process 9) 40 %"))
        await quiet.wait()
        on_event(Stage("measure", "Measuring"))
        on_event(Measured("decode_tps", 100.0, "tokens/s", "int4", 128))
        await ends.wait()
        return document(result("int4", 100))

    app = wizard(
        session=FULL.decide(benchmark=None),
        first=BenchmarkStep,
        services=fake_services(called, benchmark=benchmark),
    )
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("w")
        results = app.screen.query_one(BenchResults)
        await until(pilot, lambda: "make" in results.query_one("#quiet", Words).visual.__str__())
        assert results.has_class("-waiting")
        assert not app.screen.query_one("#when-quiet").display
        quiet.set()
        await until(pilot, lambda: not results.has_class("-waiting"))
        await until(pilot, lambda: "●" in results.query_one("#speeds", Chart).render().plain)
        ends.set()
        await settle(pilot)
        assert app.workspace.session.benchmark is not None
    assert calls == [(["/models/out/int4"], 3600.0)]


async def test_work_that_waited_measures_what_there_is_when_it_begins(
    wizard: Build, called: Called
) -> None:
    calls: list[list[str]] = []

    async def benchmark(targets: list[str], **options: Any) -> BenchDocument:
        calls.append(targets)
        return document(result("int4", 100))

    app = wizard(
        session=FULL.decide(benchmark=None),
        first=BenchmarkStep,
        services=fake_services(called, benchmark=benchmark),
    )
    ends = asyncio.Event()

    async def other(on_event: Any, started: Any) -> None:
        await ends.wait()

    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        workspace = app.workspace
        workspace.start(WorkKey[None]("convert"), "The conversion", other, alone=True)
        await pilot.press("r")
        await until(pilot, lambda: workspace.jobs.waiting)
        workspace.session = workspace.session.decide(artifacts=(), artifact="/models/out/other")
        ends.set()
        await until(pilot, lambda: calls)
        await settle(pilot)
    assert calls == [["/models/out/other"]]


def test_limits_are_those_of_the_settings() -> None:
    artifact = result("int4", 100, ttft=0.5)
    whole = document(artifact)
    assert over_words(limits_of(whole, artifact)) == ""
    strict = ALERT_THRESHOLDS | {"response_time_ms": 400, "memory_usage_percent": 2}
    limits = limits_of(whole, artifact, strict)
    assert over_words(limits) == "✗ OVER THE LIMIT: first token 500 ms, memory 512.0 MiB."
    drawn = limits_chart(limits, strict)
    assert drawn is not None and drawn.title == "Against your limits"
    assert "limit 0.40 s" in drawn.draw(100, 9).plain
    for width, gauge in ((100, True), (55, False)):
        rows = drawn.draw(width, 9).plain.splitlines()
        assert "OVER THE LIMIT" in rows[1] and ("▕" in rows[1]) is gauge
    drawn = limits_chart(limits_of(whole, artifact))
    assert drawn is not None and "the course's" in drawn.title
    assert whole["machine"]["memory_bytes"] == 24 * GIB


async def test_changed_thresholds_judge_what_is_on_the_screen(wizard: Build) -> None:
    artifact = result("int4", 100, ttft=0.5)
    app = wizard(session=FULL.decide(benchmark=document(artifact)), first=BenchmarkStep)
    app.workspace.thresholds = ALERT_THRESHOLDS | {"response_time_ms": 400}
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        step = app.screen
        banner = step.query_one("#banner", Words)
        assert banner.display and "OVER THE LIMIT" in str(banner.visual)
        # As the settings do: another screen on top, other thresholds, back.
        app.push_screen(DetailScreen("Settings", ""))
        await pilot.pause()
        app.workspace.thresholds = ALERT_THRESHOLDS.copy()
        await pilot.press("escape")
        await settle(pilot)
        assert app.screen is step and not banner.display
