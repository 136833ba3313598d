"""Bars with whiskers: a row for each label, its median, its spread, the winner, and who is within its noise."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual.content import Content

from firstlight_tui.widgets.charts.canvas import Canvas, bar, cut, fitted
from firstlight_tui.widgets.charts.roles import BAD, BOLD, FILL, GOOD, MUTED, TITLE, TROUGH
from firstlight_tui.widgets.charts.scale import short

VOID = "✗ VOID"
FASTEST, NOISE = "★ best", "within noise of ★"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One row; without a median its single measurements are dots."""

    label: str
    median: float | None = None
    low: float | None = None
    high: float | None = None
    samples: tuple[float, ...] = ()
    """Single measurements so far, while it is being measured."""
    figure: str = ""
    """The median in words; empty: in three digits and a prefix."""
    note: str = ""
    """Text in place of the distance to the winner."""
    void: bool = False

    @property
    def values(self) -> tuple[float, ...]:
        """Every number that the row shows."""
        ends = (self.median, self.low, self.high)
        return (*(value for value in ends if value is not None), *self.samples)

    @property
    def ends(self) -> tuple[float, float]:
        """Smallest and largest measurement; the median where no spread is known."""
        median = self.median or 0.0
        return (
            median if self.low is None else self.low,
            median if self.high is None else self.high,
        )


def winner_of(bars: Sequence[Bar], *, most: bool = True) -> Bar | None:
    """Return the best valid row of two or more."""
    valid = [row for row in bars if row.median is not None and not row.void]
    if len(valid) < 2:
        return None
    pick = max if most else min
    return pick(valid, key=lambda row: row.median or 0.0)


