"""Jump mode: one key, one letter."""

import pytest
from textual.widgets import DataTable

from firstlight_tui.modals.jump import JumpScreen
from firstlight_tui.state.jump import LETTERS, lettered
from firstlight_tui.steps.chat.screen import ChatStep
from firstlight_tui.steps.model.screen import ModelStep
from firstlight_tui.steps.precision.screen import PrecisionStep
from firstlight_tui.widgets.ask import Ask
from tests.support.pilot import SIZES, Build, settle
from tests.support.wizard_documents import FULL


def test_letters_are_given_once_as_far_as_they_go() -> None:
    assert [*lettered("xyz")] == [("a", "x"), ("s", "y"), ("d", "z")]
    assert len({*LETTERS}) == len([*lettered(range(100))]) == 26


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
async def test_a_letter_focuses_and_a_digit_opens_a_step(
    wizard: Build, size: tuple[int, int]
) -> None:
    app = wizard(session=FULL, first=PrecisionStep)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await pilot.press("ctrl+l")
        assert isinstance(app.screen, JumpScreen)
        for label in app.screen.query(".letter"):
            assert app.screen.region.contains_region(label.region)
        await pilot.press("a")
        await settle(pilot)
        assert isinstance(app.screen, PrecisionStep) and isinstance(app.focused, DataTable)
        before = app.focused
        await pilot.press("ctrl+l", "f5", "escape")
        assert app.focused is before
        await pilot.press("ctrl+l", "2")
        await settle(pilot)
        assert isinstance(app.screen, ModelStep)


async def test_it_works_while_a_question_is_typed(wizard: Build) -> None:
    app = wizard(session=FULL, first=ChatStep)
    async with app.run_test() as pilot:
        await settle(pilot)
        ask = app.screen.query_one(Ask)
        await pilot.press(*"why", "ctrl+l", "d")
        await settle(pilot)
        assert app.focused is not ask and ask.text == "why"
