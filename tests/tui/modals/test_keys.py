"""Keys are changed in the settings and count at once."""

import pytest
from textual.widgets import OptionList

from firstlight_core.settings import load_settings
from firstlight_tui.modals.confirm import ConfirmScreen
from firstlight_tui.modals.help import HelpScreen
from firstlight_tui.modals.keys import KeysScreen, PressScreen
from firstlight_tui.steps.model.screen import ModelStep
from tests.support.pilot import Build, settle


def highlight(screen: object, id: str) -> None:
    assert isinstance(screen, KeysScreen)
    rows = screen.query_one(OptionList)
    rows.highlighted = rows.get_option_index(id)


@pytest.mark.slow
async def test_a_key_is_pressed_and_counts_at_once(wizard: Build) -> None:
    app = wizard()
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press("f11", "end", "enter")
        highlight(app.screen, "app.help")
        await pilot.press("enter")
        assert isinstance(app.screen, PressScreen)
        await pilot.press("tab")
        assert load_settings()[0].keys == {}  # Tab moves the focus.
        await pilot.press("enter", "f2")
        assert isinstance(app.screen, ConfirmScreen)
        await pilot.press("tab", "enter")
        await settle(pilot)
        assert load_settings()[0].keys == {"app.help": "f2", "app.theme": "unset_app.theme"}
        highlight(app.screen, "app.theme")
        await pilot.press("delete")
        await settle(pilot)
        await pilot.press("escape", "escape", "f2")
        await settle(pilot)
        assert load_settings()[0].keys == {"app.help": "f2"}


@pytest.mark.slow
async def test_vim_moves_in_a_table_and_in_dialogs(wizard: Build) -> None:
    app = wizard(first=ModelStep)
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press("f11", "end", "enter", "v")
        await settle(pilot)
        keys = app.screen
        assert isinstance(keys, KeysScreen)
        at = keys.query_one(OptionList).highlighted
        assert at is not None
        await pilot.press("j")
        await settle(pilot)
        assert keys.query_one(OptionList).highlighted == at + 1
        await pilot.press("v")
        await settle(pilot)
        assert load_settings()[0].keys == {}
        await pilot.press("v")
        await settle(pilot)
        await pilot.press("r", "tab", "enter")
        await settle(pilot)
        assert load_settings()[0].keys == {}
        await pilot.press("escape", "escape", "f1")
        assert isinstance(app.screen, HelpScreen)
