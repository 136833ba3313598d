"""A walk through the tokens of an answer: at each place, what else was likely."""

from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button

from firstlight_core.documents.inference import Alternative
from firstlight_core.errors import FirstlightError
from firstlight_core.inference.transcript import Turn
from firstlight_tui.widgets.charts.canvas import bar
from firstlight_tui.widgets.screens import Page
from firstlight_tui.widgets.token_view import walk_content
from firstlight_tui.widgets.words import Words, part

LEAST_BAR = 10
TEXT_ROOM = 30
"""Cells of a row that are not its bar: the chance, and the text of the token."""
BEFORE, AFTER = 60, 90
"""Tokens that are shown around the place; the walk costs the same in an answer of any length."""
LEAP = 10

Likely = Sequence[Alternative]
Ask = Callable[[int], Awaitable[Likely]]
"""The likeliest tokens at a place of the answer, likeliest first."""


class AlternativesScreen(Page[None]):
    """The arrow keys walk; the engine is asked for each place once."""

    DEFAULT_CSS = """
    AlternativesScreen #walk { height: 1fr; }
    AlternativesScreen #likely { height: 8; margin-top: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "Close", id="tokens.close", tooltip="Back to the chat"),
        Binding("left", "walk(-1)", "Back", id="tokens.back", tooltip="One token back"),
        Binding("right", "walk(1)", "On", id="tokens.on", tooltip="One token on"),
        Binding("up", f"walk(-{LEAP})", "Up", id="tokens.up", tooltip="Ten tokens back"),
        Binding("down", f"walk({LEAP})", "Down", id="tokens.down", tooltip="Ten tokens on"),
        Binding("home", "walk(-1000000)", "Start", id="tokens.start", tooltip="The first token"),
        Binding("end", "walk(1000000)", "End", id="tokens.end", tooltip="The last token"),
    ]

    def __init__(self, answer: Turn, ask: Ask) -> None:
        super().__init__()
        self._answer = answer
        self._ask = ask
        self._place = 0
        self._known: dict[int, Likely] = {}

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content("What else was likely")
            box.border_subtitle = Content("← → token by token · ↑ ↓ leap · Esc closes")
            yield Words(id="walk")
            yield Words(id="likely")
            with Horizontal(classes="dialog-buttons"):
                yield Button("◀", id="back", compact=True)
                yield Button("▶", id="on", compact=True)
                yield Button("Close", id="close", compact=True)

    def on_mount(self) -> None:
        self.action_walk(0)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "close":
            self.dismiss()
        else:
            self.action_walk(1 if event.button.id == "on" else -1)

    def action_walk(self, steps: int) -> None:
        """Go so many tokens on."""
        self._place = max(0, min(self._place + steps, len(self._answer.ids) - 1))
        self.query_one("#walk", Words).update(
            walk_content(self._answer.pieces, self._place, before=BEFORE, after=AFTER)
        )
        if self._place in self._known:
            self._show()
        else:
            self.run_worker(self._look(self._place), group="likely", exclusive=True)

    async def _look(self, index: int) -> None:
        try:
            self._known[index] = await self._ask(index)
        except FirstlightError as error:
            self.query_one("#likely", Words).update(error.with_hint)
        else:
            self._show()

    def _show(self) -> None:
        if (likely := self._known.get(self._place)) is None:
            return
        chosen = self._answer.ids[self._place]
        lines = [
            part(
                f"Token {self._place + 1} of {len(self._answer.ids)}, id {chosen}\n",
                "$foreground-muted",
            )
        ]
        longest = max(LEAST_BAR, self.query_one("#likely", Words).size.width - TEXT_ROOM)
        for row in likely:
            chance = row["probability"]
            mine = row["id"] == chosen
            lines += [
                part(f"\n{'▶' if mine else ' '} {chance:7.2%} ", "bold" if mine else ""),
                part(bar(chance, longest) or "▏", "$primary"),
                part(f" {row['text']!r}", "bold" if mine else ""),
            ]
        if chosen not in [row["id"] for row in likely]:
            lines.append(part("\n▶ the token that was drawn is not among them", "$text-warning"))
        self.query_one("#likely", Words).update(Content.assemble(*lines))
