"""The settings dialog, and what the wizard does with a settings file."""

import threading
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input, OptionList

from firstlight_core.paths import find_paths
from firstlight_core.session import Session
from firstlight_core.settings import load_settings
from firstlight_tui.modals.keys import KeysScreen
from firstlight_tui.modals.settings import SettingsScreen
from firstlight_tui.state.precision_choice import advised
from firstlight_tui.steps.precision.screen import PrecisionStep
from firstlight_tui.terminal import preferences
from firstlight_tui.widgets import MonitorPane
from tests.support.pilot import SIZES, Build, settle, until
from tests.support.wizard_documents import FULL, MODEL


def write(text: str) -> None:
    file = find_paths().settings
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
async def test_a_choice_counts_at_once_and_is_kept(wizard: Build, size: tuple[int, int]) -> None:
    app = wizard()
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await pilot.press("f11")
        assert isinstance(app.screen, SettingsScreen)
        await pilot.press("enter")  # The themes.
        await pilot.press("down", "enter")
        await settle(pilot)
        chosen = app.theme
        assert chosen != "firstlight" and load_settings()[0].values == {"theme": chosen}
        rows = app.screen.query_one(OptionList)
        assert chosen in str(rows.get_option_at_index(0).prompt)
        await pilot.press("delete")
        await settle(pilot)
        assert app.theme == "firstlight" and load_settings()[0].values == {}
        await pilot.press("end", "enter")
        assert isinstance(app.screen, KeysScreen)
        await pilot.press("escape", "escape")
        assert app.screen is not None and not isinstance(app.screen, SettingsScreen)
    assert app.return_code in (None, 0)


@pytest.mark.slow
async def test_a_folder_must_be_a_whole_path(wizard: Build, tmp_path: Path) -> None:
    app = wizard()
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press("f11", "down", "down", "enter")
        field = app.screen.query_one(Input)
        field.value = "models"
        await pilot.press("enter")
        assert "whole path" in str(app.screen.query_one("#problem").render())
        field.value = str(tmp_path)
        await pilot.press("enter")
        await settle(pilot)
        assert load_settings()[0].models == tmp_path
        await pilot.press("enter", "escape")
        assert load_settings()[0].models == tmp_path


@pytest.mark.slow
async def test_a_threshold_of_the_monitor_must_be_a_number_in_its_range(wizard: Build) -> None:
    app = wizard()
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press("f11", *["down"] * 8, "enter", *"101", "enter")
        words = str(app.screen.query_one("#problem").render())
        assert words == "Alert: CPU must be a whole number from 1 to 100."
        await pilot.press(*["backspace"] * 3, *"30", "enter")
        await settle(pilot)
        assert app.workspace.thresholds["cpu_usage_percent"] == 30
        assert "alert_cpu_percent = 30\n" in find_paths().settings.read_text()
        view = app.workspace.machine_view([app.workspace.history.last] * 10)
        assert [alert.figure for alert in view.alerts] == ["cpu_usage_percent"]
        await pilot.press("delete")
        await settle(pilot)
        assert app.workspace.thresholds["cpu_usage_percent"] == 80


async def test_the_wizard_wears_the_file(wizard: Build) -> None:
    write('theme = "paper"\nmonitor = "off"\n[keys]\n"app.quit" = "ctrl+x"\n')
    app = wizard()
    async with app.run_test() as pilot:
        await settle(pilot)
        assert app.theme == "paper"
        assert not app.screen.query_one(MonitorPane).display
        assert app.screen.query_one("KeyBar").size.height == 1
        await pilot.press("ctrl+q")
        assert app.return_code is None
        await pilot.press("ctrl+x")
        await pilot.pause()
    assert app.return_code == 0


async def test_each_mistake_is_said_and_the_wizard_opens(wizard: Build) -> None:
    write('theme = "nowhere"\nmonitor = 3\n[keys]\n"app.fly" = "f"\n')
    app = wizard()
    async with app.run_test() as pilot:
        await settle(pilot)
        notices = " ".join(note.message for note in app._notifications)
        assert "names no theme 'nowhere'" in notices
        assert "line 2: `monitor` must be a text" in notices and "`keys.app.fly`" in notices
        assert app.theme == "firstlight"


@pytest.mark.slow
async def test_a_theme_that_is_chosen_by_f2_is_kept(wizard: Build) -> None:
    app = wizard()
    async with app.run_test() as pilot:
        await settle(pilot)
        app.theme = "ember"
        await until(pilot, lambda: load_settings()[0].values == {"theme": "ember"})


async def test_the_precision_of_the_settings_is_marked_first(wizard: Build) -> None:
    write('precision = "int8"\n')
    session = Session(source=FULL.source, model=MODEL)
    assert advised(session) == "int8"
    app = wizard(session=session, first=PrecisionStep)
    async with app.run_test() as pilot:
        await settle(pilot)
        assert "int8" in app.workspace.session.precisions or advised(session) == "int8"


@pytest.mark.slow
async def test_no_setting_is_written_on_the_loop(
    wizard: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[int] = set()
    change = preferences.change_settings

    def noted(changes: Any, paths: Any) -> Path:
        threads.add(threading.get_ident())
        return change(changes, paths)

    monkeypatch.setattr(preferences, "change_settings", noted)
    app = wizard()
    async with app.run_test() as pilot:
        await settle(pilot)
        for theme in ("ember", "paper"):
            await app.preferences.change({"theme": theme})
        assert app.theme == "paper" and load_settings()[0].values == {"theme": "paper"}
        app.theme = "ember"
        await until(pilot, lambda: load_settings()[0].values == {"theme": "ember"})
    assert threads and threading.get_ident() not in threads
