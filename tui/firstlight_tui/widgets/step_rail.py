"""Where we are among the steps: done, current, open, failed; a click opens a step.

One widget that draws itself: a widget a line was a sixth of all that a step had to make and style.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

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


Line = Sequence[tuple[str, str]]
"""Pieces of text, each with its style."""
BRAND = ("◓ Firstlight", "bold $text-primary")
STEPS_AT = 2
"""Row of the first step; the name of the program stands above."""


class StepRail(Widget):
    """The list of steps and how many jobs there are; where it has a single row, all of it in one line."""

    DEFAULT_CSS = """
    StepRail { background: $panel; padding: 1 1 0 1; text-wrap: nowrap; text-overflow: clip; }
    """

    def __init__(self, entries: Sequence[RailEntry], badge: str = "") -> None:
        super().__init__()
        self._entries, self._badge = tuple(entries), badge
        self._hovered: int | None = None
        """Row under the mouse, if a click there does something."""

    @property
    def entries(self) -> Sequence[RailEntry]:
        """The lines that are shown."""
        return self._entries

    @property
    def badge(self) -> str:
        """Number of jobs that run and wait, as shown; empty when there are none."""
        return self._badge

    def show(self, entries: Sequence[RailEntry], badge: str) -> None:
        """Paint the lines, when one of them has changed: running work asks for it ten times a second."""
        if (tuple(entries), badge) != (self._entries, self._badge):
            self._entries, self._badge = tuple(entries), badge
            self.refresh()

    def render(self) -> Content:
        """Return the lines, or the one."""
        if self._is_folded:
            return Content.assemble(*_folded_line(self._entries, self._badge))
        blank = " " * self.size.width
        lines: list[Line] = [(BRAND,), ((blank, BRAND[1]),)]
        lines += [_step_line(number, entry) for number, entry in enumerate(self._entries, start=1)]
        lines += [((blank, "$foreground-muted"),), ((self._badge or blank, "bold $text-accent"),)]
        contents = [Content.assemble(*line) for line in lines]
        if (row := self._hovered) is not None and row < len(contents):
            contents[row] = contents[row].pad_right(self.size.width - contents[row].cell_length)
            contents[row] = contents[row].stylize_before("on $block-hover-background")
        return Content("\n").join(contents)

    @property
    def _is_folded(self) -> bool:
        return self.size.height == 1

    @property
    def badge_row(self) -> int:
        """Row of the jobs, below the steps."""
        return STEPS_AT + len(self._entries) + 1

    def _opens(self, row: int) -> bool:
        if row == self.badge_row:
            return bool(self._badge)
        return STEPS_AT <= row < STEPS_AT + len(self._entries)

    def _hover(self, row: int | None) -> None:
        if row != self._hovered:
            self._hovered = row
            self.refresh()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Show which line a click would open."""
        at = event.get_content_offset(self)
        opens = at is not None and not self._is_folded and self._opens(at.y)
        self._hover(at.y if opens and at is not None else None)

    def on_leave(self) -> None:
        """The mouse is elsewhere."""
        self._hover(None)

    def on_click(self, event: events.Click) -> None:
        """Open the step of the line, or of the mark, that was clicked; or show the jobs."""
        event.stop()
        if (at := event.get_content_offset(self)) is None:
            return
        step = at.x if self._is_folded else at.y - STEPS_AT
        if 0 <= step < len(self._entries):
            self.post_message(StepChosen(step))
        elif not self._is_folded and self._opens(at.y):
            self.call_later(self.run_action, "app.jobs")


def _step_line(number: int, entry: RailEntry) -> Line:
    style = STYLES[entry.state]
    return (
        (f"{MARKS[entry.state]} ", style),
        (f"{number:>2} ", "$foreground-muted"),
        (entry.title, style),
    )


def _folded_line(entries: Sequence[RailEntry], badge: str) -> Line:
    """A mark for each step, the number and title of the current one, and how many jobs there are."""
    pieces = [(MARKS[entry.state], STYLES[entry.state]) for entry in entries]
    for number, entry in enumerate(entries, start=1):
        if entry.state == "current":
            words = f"  {number}/{len(entries)} "
            pieces += [(words, "$foreground-muted"), (entry.title, STYLES["current"])]
    return [*pieces, (f"   {badge}" if badge else "", "bold $text-accent")]
