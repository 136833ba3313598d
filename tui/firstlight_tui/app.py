"""The composition root: themes, keys, the workspace, and which screen is shown."""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual.binding import BindingType

from firstlight_core.monitor import History
from firstlight_core.paths import Paths
from firstlight_core.session import Session
from firstlight_core.workflow.services import Services
from firstlight_themes import DEFAULT_THEME, load_themes
from firstlight_tui.acts import WizardActs
from firstlight_tui.state.navigation import Navigation
from firstlight_tui.state.run_memory import RunMemory
from firstlight_tui.state.workspace import Workspace
from firstlight_tui.steps import WizardStep, list_steps
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.steps.late import load_rest
from firstlight_tui.terminal.app_keys import APP_KEYS
from firstlight_tui.terminal.idle import IdleTasks, Repaint, read_styles, screens_of
from firstlight_tui.terminal.preferences import Preferences
from firstlight_tui.terminal.workers import AppTasks, begin
from firstlight_tui.widgets.screens import BaseScreen

REPAINT_SECONDS = 0.1
PAINTED_WORKS, PAINTED_SAMPLES = 5, 4
"""While keys are pressed one in so many news of work, and one in so many samples, is painted."""
SWEEP_SECONDS = 2.0
"""After the first paint, where it delays nothing."""


class WizardApp(WizardActs):
    """The wizard. Everything that cannot be controlled is an argument with a real default."""

    TITLE = "Firstlight"
    CSS_PATH = Path(__file__).with_name("app.tcss")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide"), (150, "-broad")]
    BINDINGS: ClassVar[list[BindingType]] = APP_KEYS

    def __init__(
        self,
        *,
        session: Session | None = None,
        steps: Sequence[WizardStep] | None = None,
        first: WizardStep | None = None,
        model: str | None = None,
        remember: bool = False,
        services: Services | None = None,
        history: History | None = None,
        paths: Paths | None = None,
        sample_every: float = 1.0,
        idle: IdleTasks | None = None,
        ascii: bool = False,
    ) -> None:
        """`model` is a folder or a hub id that the Model step looks into when it opens.

        With `remember`, the run can be continued when it is cut short, and an earlier one is offered.
        """
        super().__init__(idle=idle, ascii=ascii)
        self.steps = list_steps() if steps is None else tuple(steps)
        self.workspace = Workspace(
            AppTasks(self),
            navigation=Navigation(self.steps, first=first, show=self.show_step),
            session=session,
            services=services,
            history=history,
            paths=paths,
            warn=lambda sentence: self.notify(sentence, severity="warning", markup=False),
            tell=lambda sentence: self.notify(sentence, markup=False),
        )
        self.workspace.drafts.model = model
        self.memory = RunMemory(self.workspace) if remember else None
        self._sample_every = sample_every
        self._works_painted, self._sample_painted = Repaint(PAINTED_WORKS), Repaint(PAINTED_SAMPLES)
        themes, self.theme_failures = load_themes(self.workspace.paths.config / "themes")
        self.theme_names = [theme.name for theme in themes]
        for theme in themes:
            self.register_theme(theme)
        self.preferences = Preferences(self, self.workspace.paths, theme=DEFAULT_THEME)

    def on_mount(self) -> None:
        first = self._step
        read_styles(self, screens_of("firstlight_tui"))
        self.push_screen(first())
        for step in self.steps[: self.workspace.navigation.position]:
            step.passed_over(self.workspace)
        self.preferences.watch_theme()
        for mistake in self.preferences.mistakes:
            self.notify(mistake, severity="warning", markup=False)
        self.set_interval(REPAINT_SECONDS, self._publish_works)
        self.set_interval(self._sample_every, self._take_sample)
        self.call_after_refresh(self.workspace.take_sample)
        self.set_timer(SWEEP_SECONDS, partial(begin, self, self._sweep, group="sweep"))
        if self.memory is not None and self.workspace.is_new:
            offer = partial(self._offer_to_continue, self.memory)
            self.call_after_refresh(begin, self, offer, group="continue")
        if self._idle is not None:
            load = partial(load_rest, self, self.steps, self._idle.rest)
            self.call_after_refresh(begin, self, load, group="load")
        if self.preferences.settings.keys:
            warn = self.preferences.warn_of_unknown_keys
            self.call_after_refresh(begin, self, warn, group="keys")

    def on_unmount(self) -> None:
        """Write what the ledger still holds back."""
        self.workspace.ledger.flush()
        if self.memory is not None:
            self.memory.close()

    def _publish_works(self) -> None:
        if self._works_painted.due(self.since_key):
            self.workspace.publish_works()

    async def _take_sample(self) -> None:
        await self.redrawn()
        await self.workspace.take_sample(publish=self._sample_painted.due(self.since_key))

    async def _offer_to_continue(self, memory: RunMemory) -> None:
        from firstlight_tui.modals.continue_run import offer_to_continue

        await offer_to_continue(self, self.workspace, memory)

    async def _sweep(self) -> None:
        """Remove unfinished files of a killed wizard."""
        await asyncio.to_thread(self.workspace.services.sweep_staging)
        await asyncio.to_thread(self.workspace.services.sweep_deleted, self.workspace.paths)

    @property
    def _step(self) -> type[StepScreen]:
        return self.steps[self.workspace.navigation.position].load()

    def show_step(self) -> None:
        """Show the open step unless it is on the screen; a screen that is not complete yet calls this when it is."""
        if self.return_code is not None:  # It is being left.
            return
        if self.memory is not None:
            self.memory.remember()
        screen = self.screen
        if isinstance(screen, StepScreen) and not screen.complete:
            return
        # A step may ask something before it is complete: its dialog lies over it, and stays.
        if self._step in [type(s) for s in self.screen_stack if isinstance(s, StepScreen)][-1:]:
            return
        if isinstance(screen, BaseScreen):
            screen.leave()
        self.switch_screen(self._step())
