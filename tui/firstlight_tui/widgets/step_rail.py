"""Where we are among the steps: done, current, open, failed; a click opens a step."""

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

MARKS = {"done": "✓", "current": "▸", "open": "·", "failed": "✗", "running": "◐", "waiting": "○"}
STYLES = {
    "done": "$text-success",
    "current": "bold $text-primary",
    "open": "$foreground-muted",
    "failed": "bold $text-error",
    "running": "bold $text-accent",
    "waiting": "$text-accent",
}


@dataclass(frozen=True, slots=True)
class RailEntry:
    """One line of the rail."""

    title: str
    state: str


@dataclass
class StepChosen(Message):
    """The user clicked a step in the rail."""

    index: int


class RailItem(Static):
    """One clickable line."""

    def __init__(self, index: int) -> None:
        super().__init__(markup=False)
        self._index = index

    def show(self, entry: RailEntry) -> None:
        """Paint the entry."""
        number = f"{self._index + 1}"
        self.update(
            Content.assemble(
                (f"{MARKS[entry.state]} ", STYLES[entry.state]),
                (f"{number:>2} ", "$foreground-muted"),
                (entry.title, STYLES[entry.state]),
            )
        )

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.post_message(StepChosen(self._index))


class JobsBadge(Static):
    """How many jobs run and wait; a click shows them."""

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.call_later(self.run_action, "app.jobs")


class FoldedRail(Static):
    """The whole rail in one line: a mark for each step, and where we are; a click on a mark opens its step."""

    def __init__(self) -> None:
        super().__init__(id="folded", markup=False)
        self._steps = 0

    def show(self, entries: Sequence[RailEntry], badge: str) -> None:
        """Paint the marks, the number and title of the current step, and how many jobs there are."""
        self._steps = len(entries)
        pieces = [(MARKS[entry.state], STYLES[entry.state]) for entry in entries]
        for number, entry in enumerate(entries, start=1):
            if entry.state == "current":
                words = f"  {number}/{len(entries)} "
                pieces += [(words, "$foreground-muted"), (entry.title, STYLES["current"])]
        pieces.append((f"   {badge}" if badge else "", "bold $text-accent"))
        self.update(Content.assemble(*pieces))

    def on_click(self, event: events.Click) -> None:
        """Open the step of the mark that was clicked."""
        event.stop()
        if event.x < self._steps:
            self.post_message(StepChosen(event.x))


class StepRail(Vertical):
    """The list of steps; in a narrow terminal one line."""

    DEFAULT_CSS = """
    StepRail { background: $panel; padding: 1 1 0 1; }
    StepRail RailItem { height: 1; width: 1fr; }
    StepRail RailItem:hover { background: $boost; }
    StepRail #jobs-badge { height: 1; margin-top: 1; color: $text-accent; text-style: bold; }
    StepRail #jobs-badge:hover { background: $boost; }
    StepRail #brand { height: 2; color: $text-primary; text-style: bold; }
    StepRail #folded { height: 1; width: 1fr; display: none; }
    """

    def __init__(self, entries: Sequence[RailEntry], badge: str = "") -> None:
        super().__init__()
        self._badge = badge
        self._entries = entries
        self._shown: tuple[Sequence[RailEntry], str] = ((), "")

    def compose(self) -> ComposeResult:
        yield Static("◓ Firstlight", id="brand", markup=False)
        yield FoldedRail()
        for index in range(len(self._entries)):
            yield RailItem(index)
        yield JobsBadge(id="jobs-badge", markup=False)

    def on_mount(self) -> None:
        if self.app.is_running and self.is_attached:  # Else its parts are not made any more.
            self.show(self._entries, self._badge)

    def show(self, entries: Sequence[RailEntry], badge: str) -> None:
        """Paint the lines, when one of them has changed: running work asks for it ten times a second."""
        if (entries, badge) == self._shown:
            return
        self._shown = (entries, badge)
        self.query_one(JobsBadge).update(badge)
        self.query_one(FoldedRail).show(entries, badge)
        for item, entry in zip(self.query(RailItem), entries, strict=True):
            item.show(entry)
