"""Acts that every step has, by key or from the palette. Each dialog is imported when it opens."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType

from firstlight_tui.state.job_list import STEPS_OF_OTHERS
from firstlight_tui.state.run_memory import RunMemory
from firstlight_tui.state.workspace import Workspace
from firstlight_tui.steps import WizardStep
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.terminal.app import TerminalApp
from firstlight_tui.terminal.preferences import Preferences

if TYPE_CHECKING:
    from firstlight_tui.modals import ConfirmScreen


class WizardActs(TerminalApp):
    """The acts that every step has; `WizardApp` gives them what they work on."""

    workspace: Workspace
    preferences: Preferences
    steps: Sequence[WizardStep]
    memory: RunMemory | None
    theme_names: Sequence[str]
    _leave_question: "ConfirmScreen | None" = None

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

    def action_help_quit(self) -> None:
        """Say how to leave: Ctrl+C copies what is marked, and elsewhere many expect that it ends a program."""
        for active in self.active_bindings.values():
            if active.binding.action == "quit":
                key = self.get_key_display(active.binding)
                self.notify(f"{key} leaves Firstlight.", markup=False)
                return

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
            self.push_screen(
                SettingsScreen(self.preferences, self.workspace.paths, self.theme_names)
            )

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
        if not name:
            return
        owner = STEPS_OF_OTHERS.get(name, "")
        for index, step in enumerate(self.steps):
            if name == step.WORK or owner == step.STEP_ID:
                why = self.workspace.navigation.jump(index, self.workspace.session)
                if why:
                    self.notify(why, severity="warning", markup=False)

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

            open_themes(self, self.workspace, self.preferences, self.theme_names)

    def action_command_palette(self) -> None:
        """Show everything that can be done now."""
        if isinstance(self.screen, StepScreen):
            from firstlight_tui.modals.palette_rows import open_palette

            open_palette(
                self,
                self.workspace,
                self.preferences,
                self.theme_names,
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
