"""A scrollbar with an empty cell before it, so that no text touches it."""

from rich.color import Color
from rich.segment import Segment, Segments
from textual.scrollbar import ScrollBar, ScrollBarRender

_BACK, _BAR = Color.parse("#555555"), Color.parse("bright_magenta")
"""Textual's own defaults."""


class GappedBar(ScrollBarRender):
    """Leaves the first cell of an upright bar of two cells or more empty; a bar of one cell is Textual's own."""

    @classmethod
    def render_bar(
        cls,
        size: int = 25,
        virtual_size: float = 50,
        window_size: float = 20,
        position: float = 0,
        thickness: int = 1,
        vertical: bool = True,
        back_color: Color = _BACK,
        bar_color: Color = _BAR,
    ) -> Segments:
        """Return the bar, line by line."""
        gap = int(vertical and thickness > 1)
        bar = super().render_bar(
            size,
            virtual_size,
            window_size,
            position,
            thickness - gap,
            vertical,
            back_color,
            bar_color,
        )
        if not gap:
            return bar
        lines = [(Segment(" " * gap), part, Segment.line()) for part in bar.segments]
        return Segments([segment for line in lines for segment in line])


def install() -> None:
    """Let every scrollbar of two cells leave the first one empty."""
    ScrollBar.renderer = GappedBar
