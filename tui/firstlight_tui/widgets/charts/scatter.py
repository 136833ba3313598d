"""Points on two axes, the best trade-offs marked and joined; labels stand where there is room for them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from rich.cells import cell_len
from textual.content import Content

from firstlight_tui.widgets.charts.canvas import BRAILLE, Canvas, Dots, cut
from firstlight_tui.widgets.charts.roles import BAD, BOLD, GOOD, MUTED, TITLE, TROUGH
from firstlight_tui.widgets.charts.scale import Axis, linear_axis, log_axis, short

LEAST_ROWS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """One point; `front` says that nothing is at least as good on both axes and better on one."""

    key: str
    label: str
    x: float
    y: float
    front: bool = False
    void: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scatter:
    """A plot of points; both axes are logarithmic unless told otherwise."""

    spots: tuple[Spot, ...]
    title: str = ""
    x_label: str = ""
    y_label: str = ""
    x_text: Callable[[float, float], str] = short
    """The words of a value on the lying axis, given the largest one."""
    y_text: Callable[[float, float], str] = short
    x_log: bool = True
    y_log: bool = True
    x_in_bytes: bool = False
    selected: str | None = None
    tall: int = 12

    def rows(self, width: int) -> int:
        """Return the preferred rows; it draws itself in any number."""
        return max(LEAST_ROWS, self.tall)

    def draw(self, width: int, height: int) -> Content:
        """Return the plot; where there is no room for axes, the points of the front by name."""
        if not self.spots or width < 30 or height < LEAST_ROWS:
            names = " · ".join(spot.label for spot in self.spots if spot.front)
            return Content.styled(cut(f"● {names}" if names else self.title, width), GOOD)
        canvas = Canvas(width, height)
        x_axis, y_axis = self._axes()
        left, top, columns, room = self._area(width, height)
        canvas.text(0, 0, cut(self.title, width), TITLE)
        canvas.text(0, 1, cut(self.y_label, width), MUTED)
        self._frame(canvas, (x_axis, y_axis), (left, top, columns, room))
        self._front(canvas, (x_axis, y_axis), (left, top, columns, room))
        positions = self.positions(width, height)
        occupied = set(positions.values())
        for spot in sorted(self.spots, key=lambda spot: spot.key == self.selected):
            column, row = positions[spot.key]
            canvas.text(column, row, self._mark(spot), self._style(spot))
        blocked = Blocked(canvas, occupied, left + 1)
        order = sorted(self.spots, key=lambda spot: (spot.key != self.selected, not spot.front))
        for spot in order:
            at = blocked.free_cell(positions[spot.key], self._words(spot))
            if at is not None:
                canvas.text(*at, self._words(spot), self._style(spot))
        return canvas.content()

    def positions(self, width: int, height: int) -> dict[str, tuple[int, int]]:
        """Column and row of every point by its key, from left to right; points on one cell move apart."""
        if not self.spots or width < 30 or height < LEAST_ROWS:
            return {}
        x_axis, y_axis = self._axes()
        left, top, columns, room = self._area(width, height)
        positions: dict[str, tuple[int, int]] = {}
        for spot in sorted(self.spots, key=lambda spot: (spot.x, spot.y)):
            column = left + 1 + x_axis.cell(spot.x, columns)
            row = top + room - 1 - y_axis.cell(spot.y, room)
            while (column, row) in positions.values() and column < width - 1:
                column += 1
            positions[spot.key] = (column, row)
        return positions

    def _axes(self) -> tuple[Axis, Axis]:
        xs, ys = [spot.x for spot in self.spots], [spot.y for spot in self.spots]
        return (
            log_axis(xs, margin=0.08, binary=self.x_in_bytes)
            if self.x_log
            else linear_axis(xs, binary=self.x_in_bytes),
            log_axis(ys) if self.y_log else linear_axis(ys),
        )

    def _area(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Column of the upright axis, first row, columns and rows of the plot."""
        top = 2 if self.y_label else 1
        room = height - top - 2
        y_axis = self._axes()[1]
        ticks = y_axis.ticks(max(2, room // 3))
        left = max(cell_len(self.y_text(tick, y_axis.high)) for tick in ticks) + 1
        return left, top, width - left - 1, room

    def _frame(
        self, canvas: Canvas, axes: tuple[Axis, Axis], area: tuple[int, int, int, int]
    ) -> None:
        (x_axis, y_axis), (left, top, columns, room) = axes, area
        bottom = top + room
        for row in range(top, bottom):
            canvas.text(left, row, "│", TROUGH)
        for tick in y_axis.ticks(max(2, room // 3)):
            row = bottom - 1 - y_axis.cell(tick, room)
            canvas.text(0, row, self.y_text(tick, y_axis.high).rjust(left - 1), MUTED)
            canvas.text(left, row, "┤", TROUGH)
        canvas.text(left, bottom, "└" + "─" * columns, TROUGH)
        label = cut(self.x_label, columns // 2)
        free_from, end = left + 1, left + 1 + columns - (cell_len(label) + 2 if label else 0)
        canvas.text(left + 1 + columns - cell_len(label), bottom + 1, label, MUTED)
        for tick in x_axis.ticks(max(2, columns // 14)):
            words = self.x_text(tick, x_axis.high)
            column = left + 1 + x_axis.cell(tick, columns)
            start = max(left + 1, column - cell_len(words) // 2)
            if start >= free_from and start + cell_len(words) <= end:
                canvas.text(column, bottom, "┬", TROUGH)
                canvas.text(start, bottom + 1, words, MUTED)
                free_from = start + cell_len(words) + 2

    def _front(
        self, canvas: Canvas, axes: tuple[Axis, Axis], area: tuple[int, int, int, int]
    ) -> None:
        (x_axis, y_axis), (left, top, columns, room) = axes, area
        dots = Dots(columns, room)
        corners = [
            (2 * x_axis.cell(spot.x, columns) + 1, 4 * (room - 1 - y_axis.cell(spot.y, room)) + 2)
            for spot in sorted(self.spots, key=lambda spot: spot.x)
            if spot.front
        ]
        for start, end in pairwise(corners):
            # What the front has reached holds until the next point is better: a step, not a slope.
            dots.line(start, (end[0], start[1]))
            dots.line((end[0], start[1]), end)
        dots.draw_on(canvas, left + 1, top, TROUGH)

    def _mark(self, spot: Spot) -> str:
        if spot.void:
            return "✗"
        if spot.key == self.selected:
            return "◉"
        return "●" if spot.front else "○"

    def _style(self, spot: Spot) -> str:
        color = BAD if spot.void else GOOD if spot.front else MUTED
        return f"{BOLD} reverse {color}" if spot.key == self.selected else color

    def _words(self, spot: Spot) -> str:
        return f"{spot.label} (void)" if spot.void else spot.label


@dataclass(frozen=True, slots=True)
class Blocked:
    """Where labels may stand: on blank cells and on the line of the front, on no point, axis or other label."""

    canvas: Canvas
    points: set[tuple[int, int]]
    left: int

    def free_cell(self, point: tuple[int, int], words: str) -> tuple[int, int] | None:
        """Return the free place nearest to a point: beside it, then above and below, then farther away."""
        size = cell_len(words)
        others = self.points - {point}
        for column, row in self._candidates(point, size):
            # A label that touches another point would name that one.
            touched = any((column + i, row) in others for i in range(-2, size + 2))
            free = column >= self.left and self.canvas.is_free(column, row, size, over=BRAILLE)
            if free and not touched:
                return column, row
        return None

    def _candidates(self, point: tuple[int, int], size: int) -> Iterator[tuple[int, int]]:
        column, row = point
        yield from ((column + 2, row), (column - size - 1, row))
        for away in (1, 2, 3):
            for line in (row - away, row + away):
                yield from (
                    (start, line) for start in (column + 2, column - size // 2, column - size - 1)
                )
