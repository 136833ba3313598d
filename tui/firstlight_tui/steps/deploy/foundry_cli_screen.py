"""The commands of the `foundry` command that is installed: copied, or run here with their output live."""

import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.css.query import NoMatches
from textual.widgets import OptionList, RichLog
from textual.widgets.option_list import Option

from firstlight_core.errors import FirstlightError
from firstlight_core.process.events import Event, LogLine
from firstlight_core.text import one_line, seconds_text, shown_path, visible
from firstlight_core.workflow.services import Services
from firstlight_tui.modals import ConfirmScreen
from firstlight_tui.modals.cancel_work import ASK_AFTER_SECONDS, DEAF_SECONDS
from firstlight_tui.terminal.workers import begin
from firstlight_tui.widgets.screens import Page
from firstlight_tui.widgets.words import Words, part

if TYPE_CHECKING:
    from firstlight_core.foundry.cli import CliCommand
    from firstlight_core.foundry.visibility import FoundryOffer

PUT_BACK = "put-back"
Command = Callable[..., Awaitable[Mapping[str, Any]]]


class CliScreen(Page[None]):
    """Enter runs the marked command; leaving the screen ends one that runs."""

    CSS = """
    CliScreen OptionList { height: auto; max-height: 10; border: none; padding: 0; background: $surface; }
    CliScreen OptionList:focus { border: none; }
    CliScreen RichLog { height: 1fr; background: $panel; margin-top: 1; scrollbar-size-vertical: 1; }
    CliScreen Words { height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Close", id="cli.close", tooltip="Stop the command, or close"),
        Binding("c", "copy", "Copy", id="cli.copy", tooltip="Copy the marked command"),
    ]

    def __init__(self, services: Services, name: str, cache: str) -> None:
        super().__init__()
        self._services, self._model, self._cache_id = services, name, cache
        self._commands: dict[str, CliCommand] = {}
        self._offer: FoundryOffer | None = None
        self._working = False
        self._begun = 0.0

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content("The foundry command")
            box.border_subtitle = Content("Enter runs · c copies · Esc stops or closes")
            yield Words("Looking for it …", id="cli-words")
            yield OptionList(id="cli-commands", markup=False)
            yield RichLog(
                id="cli-output", max_lines=2_000, wrap=True, markup=False, highlight=False
            )

    def on_mount(self) -> None:
        begin(self, self._look, group="look")

    async def _look(self) -> None:
        """Ask again what is installed and where its cache is."""
        offer = await self._services.offer_commands(self._model, cache=self._cache_id)
        # It may be closed meanwhile, and its parts go one by one.
        with contextlib.suppress(NoMatches):
            self._paint(offer)

    def _paint(self, offer: "FoundryOffer") -> None:
        listed = self.query_one(OptionList)
        self.query_one("#cli-words", Words).update(_offer_words(offer))
        self._offer = offer
        self._commands = {f"command-{i}": command for i, command in enumerate(offer.commands)}
        rows = [
            Option(Content.assemble(part(c.line, "bold"), part(f"\n  {c.does}")), id=key)
            for key, c in self._commands.items()
        ]
        if offer.moved is not None and offer.cli is not None:
            back = f"foundry cache cd {shown_path(offer.moved.before)}"
            does = "\n  put its cache back to where it was"
            rows.append(Option(Content.assemble(part(back, "bold"), part(does)), id=PUT_BACK))
        marked = listed.highlighted
        listed.set_options(rows)
        listed.highlighted = min(marked or 0, len(rows) - 1)
        listed.focus()

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        offer, key = self._offer, str(event.option.id)
        if offer is None or self._working:
            return
        if key == PUT_BACK:
            self._begin(self._services.put_cache_back)
            return
        command = self._commands[key]
        if offer.cli is None or not command.ends:
            self._say(
                "It is not run here: copied."
                if offer.cli
                else "There is no such command here: copied."
            )
            self.app.copy_to_clipboard(command.line)
        elif command.moves_cache:
            folder = Path(command.arguments[-1])
            if offer.cache_root is None:
                old = "a place that it does not tell, so that it could not be put back"
            else:
                old = shown_path(offer.cache_root)
            question = (
                f"This moves the cache of every model of the foundry command, from {old} to {shown_path(folder)}. "
                "The old place is written down; F5 on the step puts it back, also after a restart."
            )
            move = partial(self._services.move_cache, folder)
            self.app.push_screen(
                ConfirmScreen(question, yes="Move it", no="Leave it"),
                lambda yes: self._begin(move) if yes else None,
            )
        else:
            self._begin(partial(self._services.run_foundry, command.arguments))

    def _begin(self, work: Command) -> None:
        self._working, self._begun = True, time.monotonic()
        self.query_one(RichLog).clear()
        begin(self, partial(self._run, work), group="cli")

    async def _run(self, work: Command) -> None:
        def hear(event: Event) -> None:
            if isinstance(event, LogLine):
                self._say(event.text)

        try:
            done = await work(on_event=hear)
            self._say(f"Done in {seconds_text(done['seconds'])}.", "bold")
        except FirstlightError as error:
            self._say(f"✗ {error.with_hint}", "bold")
        finally:
            self._working = False
        await self._look()

    def _say(self, text: str, style: str = "") -> None:
        with contextlib.suppress(NoMatches):
            self.query_one(RichLog).write(Text(visible(text), style=style))

    def action_leave(self) -> None:
        """Stop what runs; with nothing running, close."""
        if not self._working:
            self.dismiss(None)
            return
        seconds = time.monotonic() - self._begun
        if seconds >= ASK_AFTER_SECONDS:
            question = f"The command has been running for {seconds_text(seconds)}. Stop it?"
            self.app.push_screen(
                ConfirmScreen(question, yes="Stop it", no="Let it run"),
                lambda yes: self._stop() if yes else None,
            )
        elif seconds >= DEAF_SECONDS:
            self._stop()

    def _stop(self) -> None:
        if self._working:
            self.workers.cancel_group(self, "cli")
            self._say("Stopped.", "bold")

    def action_copy(self) -> None:
        """Put the marked command on the clipboard."""
        option = self.query_one(OptionList).highlighted_option
        if option is not None and (text := str(option.prompt).partition("\n")[0]):
            self.app.copy_to_clipboard(text)
            self.notify(f"Copied: {one_line(text, 60)}", markup=False)


def _offer_words(offer: "FoundryOffer") -> Content:
    if offer.cli is None:
        return Content.assemble(
            part("There is none on this machine; Firstlight does not need it. "),
            part("For another machine, these can be copied:", "$foreground-muted"),
        )
    folder = shown_path(offer.cache_root) if offer.cache_root is not None else "unknown"
    lines = [
        Content.assemble(
            part(f"version {offer.cli.version or 'unknown'}", "bold"),
            part(f"  its cache: {folder}"),
        )
    ]
    if offer.moved is not None:
        moved = f"Firstlight has moved it from {shown_path(offer.moved.before)}."
        lines.append(Content.assemble(part(moved, "$text-warning")))
    return Content("\n").join(lines)