def overlaps(first: Bar, second: Bar) -> bool:
    """Return whether the spreads of two rows overlap, so that the difference may be chance."""
    (low, high), (other_low, other_high) = first.ends, second.ends
    return low <= other_high and other_low <= high


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """A bar chart of a few rows, from zero."""

    bars: tuple[Bar, ...]
    title: str = ""
    most: bool = True
    """Whether the largest is the best."""
    compared: bool = True
    """Whether the rows compete: the best is marked, the others have their distance to it."""
    unit: str = ""

    def rows(self, width: int) -> int:
        """The title, and a line for each row."""
        return len(self.bars) + bool(self.title)

    def draw(self, width: int, height: int) -> Content:
        """As many rows as the height holds; with twice the room each has a blank line below it."""
        canvas = Canvas(width, min(height, self.rows(width)))
        top = int(bool(self.title))
        if self.title:
            canvas.text(0, 0, cut(self.title, width), TITLE)
        labels = min(
            max((cell_len(row.label) for row in self.bars), default=0), max(15, width // 4)
        )
        winner = winner_of(self.bars, most=self.most) if self.compared else None
        largest = max((row.median or 0.0 for row in self.bars), default=0.0)
        values = [self._figure(row, largest) for row in self.bars]
        notes = [self._note(row, winner) for row in self.bars]
        figures = max(map(cell_len, values), default=0)
        words = max(map(cell_len, notes), default=0)
        if width - labels - figures - words - 6 < 16:
            words = 6 if any(row.void for row in self.bars) else min(words, 1)
        room = max(1, width - labels - figures - words - 5)
        end = max((value for row in self.bars for value in row.values), default=0.0) or 1.0
        for index, row in enumerate(self.bars):
            line, best = top + index, row is winner
            style = f"{BOLD} {BAD}" if row.void else f"{BOLD} {GOOD}" if best else ""
            canvas.text(1, line, fitted(row.label, labels), BAD if row.void else "")
            self._bar(canvas, labels + 2, line, room, row, end=end, best=best)
            struck = f"{style} strike" if row.void else style or BOLD
            start = labels + room + 3 + figures - cell_len(values[index])
            canvas.text(start, line, values[index], struck)
            note = cut(notes[index], words)
            canvas.text(labels + room + figures + 4, line, note, style or MUTED)
        return canvas.content()

    def _figure(self, row: Bar, largest: float) -> str:
        if row.figure:
            return row.figure
        if row.median is not None:
            return f"{short(row.median, largest, digits=True)}{self.unit and f' {self.unit}'}"
        return f"{len(row.samples)} so far" if row.samples else "–"

    def _note(self, row: Bar, winner: Bar | None) -> str:
        if row.void:
            return VOID
        if row.note or winner is None or row.median is None:
            return row.note
        if row is winner:
            return FASTEST
        if overlaps(row, winner):
            return NOISE
        share = row.median / winner.median - 1 if winner.median else 0.0
        return f"{share:+.0%}".replace("%", " %").replace("-", "−")

    def _bar(
        self, canvas: Canvas, column: int, line: int, room: int, row: Bar, *, end: float, best: bool
    ) -> None:
        def cell(value: float) -> int:
            return max(0, min(room - 1, round(value / end * room) - 1))

        if row.median is None:
            canvas.text(column, line, "·" * room, TROUGH)
            for sample in row.samples:
                canvas.text(column + cell(sample), line, "●", FILL)
            return
        if row.void:
            canvas.text(column, line, "▒" * max(1, cell(row.median) + 1), BAD)
            return
        canvas.text(column, line, bar(row.median / end, room), GOOD if best else FILL)
        low, high = map(cell, row.ends)
        if high - low >= 2:
            canvas.text(column + low, line, f"├{'─' * (high - low - 1)}┤")
            canvas.text(column + max(low + 1, min(high - 1, cell(row.median))), line, "┿", BOLD)
        elif high > low:
            canvas.text(column + high, line, "┤")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a stacked bar."""

    label: str
    amount: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StackedBar:
    """The parts of a whole in one line, each with its label and share where it has the room; a legend below where not."""

    parts: tuple[Part, ...]

    def rows(self, width: int) -> int:
        """One line, and the legend's where a label does not fit."""
        return 1 if all(self._inside(part, cells) for part, cells in self._cells(width)) else 2

    def draw(self, width: int, height: int) -> Content:
        """Return the bar; parts alternate in fill, so that they differ without colour."""
        canvas = Canvas(width, min(height, self.rows(width)))
        column = 0
        for index, (part, cells) in enumerate(self._cells(width)):
            style, fill = (FILL, "█") if index % 2 == 0 else ("$secondary", "▓")
            words = f" {self._words(part)} " if self._inside(part, cells) else ""
            canvas.text(column, 0, "▕", TROUGH)
            canvas.text(column + 1, 0, words, BOLD)
            canvas.text(column + 1 + len(words), 0, fill * (cells - 1 - len(words)), style)
            column += cells
        canvas.text(column, 0, "▏", TROUGH)
        legend = " · ".join(self._words(part) for part in self.parts if part.amount > 0)
        canvas.text(0, 1, cut(legend, width), MUTED)
        return canvas.content()

    def _cells(self, width: int) -> list[tuple[Part, int]]:
        whole = sum(part.amount for part in self.parts) or 1.0
        visible = [part for part in self.parts if part.amount > 0]
        room = max(0, width - 1)
        edges = [0]
        for part in visible:
            edges.append(edges[-1] + max(2, round(room * part.amount / whole)))
        if edges[-1] > room:
            largest = max(range(len(visible)), key=lambda i: visible[i].amount)
            over = edges[-1] - room
            edges = [edge - over if i > largest else edge for i, edge in enumerate(edges)]
        return [(part, b - a) for part, a, b in zip(visible, edges, edges[1:], strict=False)]

    def _words(self, part: Part) -> str:
        whole = sum(each.amount for each in self.parts) or 1.0
        return f"{part.label} {part.amount / whole:.0%}".replace("%", " %")

    def _inside(self, part: Part, cells: int) -> bool:
        return cell_len(self._words(part)) + 3 <= cells


def cell_bar(amount: float, largest: float, width: int) -> Content:
    """Return a bar for a table cell, without a trough: `largest` fills the width."""
    return Content.styled(fitted(bar(amount / largest if largest > 0 else 0.0, width), width), FILL)
