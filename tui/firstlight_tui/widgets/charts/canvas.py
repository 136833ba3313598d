"""A grid of terminal cells to draw on, and a layer of braille dots, 2 by 4 in a cell."""

from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from firstlight_core.text import visible
from firstlight_tui.widgets.charts.roles import TROUGH

Piece = tuple[str, str]
"""A run of text and its style."""

EIGHTHS = " ▏▎▍▌▋▊▉█"
LEVELS = " ▁▂▃▄▅▆▇█"
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""Bits of a braille character by column and row of its dots."""
_BRAILLE = 0x2800
BRAILLE = "".join(map(chr, range(_BRAILLE, _BRAILLE + 256)))


def fitted(text: str, width: int) -> str:
    """Return one line of text in exactly `width` cells, cut with an ellipsis or filled with spaces."""
    text = visible(text).replace("\n", " ").replace("\t", " ")
    if cell_len(text) > width:
        return set_cell_size(text, width - 1) + "…" if width > 0 else ""
    return set_cell_size(text, width)


def cut(text: str, width: int) -> str:
    """Return one line of text in at most `width` cells."""
    return fitted(text, min(max(0, width), cell_len(visible(text))))


def wrapped(text: str, width: int, rows: int) -> list[str]:
    """Return the text in at most `rows` lines of at most `width` cells; a cut last line ends in an ellipsis."""
    lines: list[str] = []
    for word in visible(text).split():
        if lines and cell_len(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    if len(lines) > rows > 0:
        lines[rows - 1 :] = [" ".join(lines[rows - 1 :])]
    return [cut(line, width) for line in lines[:rows]]


def bar(share: float, width: int) -> str:
    """Return a bar that fills `share` (0 to 1) of `width` cells, in eighths of a cell; anything above 0 is seen."""
    if width <= 0 or share <= 0:
        return ""
    eighths = max(2, round(min(1.0, share) * width * 8))
    whole, rest = divmod(eighths, 8)
    # An eighth looks like the border of a trough.
    return "█" * whole + (EIGHTHS[rest] if rest > 1 else "")


def trough(share: float, width: int, style: str, *, ends: bool = True) -> list[Piece]:
    """Return a bar in its trough, `width` cells with its ends."""
    room = max(0, width - 2 * ends)
    full = bar(share, room)
    pieces = [(full, style), ("░" * (room - len(full)), TROUGH)]
    return [("▕", TROUGH), *pieces, ("▏", TROUGH)] if ends else pieces


def spark(values: Sequence[float], width: int, *, top: float | None = None) -> str:
    """Return the values as one line of vertical blocks, squeezed into `width` cells by their maxima; 0 is a blank."""
    if width <= 0 or not values:
        return ""
    top = max(values) if top is None else top
    groups = min(width, len(values))
    edges = [round(i * len(values) / groups) for i in range(groups + 1)]
    peaks = [max(values[a:b]) for a, b in pairwise(edges)]
    return "".join(_level(peak, top) for peak in peaks)


def _level(value: float, top: float) -> str:
    if value <= 0 or top <= 0:
        return LEVELS[0]
    return LEVELS[max(1, min(8, round(8 * value / top)))]


def lines_of(rows: Iterable[Sequence[Piece]], width: int | None = None) -> Content:
    """Rows of pieces as one content, each cut to `width` cells."""
    pieces: list[Piece] = []
    for index, row in enumerate(rows):
        if index:
            pieces.append(("\n", ""))
        room = width
        for text, style in row:
            if room is not None:
                text = visible(text).replace("\n", " ")
                text = text if cell_len(text) <= room else set_cell_size(text, max(0, room))
                room -= cell_len(text)
            pieces.append((text, style))
    return Content.assemble(*pieces)


class Canvas:
    """`width` by `height` cells; what is drawn outside of it is cut off."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = max(0, width), max(0, height)
        self._cells: list[list[Piece]] = [[(" ", "")] * self.width for _ in range(self.height)]

    def text(self, column: int, row: int, text: str, style: str = "") -> None:
        """Write one line; a wide character takes two cells."""
        if not 0 <= row < self.height:
            return
        for char in visible(text):
            size = cell_len(char)
            if column >= 0 and column + size <= self.width and size:
                self._cells[row][column] = (char, style)
                if size == 2:
                    self._cells[row][column + 1] = ("", style)
            column += size

    def pieces(self, column: int, row: int, pieces: Iterable[Piece]) -> None:
        """Write runs of text one after another."""
        for text, style in pieces:
            self.text(column, row, text, style)
            column += cell_len(text)

    def is_free(self, column: int, row: int, width: int, *, over: str = "") -> bool:
        """Return whether these cells are on the canvas, and blank or one of the characters `over`."""
        if not (0 <= row < self.height and column >= 0 and column + width <= self.width):
            return False
        blank = f" {over}"
        return all(char in blank for char, _ in self._cells[row][column : column + width])

    def rows(self) -> list[list[Piece]]:
        """Return the lines as runs of one style each."""
        return [
            [
                ("".join(char for char, _ in run), style)
                for style, run in groupby(line, key=lambda cell: cell[1])
            ]
            for line in self._cells
        ]

    def content(self) -> Content:
        """Return all lines as one content."""
        return lines_of(self.rows())


class Dots:
    """Braille dots over a part of a canvas; x grows to the right, y downwards, from 0."""

    def __init__(self, columns: int, rows: int) -> None:
        self.width, self.height = 2 * columns, 4 * rows
        self._bits = [[0] * columns for _ in range(rows)]

    def dot(self, x: int, y: int) -> None:
        """Set one dot, if it is inside."""
        if 0 <= x < self.width and 0 <= y < self.height:
            self._bits[y // 4][x // 2] |= _DOTS[x % 2][y % 4]

    def line(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """A straight line of dots, both ends included."""
        (x0, y0), (x1, y1) = start, end
        steps = max(abs(x1 - x0), abs(y1 - y0))
        for i in range(steps + 1):
            share = i / steps if steps else 0.0
            self.dot(round(x0 + (x1 - x0) * share), round(y0 + (y1 - y0) * share))

    def fill_below(self, x: int, y: int) -> None:
        """Every dot of a column from `y` down to the lower edge."""
        if not 0 <= x < self.width:
            return
        y = max(0, y)
        # Whole cells at once: an area has ten thousands of dots.
        below = min(self.height, -(-y // 4) * 4)
        for lower in range(y, below):
            self.dot(x, lower)
        full = sum(_DOTS[x % 2])
        for row in self._bits[below // 4 :]:
            row[x // 2] |= full

    def draw_on(self, canvas: Canvas, column: int, row: int, style: str) -> None:
        """Paint the cells that have a dot, the upper left one at `column`, `row`."""
        for down, line in enumerate(self._bits):
            for right, bits in enumerate(line):
                if bits:
                    canvas.text(column + right, row + down, chr(_BRAILLE + bits), style)
