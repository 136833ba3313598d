"""Steps whose screens are imported when they are first needed: the first paint waits for one of ten."""

import asyncio
import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from textual.app import App

from firstlight_core.glossary import read_glossary
from firstlight_core.session import Session
from firstlight_core.steps import Step as Row
from firstlight_tui import modals
from firstlight_tui.state.workspace import Workspace
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.terminal.idle import read_styles, screens_of, styles_read

HELP = f"{modals.__name__}.help"


class LateStep:
    """A row of the step table; what only its screen class knows, it imports that to find out."""

    def __init__(self, row: Row, find_screen: Callable[[str], type[StepScreen]]) -> None:
        self.STEP_ID = row.id
        self.STEP_TITLE = row.title
        self.ABOUT_A_MODEL = row.about_a_model
        self._row = row
        self._find_screen = find_screen
        self._screen: type[StepScreen] | None = None

    def load(self) -> type[StepScreen]:
        """Return the screen class, imported the first time."""
        if self._screen is None:
            self._screen = self._find_screen(self.STEP_ID)
        return self._screen

    @property
    def WORK(self) -> str:
        """Name of the step's long work; only a screen starts any, so before it is imported there is none."""
        return self._screen.WORK if self._screen is not None else ""

    def passed_by(self, session: Session) -> bool:
        """Return whether walking leads past this step."""
        return session.passes_by(self._row)

    def missing(self, session: Session) -> str | None:
        """Return why nobody can go past this step yet, or None."""
        return self.load().missing(session)

    def done(self, session: Session) -> bool:
        """Return whether the step has its answer; before there is a model, only steps that were open have one."""
        if self._screen is None and session.model is None and session.target is None:
            return False
        return self.load().done(session)

    def passed_over(self, workspace: Workspace) -> None:
        """Start what later steps rely on: the wizard has opened on one of them."""
        self.load().passed_over(workspace)


async def load_rest(
    app: App[Any],
    steps: "Sequence[LateStep | type[StepScreen]]",
    rest: Callable[[], Awaitable[None]],
) -> None:
    """Import in a thread what the first paint did not need, and read its styles, before anybody asks for it.

    The help comes first and at once, for any key may ask for it. Before each of the others, and before the styles of
    each screen, `rest` waits for a moment without keys: all styles at once hold the screen for 20 ms.
    """
    await asyncio.to_thread(_load_help)
    await _read_new_styles(app, rest)
    later: list[Callable[[], object]] = [step.load for step in steps]
    later += [
        partial(importlib.import_module, module.name)
        for module in pkgutil.iter_modules(modals.__path__, f"{modals.__name__}.")
    ]
    for load in later:
        await rest()
        await asyncio.to_thread(load)
        await _read_new_styles(app, rest)


def _load_help() -> None:
    """Import the help, and read what it explains."""
    importlib.import_module(HELP)
    read_glossary()


async def _read_new_styles(app: App[Any], rest: Callable[[], Awaitable[None]]) -> None:
    """Read the styles of every screen that is there now, one screen after each rest."""
    for screen in list(screens_of("firstlight_tui")):
        if not styles_read(app, screen):
            await rest()
            read_styles(app, [screen])
            app.stylesheet.parse()
            await asyncio.sleep(0)
