"""A conversation on the screen: plain text while it streams, Markdown when an answer is complete."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from textual import message
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Markdown

from firstlight_core.inference.transcript import Parting, Turn
from firstlight_core.text import visible
from firstlight_tui.widgets.words import Words, part

LIVE_CHARACTERS = 4_000
"""Characters shown of an unfinished answer; a longer one shows its end, so that every token costs the same."""
RICH_CHARACTERS = 8_000
"""Longer answers stay plain text: Markdown would hold the screen for too long."""
SHOWN_CHARACTERS = 100_000
"""Characters shown of a complete message: 50 ms of layout."""


class Message(Vertical):
    """One turn."""

    DEFAULT_CSS = """
    Message { height: auto; margin-bottom: 1; padding: 0 1; border-left: thick $border-blurred; }
    Message.-user { border-left: thick $secondary; }
    Message.-assistant { border-left: thick $primary; }
    Message #said, Message Markdown, Message #figures { max-width: 100; }
    Message Markdown { height: auto; padding: 0; margin: 0; background: transparent; display: none; }
    Message Markdown MarkdownParagraph { margin: 0; }
    Message.-rich Markdown { display: block; }
    Message.-rich #said { display: none; }
    Message #figures { color: $foreground-muted; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._turn: Turn | None = None
        self._painted: tuple[object, ...] = ()
        self._rich_text = ""
        self._composed = False
        self._filled: int | None = None
        self._pending: Callable[[], None] | None = None
        """The view to paint as soon as the parts exist."""

    def on_mount(self) -> None:
        self._composed = True
        if self._pending is not None:
            self._pending()

    def drop(self) -> None:
        """Go, without painting what still waits for the parts: they go first."""
        self._pending = None
        self.remove()

    @property
    def natural_height(self) -> int:
        """The lines that its parts take."""
        return sum(child.outer_size.height for child in self.children if child.display)

    def fill(self, height: int | None) -> None:
        """Take at least so many lines; None: as many as its parts take."""
        if height != self._filled:
            self._filled = height
            self.styles.min_height = height

    def compose(self) -> ComposeResult:
        yield Words(id="said")
        yield Markdown(open_links=False, parser_factory=_parser)
        yield Words(id="figures")

    def show(
        self,
        turn: Turn,
        figures: Callable[[Turn], str],
        *,
        live: bool,
        rich: bool,
        differs: Parting | None,
    ) -> None:
        """Paint the turn, when anything of it changed; `differs` is where it departs from the lane beside it."""
        if not self._composed:
            self._pending = partial(self.show, turn, figures, live=live, rich=rich, differs=differs)
            return
        self.set_class(turn.role == "user", "-user")
        self.set_class(turn.role == "assistant", "-assistant")
        rich = rich and turn.role == "assistant" and not live and differs is None
        rich = rich and 0 < len(turn.text) <= RICH_CHARACTERS
        # Lengths, not texts: a turn only grows, and comparing long ones would cost more and more.
        grown = (len(turn.pieces), len(turn.text), turn.rating, len(turn.stats), live, differs)
        if turn is not self._turn or grown != self._painted:
            self._turn, self._painted = turn, grown
            content = _differing(turn.text, differs) if differs is not None else _plain(turn, live)
            self.query_one("#said", Words).update(content)
            stars = "  " + "★" * turn.rating + "☆" * (5 - turn.rating) if turn.rating else ""
            cost = figures(turn)
            words = self.query_one("#figures", Words)
            words.display = bool(cost or stars)
            words.update(Content.assemble(part(cost), part(stars, "$text-warning")))
        if rich and turn.text != self._rich_text:
            self._rich_text = turn.text
            self.query_one(Markdown).update(visible(turn.text))
        self.set_class(rich, "-rich")


