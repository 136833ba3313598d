"""A text of several lines, wrapped as a whole and styled line by line as they are painted.

Textual 8 styles every line of a text before it paints the first one; most of a long one is out of sight.
"""

from bisect import bisect_right
from itertools import accumulate

from rich._wrap import divide_line
from textual.content import Content
from textual.css.styles import StylesBase
from textual.strip import Strip
from textual.widget import Widget


class LazyLines:
    """The lines of a text at one width."""

    def __init__(self, text: Content, width: int) -> None:
        self.text, self.width = text, width
        self._paragraphs = text.split(allow_blank=True)
        self._starts = [0, *accumulate(_lines_of(part, width) for part in self._paragraphs)]
        self._styled: dict[int, list[Strip]] = {}

    @property
    def height(self) -> int:
        """Number of all lines."""
        return self._starts[-1]

    @property
    def styled(self) -> int:
        """Number of lines that have their styles by now."""
        return sum(map(len, self._styled.values()))

    def forget_styles(self) -> None:
        """Style the lines anew when they are painted again."""
        self._styled.clear()

    def line(self, y: int, part: Widget) -> Strip:
        """Return one line with the styles of the part that shows it; a blank one below the last."""
        if y >= self.height:
            return Strip.blank(self.width, part.visual_style.rich_style)
        paragraph = bisect_right(self._starts, y) - 1
        if paragraph not in self._styled:
            self._styled[paragraph] = self._style(paragraph, part)
        return self._styled[paragraph][y - self._starts[paragraph]]

    def _style(self, paragraph: int, part: Widget) -> list[Strip]:
        lines = self._paragraphs[paragraph]._wrap_and_format(self.width, get_style=part._get_style)
        for line in lines:
            # The mouse selects from here.
            line.y = paragraph
        return [Strip(*line.to_strip(part.visual_style)) for line in lines]


def can_be_lazy(text: Content, styles: StylesBase) -> bool:
    """Return whether a part with these styles may show the text line by line."""
    return (
        "\n" in text.plain
        and "\t" not in text.plain
        and styles.text_wrap == "wrap"
        and styles.text_overflow == "fold"
        and styles.text_align in ("left", "start")
        and not styles.line_pad
        and styles.content_align == ("left", "top")
    )


def _lines_of(paragraph: Content, width: int) -> int:
    if paragraph.cell_length <= width:
        return 1
    return len(divide_line(paragraph.plain, width)) + 1
