"""The wizard by keys, step for step, at both sizes."""

import asyncio
import itertools
import threading

import pytest
from textual import events
from textual.widgets import Button

from firstlight_core.errors import JobDied
from firstlight_core.model.sources import FoundModel
from firstlight_core.process.events import Stage
from firstlight_core.session import Session
from firstlight_tui.state.work import Work
from firstlight_tui.steps import list_screens
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.steps.chat.screen import ChatStep
from firstlight_tui.steps.model.screen import ModelStep
from firstlight_tui.widgets import Words
from tests.support.pilot import SIZES, Build, panel, put_work, settle
from tests.support.wizard_documents import BENCHMARK, FULL
from tests.support.wizard_services import Called, fake_services

STEPS = list_screens()


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("step", STEPS, ids=lambda s: s.STEP_ID)
async def test_every_step_opens_empty_and_full(
    wizard: Build, step: type[StepScreen], size: tuple[int, int]
) -> None:
    for session in (Session(), FULL):
        app = wizard(session=session, first=step)
        async with app.run_test(size=size) as pilot:
            await settle(pilot)
            assert type(app.screen) is step
            primary = app.screen.query_one("#primary", Button)
            assert primary.region.height >= 1
            assert primary.region.right <= size[0] and primary.region.bottom <= size[1]


@pytest.mark.slow
async def test_enter_alone_leads_from_start_to_the_first_answer(
    wizard: Build, called: Called
) -> None:
    app = wizard(session=Session(source=FULL.source))
    presses = 0
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        while not app.workspace.chat.first.turns or not app.workspace.chat.first.turns[-1].stats:
            assert presses < 12, f"more than 12 keys; at {app.screen}"
            if type(app.screen).STEP_ID == "deploy" and app.workspace.session.deployment is None:  # type: ignore[attr-defined]
                await pilot.press("ctrl+n")
            else:
                await pilot.press("enter")
            presses += 1
            await settle(pilot)
        assert type(app.screen) is ChatStep
        assert app.workspace.chat.first.turns[-1].text == called.engine.answer
        assert app.workspace.chat.first.turns[-1].stats["decode_tps"] == 410.0
    assert "convert" in called.names()


@pytest.mark.slow
async def test_a_step_that_was_left_hears_of_nothing_any_more(
    wizard: Build, called: Called
) -> None:
    """Its parts go before it does: what had waited for a thread, or for a signal, would look for them."""
    searching, answer = threading.Event(), threading.Event()

    def slow() -> list[FoundModel]:
        searching.set()
        answer.wait(10)
        return []

    app = wizard(session=FULL, first=ModelStep, services=fake_services(called, find_models=slow))
    async with app.run_test(size=(120, 40)) as pilot:
        while not searching.is_set():
            await pilot.pause()
        left = app.screen
        assert isinstance(left, ModelStep)
        waiting = [worker for worker in app.workers if worker.node is left]
        assert waiting
        app.workspace.navigation.open(STEPS[0])
        assert left.gone
        assert all(worker.is_cancelled for worker in waiting)
        # Nobody knows when its parts go; here they go first.
        await left.query("*").remove()
        app.workspace.session = app.workspace.session.decide(precisions=("int8",))
        app.workspace.worked.publish(Work("convert", "Converting"))
        answer.set()
        await settle(pilot)
        assert type(app.screen) is STEPS[0]


@pytest.mark.slow
async def test_walking_as_fast_as_keys_come_ends_nowhere_but_at_a_step(wizard: Build) -> None:
    app = wizard(session=FULL)
    async with app.run_test(size=(80, 24)) as pilot:
        for key in itertools.chain(*itertools.repeat(("ctrl+n", "ctrl+n", "ctrl+o"), 12)):
            app.post_message(events.Key(key, None))
            await pilot.pause(0)
        await settle(pilot)
        assert isinstance(app.screen, StepScreen)
        assert app.return_code is None


@pytest.mark.parametrize("turns", range(0, 48, 8))
async def test_the_wizard_may_be_left_while_a_step_is_being_made(wizard: Build, turns: int) -> None:
    app = wizard(session=FULL, first=STEPS[-3])
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        app.workspace.navigation.open(STEPS[-2])
        # Whatever has been made of the step by now.
        for _ in range(turns):
            await asyncio.sleep(0)
    assert app.return_code in (None, 0)


@pytest.mark.slow
async def test_what_does_not_fit_is_read_by_keys_alone(wizard: Build) -> None:
    app = wizard(session=FULL, first=STEPS[-1])
    async with app.run_test(size=(80, 20)) as pilot:
        await settle(pilot)
        content = app.screen.query_one("#content")
        assert content.max_scroll_y > 0
        await pilot.press("pagedown", "pagedown")
        await settle(pilot)
        assert content.scroll_offset.y == content.max_scroll_y
        await pilot.press("pageup", "pageup")
        await settle(pilot)
        assert content.scroll_offset.y == 0


async def test_the_summary_gives_no_void_figure_for_a_good_one(wizard: Build) -> None:
    for void in (False, True):
        session = FULL.decide(benchmark={**BENCHMARK, "void": void}, quality=FULL.quality)
        app = wizard(session=session, first=STEPS[-1])
        async with app.run_test() as pilot:
            await settle(pilot)
            text = str(app.screen.query_one("#closing", Words).content)
            assert "decode 410 tok/s" in text
            assert ("void" in text) is void


@pytest.mark.slow
@pytest.mark.parametrize("name", ["convert", "deploy", "benchmark", "quality"])
async def test_a_step_that_is_come_back_to_tells_how_its_work_ended(
    wizard: Build, name: str
) -> None:
    session = FULL.decide(deployment=None)
    app = wizard(session=session)
    step = next(step for step in STEPS if name == step.STEP_ID)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        work = put_work(app, name, "The work")
        work.take(Stage("build", "Building the graph"))
        work.error = JobDied("The process died.", hint="Try again.")
        work.end("failed")
        app.workspace.navigation.open(step)
        await settle(pilot)
        assert "The process died." in panel(app)
        # Another choice: what failed for the one before says nothing of it.
        app.workspace.session = app.workspace.session.decide(precisions=("int8",))
        app.workspace.navigation.open(STEPS[2])
        await settle(pilot)
        app.workspace.navigation.open(step)
        await settle(pilot)
        assert "The process died." not in panel(app)


@pytest.mark.slow
async def test_the_stages_of_a_conversion_stay_to_be_read(wizard: Build) -> None:
    app = wizard(session=FULL, first=STEPS[3])
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        work = put_work(app, "convert", "The conversion")
        work.take(Stage("build", "Building the graph"))
        work.end("done")
        for step in (STEPS[2], STEPS[3]):
            app.workspace.navigation.open(step)
            await settle(pilot)
        assert "✓ Done in" in str(app.screen.query_one("#work", Words).content)
