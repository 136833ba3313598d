"""A conversation on the screen: plain text while it streams, Markdown when an answer is complete."""

from collections.abc import Callable, Sequence
from functools import partial

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Markdown

from firstlight_core.talk.transcript import Turn
from firstlight_core.text import visible
from firstlight_tui.widgets.words import Words, part

SHOWN_CHARACTERS = 8_000
"""Of one message; a longer one shows its end, so that an endless answer does not slow the screen."""


class Message(Vertical):
    """One turn."""

    DEFAULT_CSS = """
    Message { height: auto; margin-bottom: 1; padding: 0 1; border-left: thick $panel-lighten-2; }
    Message.-user { border-left: thick $secondary; }
    Message.-assistant { border-left: thick $primary; }
    Message Markdown { height: auto; padding: 0; margin: 0; background: transparent; display: none; }
    Message Markdown MarkdownParagraph { margin: 0; }
    Message.-rich Markdown { display: block; }
    Message.-rich #said { display: none; }
    Message #figures { color: $foreground-muted; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._painted: tuple[str, str, bool, int | None] | None = None
        self._rich_text = ""
        self._composed = False
        self._pending: Callable[[], None] | None = None
        """What to paint as soon as the parts are there."""

    def on_mount(self) -> None:
        self._composed = True
        if self._pending is not None:
            self._pending()

    def compose(self) -> ComposeResult:
        yield Words(id="said")
        yield Markdown(open_links=False)
        yield Words(id="figures")

    def show(
        self, turn: Turn, figures: str, *, live: bool, rich: bool, differs_at: int | None
    ) -> None:
        """Paint the turn; `differs_at` is the token from which it departs from the lane beside it."""
        if not self._composed:
            self._pending = partial(
                self.show, turn, figures, live=live, rich=rich, differs_at=differs_at
            )
            return
        self.set_class(turn.role == "user", "-user")
        self.set_class(turn.role == "assistant", "-assistant")
        rich = rich and turn.role == "assistant" and not live and differs_at is None
        state = (turn.text, figures + str(turn.rating), live, differs_at)
        if state != self._painted:
            self._painted = state
            said = (
                _differing(turn, differs_at) if differs_at is not None else _plain(turn.text, live)
            )
            self.query_one("#said", Words).update(said)
            stars = "  " + "★" * turn.rating + "☆" * (5 - turn.rating) if turn.rating else ""
            words = self.query_one("#figures", Words)
            words.display = bool(figures or stars)
            words.update(Content.assemble(part(figures), part(stars, "$text-warning")))
        if rich and turn.text != self._rich_text:
            self._rich_text = turn.text
            self.query_one(Markdown).update(visible(turn.text))
        self.set_class(rich and bool(turn.text), "-rich")


def _plain(text: str, live: bool) -> Content:
    said = visible(text)
    if len(said) > SHOWN_CHARACTERS:
        said = "… " + said[-SHOWN_CHARACTERS:]
    return Content.assemble(part(said), part("▌" if live else "", "$primary"))


def _differing(turn: Turn, at: int) -> Content:
    """The same words plainly, the first differing token in reverse, what follows in the warning colour."""
    same, token, rest = turn.pieces[:at], turn.pieces[at : at + 1], turn.pieces[at + 1 :]
    return Content.assemble(
        part("".join(same)),
        part("".join(token) or "(ends here)", "bold reverse $text-warning"),
        part("".join(rest)[-SHOWN_CHARACTERS:], "$text-warning"),
    )


class Transcript(VerticalScroll):
    """All turns of one lane; follows the newest one while the reader is at the end."""

    DEFAULT_CSS = """
    Transcript { height: 1fr; width: 1fr; scrollbar-size-vertical: 1; background: $surface; padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._messages: list[Message] = []
        """The messages in use; one that was removed can still be found for a moment, without its parts."""

    def on_mount(self) -> None:
        # Stay at the end while it grows, until the reader scrolls up.
        self.anchor()

    def show(
        self,
        turns: Sequence[Turn],
        figures: Sequence[str],
        *,
        live: bool,
        rich: bool = True,
        differs_at: int | None = None,
    ) -> None:
        """Paint all turns; `live` shows a cursor at the newest."""
        for extra in self._messages[len(turns) :]:
            extra.remove()
        missing = [Message() for _ in turns[len(self._messages) :]]
        self._messages = [*self._messages[: len(turns)], *missing]
        self.mount_all(missing)
        for index, message in enumerate(self._messages):
            last = index == len(turns) - 1
            message.show(
                turns[index],
                figures[index],
                live=live and last,
                rich=rich,
                differs_at=differs_at if last else None,
            )
