"""The multi-line field of the chat: Enter sends, Ctrl+J starts a new line, up and down recall earlier questions."""

from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea

from firstlight_core.text import visible

PASTE_LIMIT = 200_000
"""Characters; a 1 MB line freezes a text area for seconds (SAFETY 1.5)."""


class Ask(TextArea):
    """Where a question is written."""

    DEFAULT_CSS = """
    Ask { height: auto; min-height: 1; max-height: 6; border: none; background: $panel; padding: 0 1; margin-top: 1; }
    Ask:focus { border: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "Send", id="ask.send", tooltip="Send the question"),
        Binding(
            "ctrl+j,shift+enter",
            "line",
            "New line",
            id="ask.line",
            show=False,
            tooltip="Start a new line",
        ),
    ]

    @dataclass
    class Submitted(Message):
        """The question is complete."""

        ask: "Ask"
        text: str

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(
            id=id, soft_wrap=True, show_line_numbers=False, tab_behavior="focus", compact=True
        )
        self.past: list[str] = []
        self.shortcuts: dict[str, str] = {}
        """Texts that one key sends while the field is empty."""
        self._at = 0
        self._draft = ""
        """The unsent text when an earlier question was recalled."""

    async def _on_key(self, event: events.Key) -> None:
        # A priority binding would overtake the letters that wait in this widget's queue.
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            self.action_submit()
        elif not self.text and event.key in self.shortcuts:
            event.stop()
            event.prevent_default()
            self.post_message(self.Submitted(self, self.shortcuts[event.key]))
        else:
            await super()._on_key(event)

    def take(self, event: events.Key) -> None:
        """A key that reached the screen instead of this field, in the order in which it was typed."""
        self.post_message(events.Key(event.key, event.character))

    def action_submit(self) -> None:
        """Send the text and empty the field at once, since more letters may be on their way."""
        text, self.text = self.text, ""
        self.post_message(self.Submitted(self, text))

    def action_line(self) -> None:
        """Start a new line."""
        self.insert("\n")

    def keep(self, text: str) -> None:
        """Remember a question."""
        if text.strip():
            self.past.append(text)
        self._at, self._draft = len(self.past), ""

    def give_back(self, text: str) -> None:
        """Put a text that could not be sent before the text that was written since."""
        self.text = text + self.text
        self.move_cursor(self.document.end)

    async def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        text = event.text
        if len(text) > PASTE_LIMIT:
            self.app.notify(
                f"The paste had {len(text):,} characters; the first {PASTE_LIMIT:,} were taken.",
                severity="warning",
                markup=False,
            )
            text = text[:PASTE_LIMIT]
        clean = visible(text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", ""))
        self.insert(clean)

    def action_cursor_up(self, select: bool = False) -> None:
        """One row up; from the first row, the question before."""
        first = self.navigator.is_first_wrapped_line(self.cursor_location)
        if first and not select and self._at > 0:
            self._go(self._at - 1)
        else:
            super().action_cursor_up(select)

    def action_cursor_down(self, select: bool = False) -> None:
        """One row down; from the last row, the question after."""
        last = self.navigator.is_last_wrapped_line(self.cursor_location)
        if last and not select and self._at < len(self.past):
            self._go(self._at + 1)
        else:
            super().action_cursor_down(select)

    def _go(self, at: int) -> None:
        """Show an earlier question, or behind the last one what was being written."""
        if self._at == len(self.past):
            self._draft = self.text
        self._at = at
        self.text = self.past[at] if at < len(self.past) else self._draft
        self.move_cursor(self.document.end)
