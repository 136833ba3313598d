"""The composition root: themes, keys, the workspace, and which screen is shown."""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.console import RenderableType
from textual.binding import BindingType

from firstlight_core.monitor import History
from firstlight_core.paths import Paths
from firstlight_core.session import Session
from firstlight_core.workflow.services import Services
from firstlight_themes import DEFAULT_THEME, load_themes
from firstlight_tui.state.job_list import STEPS_OF_OTHERS
from firstlight_tui.state.navigation import Navigation
from firstlight_tui.state.run_memory import RunMemory
from firstlight_tui.state.workspace import Workspace
from firstlight_tui.steps import WizardStep, list_steps
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.steps.late import load_rest
from firstlight_tui.terminal.app import TerminalApp
from firstlight_tui.terminal.app_keys import APP_KEYS
from firstlight_tui.terminal.idle import REST_SECONDS, IdleTasks, read_styles, screens_of
from firstlight_tui.terminal.preferences import Preferences
from firstlight_tui.terminal.workers import AppTasks, begin
from firstlight_tui.widgets.screens import BaseScreen

if TYPE_CHECKING:
    from firstlight_tui.modals import ConfirmScreen

REPAINT_SECONDS = 0.1
UNPAINTED_SAMPLES = 3
"""Samples in a row that are not painted at most while keys are pressed."""
SWEEP_SECONDS = 2.0
"""After the first paint, where it delays nothing."""


