"""Lines of a screen that lies below a dialog, in its tint.

Textual 8 works out the colour of every piece of text anew for each painting of a dialog: 5 ms of a whole terminal, and
twenty times a second over an answer that is being made.
"""

from functools import lru_cache

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.renderables.background_screen import BackgroundScreen
from textual.strip import Strip


def tinted(strip: Strip, tint: Color, under: Style) -> Strip:
    """Return a line in a tint, without links; `under` is the style of what has none of its own."""
    segments = [Segment(text, _tinted(style, tint, under)) for text, style, _ in strip]
    return Strip(segments, strip.cell_length)


@lru_cache(4_096)
def _tinted(style: Style | None, tint: Color, under: Style) -> Style:
    (segment,) = BackgroundScreen.process_segments([Segment(" ", style)], tint)
    return under + segment.style
