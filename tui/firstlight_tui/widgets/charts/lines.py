"""A line plot in braille: several series, linear or logarithmic axes, a reference line, a filled area."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from rich.cells import cell_len
from textual.content import Content

from firstlight_tui.widgets.charts.canvas import Canvas, Dots, Piece, cut, lines_of, spark
from firstlight_tui.widgets.charts.roles import (
    BAD,
    BOLD,
    CAUTION,
    MUTED,
    SERIES,
    SERIES_MARKS,
    TITLE,
    TROUGH,
)
from firstlight_tui.widgets.charts.scale import Axis, linear_axis, log_axis, short

Point = tuple[float, float]
LEAST_ROWS, LEAST_WIDTH = 5, 24
"""Below this there is a sparkline for each series instead of a plot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line; its mark and colour follow from its place among the others."""

    label: str
    points: tuple[Point, ...]
    marked: bool = False
    """Whether each point has a mark, as measurements have; a history has none."""
    filled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A horizontal line to compare with, such as a predicted peak."""

    value: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinePlot:
    """Series over a common axis; as tall as its room."""

    series: tuple[Series, ...]
    title: str = ""
    y_text: Callable[[float, float], str] = short
    """The words of a value on the upright axis, given the largest one."""
    x_text: Callable[[float, float], str] = short
    x_log: bool = False
    y_log: bool = False
    from_zero: bool = True
    x_ends: tuple[str, str] | None = None
    """Words at the two ends of the lying axis instead of its numbers, such as `60 s ago` and `now`."""
    x_ticks: tuple[float, ...] = ()
    """The values to name on the lying axis; empty: round ones."""
    reference: Reference | None = None
    in_bytes: bool = False
    """Whether the upright axis counts bytes: its ticks are round in binary units."""
    tall: int = 10
    """The lines that it asks for when its height follows its content."""
    void: bool = False
    """Whether the figures are worth nothing: its title says so, and no line looks like a measurement."""

    def rows(self, width: int) -> int:
        """Return the preferred rows; it draws itself in any number."""
        return self.tall

    def draw(self, width: int, height: int) -> Content:
        """Return the plot with its axes, or sparklines where there is no room for axes."""
        if width < LEAST_WIDTH or height < LEAST_ROWS:
            return self._sparks(width, height)
        canvas = Canvas(width, height)
        y_axis, x_axis = self._y_axis(), self._x_axis()
        top, bottom = self._head_rows(width), height - 2
        room = bottom - top
        ticks = y_axis.even_ticks(room)
        labels = max(cell_len(self.y_text(tick, y_axis.high)) for tick in ticks)
        left = labels + 1
        columns = width - left - 1
        if top:
            self._legend(canvas, width)
        for row in range(top, bottom):
            canvas.text(left, row, "│", TROUGH)
        for tick in ticks:
            row = bottom - 1 - y_axis.cell(tick, room)
            canvas.text(0, row, self.y_text(tick, y_axis.high).rjust(labels), MUTED)
            canvas.text(left, row, "┤", TROUGH)
        self._x_line(canvas, x_axis, left, bottom, columns)
        if self.reference is not None:
            row = bottom - 1 - y_axis.cell(self.reference.value, room)
            canvas.text(left + 1, row, "┈" * columns, CAUTION)
        for index, line in enumerate(self.series):
            self._draw_series(canvas, line, index, (x_axis, y_axis), (left + 1, top, columns, room))
        if self.reference is not None:
            words = cut(f" {self.reference.label} ", columns)
            row = bottom - 1 - y_axis.cell(self.reference.value, room)
            canvas.text(left + 1, row if row > top else row + 1, words, CAUTION)
        return canvas.content()

    def _y_axis(self) -> Axis:
        values = [y for line in self.series for _, y in line.points]
        if self.reference is not None:
            values.append(self.reference.value)
        if self.y_log:
            return log_axis(values, binary=self.in_bytes)
        return linear_axis(values, from_zero=self.from_zero, binary=self.in_bytes)

    def _x_axis(self) -> Axis:
        values = [x for line in self.series for x, _ in line.points if x > 0 or not self.x_log]
        if not values:
            return Axis(0.0, 1.0)
        # The first point stands on the upright axis: no margin.
        return Axis(min(values), max(values), log=self.x_log)

    def _legend(self, canvas: Canvas, width: int) -> None:
        canvas.text(0, 0, cut(self._head, width), BAD if self.void else TITLE)
        if len(self.series) < 2:
            return
        pieces: list[Piece] = []
        for index, line in enumerate(self.series):
            pieces += [(f"{mark_of(index)} ", self._style(index)), (f"{line.label}  ", "")]
        pieces[-1] = (self.series[-1].label, "")
        row = self._head_rows(width) - 1
        start = max(0, width - self._legend_cells())
        for text, style in pieces:
            canvas.text(start, row, cut(text, width - start), style)
            start += cell_len(text)

    @property
    def _head(self) -> str:
        return f"✗ VOID  {self.title}" if self.void else self.title

    def _style(self, index: int) -> str:
        return MUTED if self.void else SERIES[index % len(SERIES)]

    def _legend_cells(self) -> int:
        return sum(cell_len(line.label) + 4 for line in self.series) - 2

    def _head_rows(self, width: int) -> int:
        """The title and the legend stand in one row where both fit."""
        if len(self.series) < 2:
            return int(bool(self.title))
        together = cell_len(self._head) + 2 + self._legend_cells() <= width
        return 1 if together or not self.title else 2

    def _x_line(self, canvas: Canvas, axis: Axis, left: int, row: int, columns: int) -> None:
        canvas.text(left, row, "└" + "─" * columns, TROUGH)
        if self.x_ends is not None:
            first, last = self.x_ends
            canvas.text(left + 1, row + 1, cut(first, columns), MUTED)
            if cell_len(first) + cell_len(last) < columns:
                canvas.text(left + 1 + columns - cell_len(last), row + 1, last, MUTED)
            return
        free_from = left
        for tick in self.x_ticks or axis.ticks(max(2, columns // 10)):
            if not axis.low <= tick <= axis.high:
                continue
            column = left + 1 + axis.cell(tick, columns)
            words = self.x_text(tick, axis.high)
            start = max(
                left, min(column - cell_len(words) // 2, left + 1 + columns - cell_len(words))
            )
            if start >= free_from:
                canvas.text(column, row, "┬", TROUGH)
                canvas.text(start, row + 1, words, MUTED)
                free_from = start + cell_len(words) + 1

    def _draw_series(
        self,
        canvas: Canvas,
        line: Series,
        index: int,
        axes: tuple[Axis, Axis],
        area: tuple[int, int, int, int],
    ) -> None:
        (x_axis, y_axis), (left, top, columns, room) = axes, area
        style = self._style(index)
        dots = Dots(columns, room)
        spots = [
            (x_axis.cell(x, dots.width), dots.height - 1 - y_axis.cell(y, dots.height))
            for x, y in sorted(line.points)
        ]
        for start, end in pairwise(spots):
            dots.line(start, end)
            if line.filled:
                span = max(1, end[0] - start[0])
                for x in range(start[0], end[0] + 1):
                    dots.fill_below(
                        x, round(start[1] + (end[1] - start[1]) * (x - start[0]) / span)
                    )
        if len(spots) == 1:
            dots.dot(*spots[0])
        dots.draw_on(canvas, left, top, style)
        if line.marked:
            for x, y in spots:
                canvas.text(left + x // 2, top + y // 4, mark_of(index), f"{BOLD} {style}")

    def _sparks(self, width: int, height: int) -> Content:
        rows: list[list[Piece]] = []
        for index, line in enumerate(self.series[: max(0, height)]):
            words = cut(line.label or self.title, width // 2)
            values = [y for _, y in sorted(line.points)]
            style = self._style(index)
            rows.append(
                [(f"{words} ", MUTED), (spark(values, max(0, width - cell_len(words) - 1)), style)]
            )
        return lines_of(rows, width)


def mark_of(index: int) -> str:
    """Return the mark of a series by its place."""
    return SERIES_MARKS[index % len(SERIES_MARKS)]
