"""A conversation on the screen: plain text while it streams, figures under each answer."""

from collections.abc import Sequence
from typing import Protocol

from textual.containers import VerticalScroll
from textual.content import Content

from firstlight_core.text import visible
from firstlight_tui.widgets.words import Words, part

SHOWN_CHARACTERS = 20_000
"""Of one message; a longer one shows its end, so that an endless answer does not slow the screen."""


class Said(Protocol):
    """What the transcript needs of a turn."""

    role: str
    text: str
    rating: int


class Message(Words):
    """One turn."""

    DEFAULT_CSS = """
    Message { height: auto; margin-bottom: 1; padding: 0 1; border-left: thick $panel-lighten-2; }
    Message.-user { border-left: thick $secondary; }
    Message.-assistant { border-left: thick $primary; }
    """

    def show(self, turn: Said, figures: str, *, cursor: bool) -> None:
        """Paint the turn."""
        self.set_class(turn.role == "user", "-user")
        self.set_class(turn.role == "assistant", "-assistant")
        text = visible(turn.text)
        if len(text) > SHOWN_CHARACTERS:
            text = "… " + text[-SHOWN_CHARACTERS:]
        pieces = [part(text)]
        if cursor:
            pieces.append(part("▌", "$primary"))
        if figures:
            pieces.append(part(f"\n{figures}", "$foreground-muted"))
        if turn.rating:
            pieces.append(part("  " + "★" * turn.rating + "☆" * (5 - turn.rating), "$text-warning"))
        self.update(Content.assemble(*pieces))


class Transcript(VerticalScroll):
    """All turns; follows the newest one while the reader is at the end."""

    DEFAULT_CSS = """
    Transcript { height: 1fr; scrollbar-size-vertical: 1; background: $surface; padding: 1 1 0 1; }
    """

    def show(self, turns: Sequence[Said], figures: Sequence[str], *, live: bool) -> None:
        """Paint all turns; `live` shows a cursor at the newest."""
        messages = list(self.query(Message))
        at_end = self.scroll_offset.y >= self.max_scroll_y - 1
        for extra in messages[len(turns) :]:
            extra.remove()
        for index, (turn, words) in enumerate(zip(turns, figures, strict=True)):
            cursor = live and index == len(turns) - 1
            if index < len(messages):
                if index >= len(turns) - 2 or not live:
                    messages[index].show(turn, words, cursor=cursor)
            else:
                message = Message()
                self.mount(message)
                message.show(turn, words, cursor=cursor)
        if at_end:
            self.scroll_end(animate=False)
