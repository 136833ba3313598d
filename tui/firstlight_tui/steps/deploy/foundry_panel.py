"""Foundry Local's own tools from the deploy step: the doctor, its command line, its cache put back; and what can be copied."""

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from textual import events, on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Button

from firstlight_core.errors import FirstlightError
from firstlight_core.text import one_line, shown_path
from firstlight_tui.modals import DetailScreen
from firstlight_tui.steps.deploy.doctor_text import examination_words
from firstlight_tui.steps.deploy.form import Choice
from firstlight_tui.steps.deploy.foundry_cli_screen import CliScreen
from firstlight_tui.steps.deploy.outcome import command_rows
from firstlight_tui.steps.deploy.service_panel import SERVE, ServingStep
from firstlight_tui.steps.template.presets import PresetScreen
from firstlight_tui.terminal.workers import begin
from firstlight_tui.widgets.words import Words, part


class FoundryStep(ServingStep):
    """A step with the doctor (F3), the foundry command (F4), and its cache put back (F5)."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "f6",
            "copy",
            "Copy",
            id="deploy.copy",
            show=False,
            tooltip="Copy a command or a snippet",
        ),
        Binding(
            "f3",
            "doctor",
            "Doctor",
            id="deploy.doctor",
            tooltip="What Foundry Local finds in the cache, and why not the rest",
        ),
        Binding(
            "f4",
            "cli",
            "CLI",
            id="deploy.cli",
            tooltip="The commands of the foundry command, copied or run here",
        ),
        Binding(
            "f5",
            "put_back",
            "Put back",
            id="deploy.put-back",
            show=False,
            tooltip="Put the foundry command's cache back to where it was",
        ),
    ]

    @property
    def choice(self) -> Choice:
        """What is chosen now; override me."""
        raise NotImplementedError

    def opened(self) -> None:
        super().opened()
        begin(self, self._look_at_cache, group="cache")

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """Back from the foundry command's screen, which may have moved the cache."""
        if self.query("#moved"):
            begin(self, self._look_at_cache, group="cache")

    async def _look_at_cache(self) -> None:
        """Whether Firstlight has moved the foundry command's cache and not put it back."""
        change = await asyncio.to_thread(self.workspace.services.read_cache_change)
        if not self.query("#moved"):
            return
        words = self.query_one("#moved", Words)
        words.display = change is not None
        if change is not None:
            warning = f"! The foundry command's cache was moved from {shown_path(change.before)}: F5 puts it back."
            words.update(Content.assemble(part(warning, "$text-warning")))

    @on(Button.Pressed, "#deploy-doctor")
    def action_doctor(self) -> None:
        """Look at the chosen cache as Foundry Local's cores do."""
        self.notify("Asking Foundry Local …", timeout=1.5, markup=False)
        begin(self, self._examine, group="doctor")

    async def _examine(self) -> None:
        try:
            document = await self.workspace.services.examine(cache=self.choice.cache)
        except FirstlightError as error:
            self.show_problem(error)
            return
        if self.app.screen is self:
            title = "What Foundry Local finds"
            self.app.push_screen(DetailScreen(title, examination_words(document)))

    @on(Button.Pressed, "#deploy-cli")
    def action_cli(self) -> None:
        """Show the commands of the foundry command that is installed."""
        choice = self.choice
        screen = CliScreen(self.workspace.services, choice.name or "NAME", choice.cache)
        self.app.push_screen(screen)

    def action_put_back(self) -> None:
        """Put the foundry command's cache back to where it was before Firstlight moved it."""
        self.notify("Asking the foundry command …", timeout=1.5, markup=False)
        begin(self, self._put_back, group="put-back")

    async def _put_back(self) -> None:
        try:
            done = await self.workspace.services.put_cache_back()
        except FirstlightError as error:
            self.show_problem(error)
        else:
            await self._look_at_cache()
            self.notify(f"The cache is at {shown_path(done['now'])} again.", markup=False)

    @on(Button.Pressed, "#deploy-copy")
    def action_copy(self) -> None:
        """Choose a snippet of the service, or a command of the deployment, and copy it."""
        served: Mapping[str, Any] = self.workspace.kept.get(SERVE) or {}
        snippets = dict(served.get("snippets") or {})
        rows = [(f"snippet:{key}", key.replace("_", " "), text) for key, text in snippets.items()]
        commands = command_rows(self.session.deployment)
        rows += [(f"command:{key}", command, does) for key, command, does in commands]
        if not rows:
            self.notify("Deploy or serve first; then there is something to copy.", markup=False)
            return
        texts = {f"snippet:{key}": text for key, text in snippets.items()}
        texts |= {f"command:{key}": command for key, command, _ in commands}

        def copy_row(key: str | None) -> None:
            if key is not None:
                self.app.copy_to_clipboard(texts[key])
                self.notify(f"Copied: {one_line(texts[key], 60)}", markup=False)

        self.app.push_screen(PresetScreen("Copy what?", rows), copy_row)
