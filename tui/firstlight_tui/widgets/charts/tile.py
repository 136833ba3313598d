"""A titled pane with one headline figure, where it comes from, a bar against a range, and a verdict."""

from dataclasses import dataclass, replace
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.geometry import Size
from textual.layout import DockArrangeResult
from textual.message import Message

from firstlight_tui.widgets.charts.canvas import Piece, bar, cut, fitted, lines_of, trough, wrapped
from firstlight_tui.widgets.charts.chart import Chart
from firstlight_tui.widgets.charts.roles import (
    BAD,
    BOLD,
    FILL,
    FOCUS,
    MUTED,
    ORIGIN_SHORT,
    ORIGIN_STYLES,
    ORIGIN_WORDS,
    TITLE,
    TROUGH,
    VERDICT_MARKS,
    VERDICT_STYLES,
    Origin,
    Verdict,
)

LEAST_WIDTH = 18
"""Cells of a tile; a row of tiles breaks before one becomes narrower."""
LEAST_BAR = 6
"""Cells of a small bar below which its figure gives way."""
LINE_WIDTH = 46
"""Cells of a tile that is one line."""
LINE_BAR = 12
"""Cells of the bar in such a line."""
LEAST_HEIGHT = 30
"""Rows of a terminal below which a tile is one line."""


