"""The job list: a badge in the rail, a dialog on one key, and a queue that can be changed there."""

import asyncio
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Button

from firstlight_core.monitor import History, Sample
from firstlight_tui.app import WizardApp
from firstlight_tui.modals.cancel_work import CancelQuestion
from firstlight_tui.modals.job_list import JobListScreen
from firstlight_tui.steps.benchmark.screen import BenchmarkStep
from firstlight_tui.steps.benchmark.tune_screen import TUNE
from firstlight_tui.steps.quality.screen import QualityStep
from firstlight_tui.widgets import StepRail, Words
from firstlight_tui.widgets.fitted_table import FittedTable
from tests.support.pilot import SIZES, Build, age, painted, settle
from tests.support.wizard_documents import BENCHMARK, FULL, GIB, QUALITY
from tests.support.wizard_services import Called, fake_services

OPEN = FULL.decide(benchmark=None, quality=None)


class Slow:
    """A service that works until it is let go."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.begun, self.go_on = answer, asyncio.Event(), asyncio.Event()

    async def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.begun.set()
        options["started"](4711)
        await self.go_on.wait()
        return self.answer


class Two:
    """A wizard that measures and lets a quality check wait behind it."""

    def __init__(self, wizard: Build, called: Called, **options: Any) -> None:
        self.measure, self.check = Slow(BENCHMARK), Slow(QUALITY)
        services = fake_services(called, benchmark=self.measure, check_quality=self.check)
        self.app: WizardApp = wizard(
            session=OPEN, first=BenchmarkStep, services=services, **options
        )

    async def begin(self, pilot: Pilot[Any]) -> None:
        await settle(pilot)
        await pilot.press("enter")
        await self.measure.begun.wait()
        await pilot.press("ctrl+n")
        while not isinstance(self.app.screen, QualityStep):
            await pilot.pause(0.02)
        await painted(pilot)
        await pilot.press("enter")
        await painted(pilot)

    def badge(self) -> str:
        return self.app.screen.query_one(StepRail).badge

    def rows(self) -> list[str]:
        table = self.app.screen.query_one(FittedTable)
        return [str(table.get_row_at(i)[0]) for i in range(table.row_count)]


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
async def test_a_second_measurement_waits_for_the_first_and_says_so(
    wizard: Build, called: Called, size: tuple[int, int]
) -> None:
    two = Two(wizard, called)
    async with two.app.run_test(size=size) as pilot:
        await two.begin(pilot)
        work = two.app.workspace.works["quality"]
        assert work.waiting and not two.check.begun.is_set()
        assert two.badge() == "Jobs ◐ 1 ○ 1  F3"
        words = str(two.app.screen.query_one("#work", Words).content)
        assert "In the queue: it begins after the benchmark" in words
        marks = [entry.state for entry in two.app.screen.query_one(StepRail).entries]
        assert marks.count("running") == 1 and marks.count("current") == 1
        two.measure.go_on.set()
        await two.check.begun.wait()
        assert two.app.workspace.session.benchmark is not None
        two.check.go_on.set()
        await settle(pilot)
        assert two.app.workspace.session.quality is not None and two.badge() == ""


@pytest.mark.slow
async def test_the_list_opens_on_its_key_and_stops_only_with_a_yes(
    wizard: Build, called: Called
) -> None:
    two = Two(wizard, called)
    async with two.app.run_test(size=(80, 24)) as pilot:
        await two.begin(pilot)
        await pilot.press("f3")
        assert isinstance(two.app.screen, JobListScreen)
        assert two.rows() == ["◐ The benchmark", "○ The quality check"]
        # The one that waits leaves without a question while nothing is lost.
        age(two.app, "quality", 5)
        await pilot.press("down", "delete")
        await pilot.pause()
        assert two.app.workspace.works["quality"].status == "cancelled"
        assert two.rows() == ["◐ The benchmark", "· The quality check"]
        age(two.app, "benchmark", 60)
        await pilot.press("up", "delete")
        assert isinstance(two.app.screen, CancelQuestion)
        assert "What has been measured by then is kept." in str(
            two.app.screen.query_one(Words).content
        )
        await pilot.press("escape")
        assert two.app.workspace.works["benchmark"].running
        # Enter on a row opens its step.
        await pilot.press("enter")
        while not isinstance(two.app.screen, BenchmarkStep):
            await pilot.pause(0.02)
        two.measure.go_on.set()
        await settle(pilot)


@pytest.mark.slow
async def test_a_click_on_the_badge_opens_the_list_and_its_buttons_change_the_order(
    wizard: Build, called: Called
) -> None:
    two = Two(wizard, called)
    async with two.app.run_test(size=(120, 40)) as pilot:
        await two.begin(pilot)
        two.app.workspace.start(TUNE, "The tuning", two.check, alone=True)
        await pilot.pause()
        assert two.badge() == "Jobs ◐ 1 ○ 2  F3"
        rail = two.app.screen.query_one(StepRail)
        row = rail.content_region.y + str(rail.render()).splitlines().index(two.badge())
        await pilot.click(offset=(rail.content_region.x, row))
        await painted(pilot)
        assert isinstance(two.app.screen, JobListScreen)
        await pilot.press("down", "down")
        await pilot.pause()
        assert two.app.screen.query_one("#later", Button).disabled
        await pilot.click("#earlier")
        await painted(pilot)
        assert two.rows() == ["◐ The benchmark", "○ The tuning", "○ The quality check"]
        two.app.workspace.jobs.close()


@pytest.mark.slow
async def test_the_list_says_what_the_machine_gives_the_job(wizard: Build, called: Called) -> None:
    crowded = Sample(
        cpu=95.0, memory_used=6 * GIB, memory_total=16 * GIB, job_cpu=6.0, job_wanted=50.0
    )
    history = History(read=lambda: crowded)
    two = Two(wizard, called, history=history)
    async with two.app.run_test(size=(80, 24)) as pilot:
        await two.begin(pilot)
        history.take()
        two.app.workspace.publish_works()
        await pilot.press("f3")
        await painted(pilot)
        words = str(two.app.screen.query_one("#crowded", Words).content)
        assert words.startswith("! The machine gives this job 12 %: other programs take 89 %")
        two.app.workspace.jobs.close()


@pytest.mark.slow
async def test_an_empty_list_says_what_comes_here(wizard: Build) -> None:
    app = wizard(session=FULL, first=BenchmarkStep)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("f3")
        assert "Nothing runs" in str(app.screen.query_one("#empty", Words).content)
        await pilot.press("f3")
        assert isinstance(app.screen, BenchmarkStep)
