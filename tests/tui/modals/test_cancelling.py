"""No work is lost by a stray key: Cancel is deaf for a second, and asks once there is something to lose."""

import asyncio
from typing import Any

import pytest

from firstlight_tui.modals.cancel_work import CancelQuestion
from firstlight_tui.steps import list_screens
from firstlight_tui.steps.base import StepScreen
from tests.support.pilot import Build, age, painted, settle
from tests.support.wizard_documents import BENCHMARK, DEPLOYMENT, FULL, QUALITY
from tests.support.wizard_services import Called, fake_services

STEPS = list_screens()

STEP = {step.STEP_ID: step for step in STEPS}
CASES = (
    ("convert", "convert", {"artifacts": (), "artifact": None}),
    ("deploy", "deploy", {"deployment": None}),
    ("benchmark", "benchmark", {"benchmark": None}),
    ("quality", "check_quality", {"quality": None}),
)
ANSWERS = {"deploy": DEPLOYMENT, "benchmark": BENCHMARK, "quality": QUALITY}


class Slow:
    """A service that works until it is let go."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.begun, self.go_on = answer, asyncio.Event(), asyncio.Event()

    async def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.begun.set()
        await self.go_on.wait()
        return self.answer


@pytest.mark.slow
@pytest.mark.parametrize(("step", "service", "open_again"), CASES, ids=[c[0] for c in CASES])
async def test_a_second_enter_does_not_cancel_what_the_first_began(
    wizard: Build, called: Called, step: str, service: str, open_again: dict[str, Any]
) -> None:
    slow = Slow(ANSWERS.get(step))
    services = fake_services(called, **{service: slow})
    screen: type[StepScreen] = STEP[step]
    app = wizard(session=FULL.decide(**open_again), first=screen, services=services)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("enter")
        await slow.begun.wait()
        await painted(pilot)
        work = app.workspace.works[screen.WORK]
        # Half a second old, however long the keys take to arrive here.
        now = work.begun + 0.5
        work.clock = lambda: now
        # The button has become Stop and lets the focus go.
        assert str(app.screen.query_one("#primary").label) == "Stop"  # type: ignore[attr-defined]
        await pilot.press("enter", "space", "escape")
        age(app, screen.WORK, 5)
        await pilot.press("enter")
        await pilot.pause()
        assert work.running and app.screen.focused is None

        age(app, screen.WORK, 10)
        await pilot.click("#primary")
        assert isinstance(app.screen, CancelQuestion)
        # "Let it run" has the focus: one more Enter keeps the work.
        await pilot.press("enter")
        assert not isinstance(app.screen, CancelQuestion) and work.running

        await pilot.click("#primary")
        await pilot.click("#yes")
        await settle(pilot)
        assert work.status == "cancelled"
        # The button that begins it has the focus again.
        assert app.screen.focused is app.screen.query_one("#primary")


async def test_young_work_is_cancelled_without_a_question(wizard: Build, called: Called) -> None:
    slow = Slow(BENCHMARK)
    services = fake_services(called, benchmark=slow)
    app = wizard(session=FULL.decide(benchmark=None), first=STEP["benchmark"], services=services)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("enter")
        await slow.begun.wait()
        await painted(pilot)
        age(app, "benchmark", 5)
        await pilot.click("#primary")
        await settle(pilot)
        assert app.workspace.works["benchmark"].status == "cancelled"


@pytest.mark.slow
async def test_the_question_goes_when_the_work_ends_by_itself(
    wizard: Build, called: Called
) -> None:
    slow = Slow(BENCHMARK)
    services = fake_services(called, benchmark=slow)
    app = wizard(session=FULL.decide(benchmark=None), first=STEP["benchmark"], services=services)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("enter")
        await slow.begun.wait()
        await painted(pilot)
        age(app, "benchmark", 20)
        await pilot.click("#primary")
        assert isinstance(app.screen, CancelQuestion)
        slow.go_on.set()
        await settle(pilot)
        assert not isinstance(app.screen, CancelQuestion)
        assert (
            app.workspace.works["benchmark"].status == "done"
            and app.workspace.session.benchmark is not None
        )
