"""One line of a table's cell, without the layouts of a text of any shape: half of what a table costs to paint."""

from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

_ASKS_FOR_MORE = frozenset("\n\t\r")


def is_one_line(text: Text) -> bool:
    """Check that the text is one line, at the left or the right of its cell, and ends in an ellipsis where it is cut."""
    return (
        text.no_wrap is True
        and text.overflow == "ellipsis"
        and text.justify in ("left", "right")
        and _ASKS_FOR_MORE.isdisjoint(text.plain)
    )


def cell_line(
    text: Text, width: int, padding: int, before: Style, after: Style, console: Console
) -> list[Segment]:
    """Return the segments of one line, `width` cells with `padding` at both ends.

    `before` lies under the styles of the text, `after` above them.
    """
    room = width - 2 * padding
    shown = text.copy()
    shown.rstrip()
    shown.truncate(room, overflow="ellipsis", pad=text.justify == "left")
    shown.pad_left(max(0, room - shown.cell_len))
    own = before + console.get_style(shown.style, default=Style.null())
    segments = list(Segment.apply_style(shown.render(console), own, after))
    ends = [Segment(" " * padding, before + after)] if padding else []
    return [*ends, *segments, *ends]
