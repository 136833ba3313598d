"""The last line of a dialog shows the dialog's keys, never those of the step below; and how Ctrl+C is answered."""

import pytest

from firstlight_tui.modals import ChooseScreen, ConfirmScreen
from firstlight_tui.steps import list_screens
from firstlight_tui.widgets import KeyBar
from tests.support.pilot import SIZES, Build, opened, painted, settle
from tests.support.wizard_documents import FULL

STEP = {step.STEP_ID: step for step in list_screens()}


def last_line(app: object) -> str:
    """What the terminal shows there."""
    screen = app.screen  # type: ignore[attr-defined]
    strips = screen._compositor.render_strips()
    return str(strips[-1].text)


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_a_question_shows_its_own_keys(wizard: Build, size: tuple[int, int]) -> None:
    app = wizard(session=FULL, first=STEP["deploy"])
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        before = last_line(app)
        assert "⏎" in before and "Keep" not in before
        app.push_screen(ConfirmScreen("Replace it?", yes="Replace", no="Keep"))
        dialog = await opened(pilot, ConfirmScreen)
        await painted(pilot)
        assert last_line(app).split() == ["⏎", "Keep", "esc", "No"]
        await pilot.press("tab")
        await painted(pilot)
        assert last_line(app).split() == ["⏎", "Replace", "esc", "No"]
        assert dialog.query_one(KeyBar).region.y == size[1] - 1
        assert dialog.query_one(".dialog").region.bottom < size[1]
        await pilot.press("escape")
        await painted(pilot)
        assert last_line(app) == before


async def test_a_list_shows_its_own_keys(wizard: Build) -> None:
    app = wizard(session=FULL, first=STEP["convert"])
    async with app.run_test(size=SIZES[0]) as pilot:
        await settle(pilot)
        app.push_screen(ChooseScreen("Which?", [("a", "One"), ("b", "Two")]))
        await opened(pilot, ChooseScreen)
        await painted(pilot)
        assert "esc" in last_line(app) and "Cancel" in last_line(app)


async def test_ctrl_c_says_in_our_words_how_to_leave_and_covers_no_button(wizard: Build) -> None:
    for step in STEP.values():
        app = wizard(session=FULL, first=step)
        async with app.run_test(size=SIZES[0], notifications=True) as pilot:
            await settle(pilot)
            app.action_help_quit()
            await painted(pilot)
            (toast,) = app.screen.query("Toast")
            (told,) = app._notifications
            assert (told.title, told.message) == ("", "^q leaves Firstlight.")
            assert toast.region.height == 1 and toast.region.right < SIZES[0][0]
            pressed = app.screen.query("Button, Input, RadioButton, OptionList, DataTable")
            covered = [part for part in pressed if part.region.overlaps(toast.region)]
            assert not covered, (step.STEP_ID, covered)