class WizardApp(TerminalApp):
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
        self._leave_question: ConfirmScreen | None = None
        self._sample_every = sample_every
        self._unpainted = 0
        """Samples since the last one that was painted."""
        themes, self.theme_failures = load_themes(self.workspace.paths.config / "themes")
        for theme in themes:
            self.register_theme(theme)
        self._themes = [theme.name for theme in themes]
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
        self.set_interval(REPAINT_SECONDS, self.workspace.publish_works)
        self.set_interval(self._sample_every, self._take_sample)
        self.call_after_refresh(self.workspace.take_sample)
        self.set_timer(SWEEP_SECONDS, self._sweep)
        if self.memory is not None and self.workspace.is_new:
            self.call_after_refresh(begin, self, self._offer_to_continue, group="continue")
        if self._idle is not None:
            self.call_after_refresh(begin, self, partial(load_rest, self, self.steps), group="load")
        if self.preferences.settings.keys:
            self.call_after_refresh(begin, self, self._check_keys, group="keys-check")

    def on_unmount(self) -> None:
        """Write what the ledger still holds back."""
        self.workspace.ledger.flush()
        if self.memory is not None:
            self.memory.close()

    async def _take_sample(self) -> None:
        """Sample the machine; while keys are pressed only every few samples are painted, which takes 20 ms."""
        if self.since_key < REST_SECONDS and self._unpainted < UNPAINTED_SAMPLES:
            self._unpainted += 1
            await asyncio.to_thread(self.workspace.history.take)
        else:
            self._unpainted = 0
            await self.workspace.take_sample()

    async def _offer_to_continue(self) -> None:
        from firstlight_tui.modals.continue_run import offer_to_continue

        if self.memory is not None:
            await offer_to_continue(self, self.workspace, self.memory)

    async def _check_keys(self) -> None:
        """Warn of keys in the settings that no screen has; every screen is imported for that."""
        for mistake in await asyncio.to_thread(self.preferences.find_unknown_keys):
            self.notify(mistake, severity="warning", markup=False)

    async def _sweep(self) -> None:
        """Remove unfinished files of a killed wizard."""
        await asyncio.to_thread(self.workspace.services.sweep_staging)
        await asyncio.to_thread(self.workspace.services.sweep_deleted, self.workspace.paths)

    # Walking --------------------------------------------------------------------------------------

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
        if type(screen) is self._step or (isinstance(screen, StepScreen) and not screen.complete):
            return
        if isinstance(screen, BaseScreen):
            screen.leave()
        read_styles(self, [self._step])
        self.switch_screen(self._step())

    # Actions --------------------------------------------------------------------------------------

    async def action_quit(self) -> None:
        """Leave, after a question when work is running."""
        from firstlight_tui.modals.confirm import ConfirmScreen

        if not (question := self.workspace.leave_question()):
            self._leave_if(True)
        elif self._leave_question not in self.screen_stack:
            self._leave_question = ConfirmScreen(question, yes="Stop and quit", no="Stay")
            self.push_screen(self._leave_question, self._leave_if)

    def _leave_if(self, yes: bool | None) -> None:
        if yes:
            if (
                self.memory is not None
                and self.workspace.navigation.position == len(self.steps) - 1
            ):
                self.memory.finish()
            self.exit(0)

    def action_help(self) -> None:
        """Show the keys, the terms on the screen, and what the open step is for."""
        if isinstance(self.screen, StepScreen):
            from firstlight_tui.modals.help import HelpScreen

            self.push_screen(HelpScreen(self.screen))

    def action_connect(self) -> None:
        """Choose a running server for Chat, Benchmark and Quality."""
        from firstlight_tui.modals.connect import connect

        if isinstance(self.screen, StepScreen):
            connect(self.screen)

    def action_settings(self) -> None:
        """Change what is kept from one start to the next."""
        from firstlight_tui.modals.settings import SettingsScreen

        if isinstance(self.screen, StepScreen):
            self.push_screen(SettingsScreen(self.preferences, self.workspace.paths, self._themes))

    def action_monitor(self) -> None:
        """Show the next larger form of the monitor; after the full page, none."""
        if not isinstance(self.screen, StepScreen):
            return
        monitor = self.workspace.monitor
        mode = monitor.more()
        if mode == "panel" and self.screen.has_class("-narrow"):
            # There the panel is a line, too.
            mode = monitor.more()
        if mode == "page":
            from firstlight_tui.modals.monitor_page import MonitorPage

            self.push_screen(MonitorPage(), self._monitor_closed)

    def action_jobs(self) -> None:
        """Show what runs and what waits."""
        from firstlight_tui.modals.job_list import JobListScreen

        if isinstance(self.screen, StepScreen):
            self.push_screen(JobListScreen(), self._jobs_closed)

    def _jobs_closed(self, name: str | None) -> None:
        owner = STEPS_OF_OTHERS.get(name or "", "")
        for index, step in enumerate(self.steps):
            if name and (name == step.WORK or owner == step.STEP_ID):
                if why := self.workspace.navigation.hindrance(index, self.workspace.session):
                    self.notify(why, severity="warning", markup=False)
                else:
                    self.workspace.navigation.open(step)

    def exit(
        self,
        result: int | None = None,
        return_code: int = 0,
        message: RenderableType | None = None,
    ) -> None:
        """Leave; work that waits for its turn does not begin any more."""
        self.workspace.jobs.close()
        super().exit(result, return_code, message)

    def _monitor_closed(self, answer: str | None) -> None:
        if answer == "more":
            self.workspace.monitor.more()
        else:
            self.workspace.monitor.show("panel")

    def action_themes(self) -> None:
        """Choose a theme; each is shown while it is highlighted."""
        if isinstance(self.screen, StepScreen):
            from firstlight_tui.modals.palette_rows import open_themes

            open_themes(self, self.workspace, self.preferences, self._themes)

    def action_command_palette(self) -> None:
        """Show everything that can be done now."""
        if isinstance(self.screen, StepScreen):
            from firstlight_tui.modals.palette_rows import open_palette

            open_palette(
                self,
                self.workspace,
                self.preferences,
                self._themes,
                show_runs=self.show_runs,
            )

    def action_jump(self) -> None:
        """Show a letter on everything that can have the focus."""
        if isinstance(self.screen, StepScreen):
            from firstlight_tui.modals.jump import jump

            jump(self.screen)

    def action_runs(self) -> None:
        """Show the earlier runs."""
        self.show_runs()

    def show_runs(self, id: str | None = None) -> None:
        """Show the earlier runs, one of them highlighted."""
        if isinstance(self.screen, StepScreen):
            from firstlight_tui.modals.runs import RunsScreen

            # A wizard that was opened on an artifact begins to remember with the run that it goes on with.
            self.push_screen(
                RunsScreen(self.workspace, lambda: self.memory or self._remember(), first=id)
            )

    def _remember(self) -> RunMemory:
        self.memory = RunMemory(self.workspace)
        return self.memory
