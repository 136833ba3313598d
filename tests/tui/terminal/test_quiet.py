"""What is done between the keys, and that nothing of it is left for a key to wait for."""

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from textual.css.stylesheet import Stylesheet
from textual.screen import Screen
from textual.widgets import OptionList

from firstlight_core.workflow.services import FUNCTIONS
from firstlight_tui.app import WizardApp
from firstlight_tui.modals.settings import SettingsScreen
from firstlight_tui.steps import list_screens
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.steps.late import load_rest
from firstlight_tui.terminal.idle import (
    LOOKS,
    REST_SECONDS,
    WHOLE_SECONDS,
    YOUNG,
    IdleTasks,
    begin_collecting,
    screens_of,
    settle_garbage,
    styles_read,
)
from tests.support.pilot import settle
from tests.support.wizard_documents import FULL

STEPS = list_screens()


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """The settings of the collector as they were."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.slow
def test_no_chore_is_done_while_someone_types_and_one_a_look_at_rest() -> None:
    clock = Clock()
    done: list[str] = []
    quiet = IdleTasks(clock=clock, chores=(done.append(name) or name for name in "ab"))  # type: ignore[func-returns-value]
    quiet.look()
    assert done == []
    clock.now = REST_SECONDS
    quiet.look()
    assert done == ["a"]
    quiet.touch()
    quiet.look()
    assert done == ["a"]
    clock.now *= 2
    for _ in range(3):
        quiet.look()
    assert done == ["a", "b"]


@pytest.mark.slow
def test_the_chores_end_and_leave_next_to_nothing_to_look_through() -> None:
    clock = Clock()
    quiet = IdleTasks(clock=clock)
    clock.now = REST_SECONDS
    gc.unfreeze()
    before = len(gc.get_objects())
    for _ in range(len(FUNCTIONS) + 3):
        quiet.look()
    assert len(gc.get_objects()) < before / 10


def test_everything_is_looked_through_in_a_long_rest_only(monkeypatch: pytest.MonkeyPatch) -> None:
    whole: list[float] = []
    clock = Clock()
    quiet = IdleTasks(clock=clock, chores=iter(()))
    monkeypatch.setattr(gc, "collect", lambda: whole.append(clock.now))
    monkeypatch.setattr(gc, "get_count", lambda: (0, LOOKS, 0))
    for clock.now in (REST_SECONDS, WHOLE_SECONDS):
        quiet.look()
    assert whole == [WHOLE_SECONDS]


def test_all_but_the_youngest_is_left_to_the_chores() -> None:
    settle_garbage()
    assert min(gc.get_threshold()[1:]) > 1_000
    assert gc.get_freeze_count() > 10_000


def test_the_first_screen_is_not_looked_through() -> None:
    gc.disable()
    gc.unfreeze()
    first = [[number] for number in range(YOUNG)]
    begin_collecting()
    assert gc.isenabled() and gc.get_count()[0] < YOUNG / 2
    assert gc.get_freeze_count() > len(first) and gc.get_threshold()[0]


@pytest.mark.slow
async def test_a_wizard_begins_to_collect_with_its_first_painting(
    wizard: Callable[..., WizardApp],
) -> None:
    gc.disable()
    gc.unfreeze()
    try:
        async with wizard(idle=IdleTasks(chores=iter(()))).run_test() as pilot:
            await settle(pilot)
            assert gc.isenabled() and gc.get_freeze_count() > 10_000
    finally:
        gc.enable()


async def test_every_key_ends_the_rest(wizard: Callable[..., WizardApp]) -> None:
    clock = Clock()
    quiet = IdleTasks(clock=clock, chores=iter(()))
    async with wizard(idle=quiet).run_test() as pilot:
        clock.now = 50.0
        assert quiet.rested == 50.0
        await pilot.press("f1")
        assert quiet.rested == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS, ids=lambda s: s.STEP_ID)
async def test_no_step_makes_textual_read_every_style_anew(
    wizard: Callable[..., WizardApp], step: type[StepScreen]
) -> None:
    app = wizard(session=FULL, first=STEPS[-1] if step is STEPS[0] else STEPS[0])
    async with app.run_test() as pilot:
        await settle(pilot)
        sheets: list[Stylesheet] = []
        again = app.stylesheet.reparse
        app.stylesheet.reparse = lambda: sheets.append(app.stylesheet) or again()  # type: ignore[func-returns-value, method-assign]
        app.workspace.navigation.open(step)
        await settle(pilot)
        assert type(app.screen) is step
        assert sheets == []


def forget_styles(app: WizardApp, *screens: type[Screen[Any]]) -> None:
    """Take the styles of screens away again, as if nobody had read them."""
    for file, name in list(app.stylesheet.source):
        if name in [f"{screen.__name__}.CSS" for screen in screens]:
            del app.stylesheet.source[file, name]


async def test_the_styles_of_one_screen_are_read_at_each_rest(
    wizard: Callable[..., WizardApp],
) -> None:
    app = wizard(session=FULL)
    async with app.run_test() as pilot:
        await settle(pilot)
        forget_styles(app, *STEPS[1:4])
        left: list[int] = []

        async def rest() -> None:
            left.append(sum(not styles_read(app, step) for step in STEPS))

        await load_rest(app, (), rest)
        assert left[:4] == [3, 2, 1, 0]


async def test_a_dialog_whose_styles_nobody_has_read_reads_no_others(
    wizard: Callable[..., WizardApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = wizard(session=FULL)
    async with app.run_test() as pilot:
        await settle(pilot)
        forget_styles(app, SettingsScreen)
        again: list[str] = []
        monkeypatch.setattr(app.stylesheet, "reparse", lambda: again.append("all"))
        await pilot.press("f11")
        await settle(pilot)
        assert isinstance(app.screen, SettingsScreen) and styles_read(app, SettingsScreen)
        assert again == []
        assert app.screen.query_one(OptionList).styles.border_top[0] == ""


def test_the_screens_of_the_wizard_are_found() -> None:
    assert set(STEPS) < set(screens_of("firstlight_tui"))