@dataclass(frozen=True, slots=True)
class MiniBar:
    """One row of a small comparison in a tile."""

    label: str
    amount: float
    figure: str
    chosen: bool = False
    """Whether it is the one that the tile is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One figure; lines that have nothing to say are left out."""

    title: str
    figure: str
    """The headline figure with its unit, or a word."""
    origin: Origin | None = "measured"
    share: float | None = None
    """How much of the range the figure fills, 0 to 1; None is no bar."""
    range_text: str = ""
    """The range in words, behind the bar."""
    detail: str = ""
    """A ready line instead of a bar, such as a sparkline."""
    bars: tuple[MiniBar, ...] = ()
    """A small comparison, a row each, scaled to the largest."""
    verdict: str = ""
    judged: Verdict = "none"
    focused: bool = False

    def rows(self, width: int) -> int:
        """The border, the figure, the bar and the lines of the verdict."""
        return 2 + len(self._inner(max(1, width - 4)))

    def draw(self, width: int, height: int) -> Content:
        """Return the pane; what the height does not hold is cut from below. In less than three lines it is one line."""
        if height < 3:
            return lines_of([self._line(width)], width)
        room = max(1, width - 4)
        inner = self._inner(room)[: max(0, height - 2)]
        inner += [[]] * (height - 2 - len(inner))
        corners, across, side = ("┏┓┗┛", "━", "┃") if self.focused else ("╭╮╰╯", "─", "│")
        edge = FOCUS if self.focused else TROUGH
        rows = [self._top(width, corners, across, edge)]
        for line in inner:
            used = sum(cell_len(text) for text, _ in line)
            rows.append([(f"{side} ", edge), *line, (" " * (room - used), ""), (f" {side}", edge)])
        rows.append([(f"{corners[2]}{across * (width - 2)}{corners[3]}", edge)])
        return lines_of(rows[:height], width)

    def _line(self, width: int) -> list[Piece]:
        """Title, figure, bar and verdict in one line, for a terminal of few rows."""
        void = self.origin == "void"
        words = f"{VERDICT_MARKS[self.judged]} ".lstrip() + self.verdict if self.verdict else ""
        line = [
            ("▸ " if self.focused else "  ", FOCUS),
            (fitted(self.title, 12), TITLE),
            (" ", ""),
            (fitted(self.figure or "–", 14), f"{BOLD} {BAD} strike" if void else BOLD),
            (" ", ""),
        ]
        room = width - sum(cell_len(text) for text, _ in line)
        words = words or self.range_text
        if void:
            line.append(("✗ VOID ", f"{BOLD} {BAD}"))
            room -= 7
        elif self.share is not None and room - LINE_BAR > max(LEAST_BAR, cell_len(words)):
            # The verdict outlasts the bar.
            line += [*trough(self.share, LINE_BAR, FILL), (" ", "")]
            room -= LINE_BAR + 1
        return [*line, (cut(words, room), VERDICT_STYLES[self.judged])]

    def _top(self, width: int, corners: str, across: str, edge: str) -> list[Piece]:
        title = cut(self.title, width - 5)
        left = width - 5 - cell_len(title)
        words = (ORIGIN_WORDS[self.origin], ORIGIN_SHORT[self.origin]) if self.origin else ()
        origin = next((each for each in words if len(each) + 3 <= left), "")
        style = ORIGIN_STYLES[self.origin] if self.origin else MUTED
        end: list[Piece] = [(f" {origin} ", style), (across, edge)] if origin else []
        if not origin and words and len(words[-1]) < left:
            # The blank behind the title is enough between the two.
            rest = left - len(words[-1]) - 1
            end = [(f"{words[-1]} ", style), (across * rest, edge)]
        gap = left - sum(len(text) for text, _ in end)
        return [
            (f"{corners[0]}{across} ", edge),
            (title, TITLE),
            (" ", edge),
            (across * gap, edge),
            *end,
            (corners[1], edge),
        ]

    def _inner(self, room: int) -> list[list[Piece]]:
        void = self.origin == "void"
        figure = [(cut(self.figure or "–", room), f"{BOLD} {BAD} strike" if void else BOLD)]
        lines: list[list[Piece]] = [figure]
        if self.share is not None:
            words = cut(self.range_text, room)
            words = words if cell_len(words) + 11 <= room else ""
            width = room - (cell_len(words) + 1 if words else 0)
            lines.append(
                [
                    *trough(self.share, width, BAD if void else FILL),
                    (f" {words}" if words else "", MUTED),
                ]
            )
        if self.detail:
            lines.append([(cut(self.detail, room), FILL)])
        lines += self._bars(room)
        if self.verdict:
            mark = f"{VERDICT_MARKS[self.judged]} ".lstrip()
            style = VERDICT_STYLES[self.judged]
            lines += [[(line, style)] for line in wrapped(mark + self.verdict, room, 2)]
        return lines

    def _bars(self, room: int) -> list[list[Piece]]:
        labels = min(max((cell_len(row.label) for row in self.bars), default=0), room // 2)
        figures = max((cell_len(row.figure) for row in self.bars), default=0)
        largest = max((row.amount for row in self.bars), default=0.0)
        if room - labels - figures - 2 < LEAST_BAR:
            # The bars say more than their figures, and the tile has the one that matters.
            figures = -1
        width = max(1, room - labels - figures - 2)
        rows: list[list[Piece]] = []
        for row in self.bars:
            full = bar(row.amount / largest if largest else 0.0, width)
            label = (fitted(row.label, labels), BOLD if row.chosen else MUTED)
            rows.append([label, (" ", ""), (fitted(full, width), FILL)])
            if figures > 0:
                rows[-1].append((f" {fitted(row.figure, figures)}", BOLD if row.chosen else ""))
        return rows


class TilePane(Chart):
    """A tile as a widget; one that can be chosen takes the focus and answers Enter and the mouse."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Details", show=False),
    ]

    @dataclass
    class Chosen(Message):
        """A tile was chosen."""

        pane: "TilePane"

        @property
        def control(self) -> "TilePane":
            """The tile."""
            return self.pane

    def __init__(self, tile: Tile, *, id: str | None = None, choosable: bool = False) -> None:
        super().__init__(tile, id=id)
        self._tile = tile
        self.can_focus = choosable

    def show_tile(self, tile: Tile) -> None:
        """Show another figure."""
        self._tile = tile
        self.show(tile)

    def render(self) -> Content:
        """Return the tile, with a heavy border while it has the focus."""
        if self.size.width < 8:
            return Content(fitted(self._tile.figure, max(0, self.size.width)))
        return replace(self._tile, focused=self.has_focus).draw(self.size.width, self.size.height)

    def action_choose(self) -> None:
        """Tell that this tile was chosen."""
        self.post_message(self.Chosen(self))

    def on_click(self, event: events.Click) -> None:
        """A click chooses."""
        if self.can_focus:
            self.action_choose()


class TileRow(Container):
    """Tiles beside each other; they break into as many rows as their width asks for.

    In a terminal of few rows each tile is one line.
    """

    DEFAULT_CSS = """
    TileRow { layout: grid; grid-gutter: 0 1; grid-rows: auto; height: auto; }
    TileRow TilePane { height: 100%; }
    TileRow.-lines { grid-rows: 1; }
    """

    def on_mount(self) -> None:
        self._see_height()

    def on_resize(self) -> None:
        """Take another form where the terminal has few rows."""
        self._see_height()

    def _see_height(self) -> None:
        self.set_class(self.app.size.height < LEAST_HEIGHT, "-lines")

    def arrange(self, size: Size, optimal: bool = False) -> DockArrangeResult:
        """Arrange as many tiles in a row as this width has room for, all rows alike."""
        least = LINE_WIDTH if self.has_class("-lines") else LEAST_WIDTH
        tiles = sum(child.display for child in self.children)
        self.styles.inline.set_rule("grid_size_columns", columns_for(tiles, size.width, least))
        return super().arrange(size, optimal)


def columns_for(tiles: int, width: int, least: int = LEAST_WIDTH) -> int:
    """Return how many of the tiles, each at least `least` cells wide, stand in one row of `width` cells."""
    fit = max(1, min(tiles, (width + 1) // (least + 1)))
    rows = max(1, -(-tiles // fit))
    return max(1, -(-tiles // rows))
