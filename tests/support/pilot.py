"""Driving the wizard by keys: wait until it rests, and read what it shows."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from _pytest.mark import ParameterSet
from textual.pilot import Pilot
from textual.screen import Screen
from textual.worker import WorkerCancelled

from firstlight_tui.app import WizardApp
from firstlight_tui.state.work import WorkKey, WorkOf
from firstlight_tui.steps import list_screens
from firstlight_tui.widgets import ProblemPanel, Words

Build = Callable[..., WizardApp]
"""The fixture `wizard`: builds a wizard; any argument of `WizardApp` may be given."""
OneScreen = TypeVar("OneScreen", bound=Screen[Any])
SIZES = [(80, 24), (120, 40)]


def steps_of_which_slow(*ids: str) -> list[ParameterSet]:
    """Every step, as parameters; those of `ids` are left to the whole run."""
    return [
        pytest.param(screen, marks=[pytest.mark.slow] if screen.STEP_ID in ids else [])
        for screen in list_screens()
    ]


async def settle(pilot: Pilot[Any]) -> None:
    """Wait until no work is running and everything is painted."""
    endless = ("engine", "_refresh")
    await pilot.pause()
    # Work that nothing lets go on fails its test here; it must not hold up the whole run.
    async with asyncio.timeout(120):
        while running := [
            w for w in pilot.app.workers if w.name not in endless and not w.is_finished
        ]:
            # Work that is cancelled, because the same begins anew, is over as well.
            with contextlib.suppress(WorkerCancelled):
                await pilot.app.workers.wait_for_complete(running)
            await pilot.pause()
    await painted(pilot)


async def until(pilot: Pilot[Any], reached: Callable[[], Any], *, seconds: float = 60) -> None:
    """Let the app run until something is so; for work that never ends by itself, and for the end of the app.

    The limit is for a test that hangs: a machine on which other programs run is slow, not wrong.
    """
    async with asyncio.timeout(seconds):
        while not reached():
            await pilot.pause(0.02)


async def opened(pilot: Pilot[Any], kind: type[OneScreen]) -> OneScreen:
    """Return the screen of this kind, as soon as it is the one that takes keys."""
    await until(pilot, lambda: isinstance(pilot.app.screen, kind) and pilot.app.screen.is_mounted)
    await pilot.pause()
    assert isinstance(pilot.app.screen, kind)
    return pilot.app.screen


async def click_soon(pilot: Pilot[Any], selector: str) -> None:
    """Click a widget as soon as it has its place on the screen."""
    await until(pilot, lambda: any(w.region.area for w in pilot.app.screen.query(selector)))
    await pilot.pause()
    assert await pilot.click(selector)


async def painted(pilot: Pilot[Any]) -> None:
    """Wait until no button looks pressed: a button takes no second press before that."""
    await pilot.pause()
    while pilot.app.screen.query("Button.-active"):
        await pilot.pause(0.02)


def panel(app: WizardApp) -> str:
    """The words of the problem panel."""
    return "\n".join(
        str(words.content) for words in app.screen.query_one(ProblemPanel).query(Words)
    )


def age(app: WizardApp, name: str, seconds: float) -> None:
    """Make running work begin `seconds` earlier."""
    app.workspace.works[name].begun -= seconds


def put_work(app: WizardApp, name: str, label: str) -> WorkOf[Any]:
    """Return work that nothing carries out, as the newest of its name."""
    work: WorkOf[Any] = WorkOf(name, label)
    app.workspace.works.put(WorkKey(name), work)
    return work


def set_age(app: WizardApp, name: str, seconds: float) -> None:
    """Make running work exactly `seconds` old, however slow the machine is."""
    work = app.workspace.works[name]
    work.begun = work.clock() - seconds
