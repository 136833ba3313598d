"""The command palette: find, do, and look at a theme before it is chosen."""

import pytest
from textual.widgets import OptionList

from firstlight_core.settings import load_settings
from firstlight_tui.modals.detail import DetailScreen
from firstlight_tui.modals.palette import PREVIEW_AFTER, Palette
from firstlight_tui.modals.settings import SettingsScreen
from firstlight_tui.steps.chat.screen import ChatStep
from firstlight_tui.steps.environment.screen import EnvironmentStep
from firstlight_tui.steps.quality.screen import QualityStep
from tests.support.pilot import SIZES, Build, settle
from tests.support.wizard_documents import FULL


def rows_of(palette: Palette) -> list[str]:
    rows = palette.query_one(OptionList)
    return [str(rows.get_option_at_index(at).prompt) for at in range(rows.option_count)]


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
async def test_acts_steps_and_terms_are_found(wizard: Build, size: tuple[int, int]) -> None:
    app = wizard(session=FULL, first=ChatStep)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await pilot.press("ctrl+p")
        await settle(pilot)
        palette = app.screen
        assert isinstance(palette, Palette)
        rows = rows_of(palette)
        assert any("Compare" in row and "F6" in row for row in rows)
        assert any("steps" in row and "Go to" in row for row in rows)
        assert any("models" in row and "Use sample" in row for row in rows)
        assert all(len(row) <= palette.query_one(OptionList).size.width for row in rows)
        await pilot.press(*"qual")
        await settle(pilot)
        assert "Go to Quality" in rows_of(palette)[0]
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, QualityStep)
        await pilot.press("ctrl+p", *"kl div")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, DetailScreen)
        await pilot.press("ctrl+p")
        assert isinstance(app.screen, DetailScreen)


@pytest.mark.slow
async def test_an_act_is_done_on_the_step_beneath(wizard: Build) -> None:
    app = wizard()
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press("ctrl+p", *"set monitor")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, SettingsScreen)
        assert app.screen.query_one(OptionList).highlighted == 4
        await pilot.press("escape", "ctrl+p", *"course")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, DetailScreen)


@pytest.mark.slow
async def test_a_model_is_looked_into(wizard: Build) -> None:
    app = wizard()
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press("ctrl+p", *"use sample")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert app.workspace.session.source == str(app.workspace.paths.sample)


@pytest.mark.slow
async def test_a_theme_is_shown_while_it_is_highlighted(wizard: Build) -> None:
    app = wizard()
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press("f2", "down")
        await pilot.pause(PREVIEW_AFTER + 0.8)
        highlighted = app.theme
        assert highlighted != "firstlight" and load_settings()[0].values == {}
        await pilot.press("escape")
        await settle(pilot)
        assert app.theme == "firstlight" and isinstance(app.screen, EnvironmentStep)
        await pilot.press("f2", "down")
        await pilot.pause(PREVIEW_AFTER + 0.2)
        await pilot.press("enter")
        await settle(pilot)
        assert app.theme == highlighted and load_settings()[0].values == {"theme": highlighted}
