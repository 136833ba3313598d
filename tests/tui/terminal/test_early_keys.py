"""A key typed while a step is still being put together is not lost."""

import pytest
from textual import events
from textual.app import ComposeResult
from textual.widgets import Button

from firstlight_tui.steps.base import StepScreen
from firstlight_tui.steps.chat.screen import ChatStep
from firstlight_tui.steps.summary.screen import SummaryStep
from firstlight_tui.widgets.ask import Ask
from tests.support.pilot import Build, settle, steps_of_which_slow
from tests.support.wizard_documents import FULL


async def test_letters_typed_at_once_stand_in_the_field_in_their_order(wizard: Build) -> None:
    app = wizard(session=FULL)
    async with app.run_test() as pilot:
        await settle(pilot)
        app.workspace.navigation.open(ChatStep)
        for letter in "what":
            app.post_message(events.Key(letter, letter))
        await settle(pilot)
        assert app.screen.query_one(Ask).text == "what"


class _Counted(StepScreen):
    STEP_ID = STEP_TITLE = "counted"
    presses = 0

    def compose_step(self) -> ComposeResult:
        yield from ()

    def primary(self) -> None:
        _Counted.presses += 1


async def test_enter_pressed_at_once_presses_the_primary_button_once(wizard: Build) -> None:
    app = wizard(steps=(SummaryStep, _Counted))
    _Counted.presses = 0
    async with app.run_test() as pilot:
        await settle(pilot)
        app.workspace.navigation.open(_Counted)
        app.post_message(events.Key("enter", "\r"))
        await settle(pilot)
        assert _Counted.presses == 1


@pytest.mark.parametrize("step", steps_of_which_slow("deploy", "template"), ids=lambda s: s.STEP_ID)
async def test_a_key_that_no_widget_wants_reaches_the_step(
    wizard: Build, step: type[StepScreen]
) -> None:
    app = wizard(session=FULL, first=step)
    async with app.run_test() as pilot:
        app.post_message(events.Key("f1", None))
        await settle(pilot)
        assert type(app.screen).__name__ == "HelpScreen"


class _NothingToFocus(StepScreen):
    STEP_ID = STEP_TITLE = "none"

    def compose_step(self) -> ComposeResult:
        yield from ()

    def primary_label(self) -> str:
        return ""

    def opened(self) -> None:
        self.query(Button).set(disabled=True)


async def test_a_step_without_anything_to_focus_still_hears_its_keys(wizard: Build) -> None:
    app = wizard(session=FULL, steps=(_NothingToFocus,))
    async with app.run_test() as pilot:
        app.post_message(events.Key("f1", None))
        await settle(pilot)
        assert type(app.screen).__name__ == "HelpScreen"


async def test_the_position_stays_when_the_application_has_ended(wizard: Build) -> None:
    app = wizard(session=FULL)
    async with app.run_test() as pilot:
        await settle(pilot)
        app.workspace.navigation.open(ChatStep)
        await settle(pilot)
    assert app.steps[app.workspace.navigation.position].STEP_ID == ChatStep.STEP_ID
