"""Foundry Local's own tools on the deploy step: the doctor, its command line, and its cache put back."""

import asyncio
from functools import partial

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message

from firstlight_core.errors import FirstlightError
from firstlight_core.text import shown_path
from firstlight_core.workflow.services import Services
from firstlight_tui.modals import DetailScreen
from firstlight_tui.steps.deploy.doctor_text import examination_words
from firstlight_tui.steps.deploy.foundry_cli_screen import CliScreen
from firstlight_tui.terminal.app import workspace_of
from firstlight_tui.terminal.workers import begin
from firstlight_tui.widgets.words import Words, part


class FoundryTools(Vertical):
    """Opens the tools; shows one line while the foundry command's cache stands where Firstlight moved it."""

    DEFAULT_CSS = """
    FoundryTools { height: auto; }
    FoundryTools #moved { height: auto; }
    """

    class Failed(Message):
        """One of the tools reported an error."""

        def __init__(self, error: FirstlightError) -> None:
            super().__init__()
            self.error = error

    def compose(self) -> ComposeResult:
        yield (moved := Words(id="moved"))
        moved.display = False

    def on_mount(self) -> None:
        """Look where the cache stands."""
        self.look()

    @property
    def _services(self) -> Services:
        return workspace_of(self).services

    def look(self) -> None:
        """Find out again where the foundry command's cache stands; its screen may have moved it."""
        begin(self, self._look_at_cache, group="cache")

    async def _look_at_cache(self) -> None:
        change = await asyncio.to_thread(self._services.read_cache_change)
        for words in self.query("#moved").results(Words):
            words.display = change is not None
            if change is not None:
                warning = f"! The foundry command's cache was moved from {shown_path(change.before)}: F5 puts it back."
                words.update(Content.assemble(part(warning, "$text-warning")))

    def examine(self, cache: str) -> None:
        """Look at a cache as Foundry Local's cores do, and show what they find."""
        self.notify("Asking Foundry Local …", timeout=1.5, markup=False)
        begin(self, partial(self._examine, cache), group="doctor")

    async def _examine(self, cache: str) -> None:
        try:
            document = await self._services.examine(cache=cache)
        except FirstlightError as error:
            self.post_message(self.Failed(error))
            return
        if self.app.screen is self.screen:
            title = "What Foundry Local finds"
            self.app.push_screen(DetailScreen(title, examination_words(document)))

    def open_cli(self, name: str, cache: str) -> None:
        """Show the commands of the foundry command that is installed, for a model name and a cache."""
        self.app.push_screen(CliScreen(self._services, name, cache))

    def put_back(self) -> None:
        """Put the foundry command's cache back to where it was before Firstlight moved it."""
        self.notify("Asking the foundry command …", timeout=1.5, markup=False)
        begin(self, self._put_back, group="put-back")

    async def _put_back(self) -> None:
        try:
            done = await self._services.put_cache_back()
        except FirstlightError as error:
            self.post_message(self.Failed(error))
        else:
            await self._look_at_cache()
            self.notify(f"The cache is at {shown_path(done['now'])} again.", markup=False)