def _parser() -> MarkdownIt:
    """Markdown that hides nothing of an answer: HTML and link definitions stay text, line breaks stay."""
    parser = MarkdownIt("gfm-like", {"html": False}).disable("reference")
    parser.core.ruler.push("line_breaks", _keep_line_breaks)
    return parser


def _keep_line_breaks(state: StateCore) -> None:
    for token in state.tokens:
        for child in token.children or ():
            if child.type == "softbreak":
                child.type = "hardbreak"


def _plain(turn: Turn, live: bool) -> Content:
    limit = LIVE_CHARACTERS if live else SHOWN_CHARACTERS
    ending = turn.end_of_text(limit)
    cut = len(ending) >= limit
    return Content.assemble(
        part("… " if cut else "", "$foreground-muted"),
        part(ending[-limit:]),
        part("▌" if live else "", "$primary"),
    )


def _differing(text: str, at: Parting) -> Content:
    """Return the same words plainly, what differs first in reverse, what follows in the warning colour."""
    return Content.assemble(
        part(text[max(0, at.start - SHOWN_CHARACTERS) : at.start]),
        part(text[at.start : at.end] or "(ends here)", "bold reverse $text-warning"),
        part(text[at.end : at.end + SHOWN_CHARACTERS], "$text-warning"),
    )


class Transcript(VerticalScroll):
    """All turns of one lane; follows the newest one while the reader is at the end."""

    DEFAULT_CSS = """
    Transcript { height: 1fr; width: 1fr; scrollbar-size-vertical: 1; background: $surface; padding: 0 1; }
    """

    @dataclass
    class Scrolled(message.Message):
        """The reader went to another place: so many rows into which message, or to the end."""

        transcript: "Transcript"
        index: int
        rows: int
        at_end: bool

    def __init__(self) -> None:
        super().__init__()
        self._messages: list[Message] = []
        """The messages in use; one that was removed can still be found for a moment, without its parts."""
        self._led = False
        """Whether another transcript moves this one."""

    @property
    def messages(self) -> list[Message]:
        """The turns in their order."""
        return self._messages

    def on_mount(self) -> None:
        # Stay at the end while it grows, until the reader scrolls up.
        self.anchor()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Tell the others where the reader is."""
        super().watch_scroll_y(old_value, new_value)
        if self._led or round(old_value) == round(new_value) or not self._messages:
            return
        top = round(new_value)
        ends = [turn_view.virtual_region.bottom for turn_view in self._messages]
        index = next((i for i, end in enumerate(ends) if end > top), len(ends) - 1)
        rows = top - self._messages[index].virtual_region.y
        # A short conversation that is scrolled to its end starts at the top.
        at_end = top < 0 or top >= self.max_scroll_y
        self.post_message(self.Scrolled(self, index, rows, at_end))

    def follow(self, moved: Scrolled) -> None:
        """Go to the same place as another transcript."""
        if not self._messages:
            return
        self._led = True
        if moved.at_end:
            self.anchor()
        else:
            region = self._messages[min(moved.index, len(self._messages) - 1)].virtual_region
            self.release_anchor()
            row = region.y + min(moved.rows, max(0, region.height - 1))
            self.scroll_to(y=row, animate=False, immediate=True, force=True)
        self._led = False

    def show(
        self,
        turns: Sequence[Turn],
        figures: Callable[[Turn], str],
        *,
        live: bool,
        rich: bool = True,
        differs: Parting | None = None,
    ) -> None:
        """Paint all turns; `live` shows a cursor at the newest, `figures` says what an answer cost."""
        for extra in self._messages[len(turns) :]:
            extra.drop()
        missing = [Message() for _ in turns[len(self._messages) :]]
        self._messages = [*self._messages[: len(turns)], *missing]
        if missing:
            self.mount_all(missing)
        for index, painted in enumerate(self._messages):
            last = index == len(turns) - 1
            painted.show(
                turns[index],
                figures,
                live=live and last,
                rich=rich,
                differs=differs if last else None,
            )
