"""The trade as a picture: size, or time a token, against drift; what nothing beats in both is filled."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from textual.content import Content

from firstlight_tui.widgets.words import Words, part

ROWS = 5
LABELS = 9
"""Cells for the labels of the upright axis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One measured precision; lower is better on both axes."""

    label: str
    x: float
    y: float
    best: bool
    """Whether no other point is at least as good on both axes and better on one."""


def scale(value: float, low: float, high: float, cells: int) -> int:
    """The cell, 0 up to `cells` - 1, of a value on a logarithmic axis from `low` to `high`."""
    if cells <= 1 or high <= low:
        return 0
    share = (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
    return max(0, min(cells - 1, round(share * (cells - 1))))


def place_points(
    points: Sequence[Point], width: int, rows: int = ROWS
) -> list[list[tuple[str, str]]]:
    """Rows of (text, style), the upper row first: each point a dot with its label beside it.

    Both axes are logarithmic; a point on top of another moves down until there is room.
    """
    grid: list[dict[int, Point]] = [{} for _ in range(rows)]
    xs, ys = [p.x for p in points], [p.y for p in points]
    room = max(len(p.label) for p in points) + 2
    for point in sorted(points, key=lambda p: (-p.y, p.x)):
        column = scale(point.x, min(xs), max(xs), max(1, width - room))
        row = rows - 1 - scale(point.y, min(ys), max(ys), rows)
        wanted = range(column, column + len(point.label) + 3)
        free = [r for r in (*range(row, rows), *range(row - 1, -1, -1)) if _free(grid[r], wanted)]
        grid[free[0] if free else row][column] = point
    return [_line(cells, width) for cells in grid]


def _free(cells: Mapping[int, Point], wanted: range) -> bool:
    return all(
        start + len(point.label) + 3 <= wanted.start or wanted.stop <= start
        for start, point in cells.items()
    )


def _line(cells: Mapping[int, Point], width: int) -> list[tuple[str, str]]:
    pieces: list[tuple[str, str]] = []
    at = 0
    for column, point in sorted(cells.items()):
        dot = "●" if point.best else "○"
        style = "bold $text-success" if point.best else "$foreground-muted"
        text = f"{dot} {point.label}"
        pieces += [(" " * max(0, column - at), ""), (text, style)]
        at = column + len(text)
    pieces.append((" " * max(0, width - at), ""))
    return pieces


class Pareto(Words):
    """The picture; hidden until there are two points."""

    DEFAULT_CSS = """
    Pareto { height: auto; display: none; }
    Pareto.-shown { display: block; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._points: tuple[Point, ...] = ()
        self._words = ("", "", "", "")

    def show(
        self, points: Sequence[Point], *, title: str, across: str, low: str, high: str
    ) -> None:
        """Show these points; `across` names the lying axis, `low` and `high` are its ends in words."""
        self._points = tuple(point for point in points if point.x > 0 and point.y > 0)
        self._words = (title, across, low, high)
        self.set_class(len(self._points) >= 2, "-shown")
        self._paint()

    def on_resize(self) -> None:
        """Draw to the new width."""
        self._paint()

    def _paint(self) -> None:
        if len(self._points) < 2 or self.size.width < 30:
            return
        title, across, low, high = self._words
        width = self.size.width - LABELS - 1
        ys = [point.y for point in self._points]
        lines = [Content.assemble(part(title, "$text-accent"))]
        for index, row in enumerate(place_points(self._points, width)):
            label = {0: f"{max(ys):.1g}", ROWS - 1: f"{min(ys):.1g}", 1: "mean KL"}.get(index, "")
            pieces = [part(f"{label:>{LABELS - 1}} ", "$foreground-muted"), part("│", "$panel")]
            lines.append(Content.assemble(*pieces, *(part(*piece) for piece in row)))
        gap = " " * max(1, width - len(low) - len(across) - len(high))
        half = len(gap) // 2
        axis = f"{' ' * (LABELS - 1)} └{low}{gap[:half]}{across}{gap[half:]}{high}"
        lines.append(Content.assemble(part(axis, "$foreground-muted")))
        self.update(Content("\n").join(lines))
