"""How far artifacts are from their original: a logarithmic gauge with named zones, and KL per prompt."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.cells import cell_len
from textual.content import Content

from firstlight_core.measure.drift_words import KL_LIMITS, kl_level, kl_text, level_words
from firstlight_tui.widgets.charts.canvas import LEVELS, Canvas, Piece, cut, lines_of
from firstlight_tui.widgets.charts.roles import BAD, BOLD, CAUTION, FILL, GOOD, MUTED, TITLE, TROUGH
from firstlight_tui.widgets.charts.scale import Axis

AXIS = Axis(1e-6, 1.0, log=True)
_DECADES = tuple(10.0**power for power in range(-6, 1))
_LINES = {
    "very-close": ("─", GOOD),
    "close": ("╌", GOOD),
    "noticeable": ("━", CAUTION),
    "far": ("▒", BAD),
}
"""Line and colour of each zone: they differ in shape too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """The mean KL divergence of one precision, in nats a token."""

    label: str
    nats: float
    selected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftGauge:
    """Mean KL divergences on one scale from 1e-6 to 1; what lies outside stands at its end with an arrow."""

    markers: tuple[Marker, ...]
    title: str = "Drift (mean KL, nats)"

    def rows(self, width: int) -> int:
        """Title with the decades, zones, their names, and the markers."""
        return 3 + (not self._left(width)) + len(self._labels(width))

    def draw(self, width: int, height: int) -> Content:
        """Return the gauge; markers that the height does not hold are left out."""
        canvas = Canvas(width, min(height, self.rows(width)))
        left = self._left(width)
        room = max(1, width - left)
        canvas.text(0, 0, cut(self.title, width if left else width - 1), TITLE)
        top = 0 if left else 1
        self._decades(canvas, left, top, room)
        self._zones(canvas, left, top + 1, room)
        for row, labels in enumerate(self._labels(width)):
            for column, words, marker in labels:
                style = f"{BOLD} {self._style(marker)}" if marker.selected else self._style(marker)
                canvas.text(column, top + 3 + row, words, style)
        return canvas.content()

    def _left(self, width: int) -> int:
        """Cells for the title beside the scale; 0 when it stands above."""
        left = cell_len(self.title) + 3
        return left if width - left >= 60 else 0

    def _decades(self, canvas: Canvas, left: int, row: int, room: int) -> None:
        free_from = left
        for decade in _DECADES if room >= 48 else _DECADES[::2]:
            words = f"{decade:.0e}".replace("e-0", "e-").replace("1e+00", "1")
            start = left + AXIS.cell(decade, room) - len(words) // 2
            start = max(left, min(start, left + room - len(words)))
            if start >= free_from:
                canvas.text(start, row, words, MUTED)
                free_from = start + len(words) + 1

    def _zones(self, canvas: Canvas, left: int, row: int, room: int) -> None:
        starts = [0, *(AXIS.cell(limit, room) for _, limit in KL_LIMITS)]
        names = [*(name for name, _ in KL_LIMITS), "far"]
        zones = list(zip(names, starts, [*starts[1:], room], strict=True))
        for name, start, end in zones:
            line, style = _LINES[name]
            canvas.text(left + start, row, line * (end - start), style)
            if start:
                canvas.text(left + start, row, "┼", TROUGH)
        for name, column, words in _zone_names(zones, room):
            canvas.text(left + column, row + 1, words, _LINES[name][1])
        for column, _, _ in self._spots(left, room):
            canvas.text(column, row, "◆", BOLD)

    def _spots(self, left: int, room: int) -> list[tuple[int, str, Marker]]:
        spots = []
        for marker in self.markers:
            arrow = "◀" if marker.nats < AXIS.low else "▶" if marker.nats > AXIS.high else "▲"
            spots.append((left + AXIS.cell(max(marker.nats, AXIS.low), room), arrow, marker))
        return sorted(spots, key=lambda spot: spot[0])

    def _labels(self, width: int) -> list[list[tuple[int, str, Marker]]]:
        """Labels by row; one that would touch another goes a row down."""
        left = self._left(width)
        room = max(1, width - left)
        rows: list[list[tuple[int, str, Marker]]] = []
        for column, arrow, marker in self._spots(left, room):
            words = cut(f"{arrow}{marker.label} {kl_text(marker.nats)}", room)
            if column + cell_len(words) > width:
                words = cut(f"{marker.label} {kl_text(marker.nats)}{arrow}", room)
                column = column - cell_len(words) + 1
            column = max(left, column)
            for row in rows:
                last, text, _ = row[-1]
                if last + cell_len(text) + 1 < column:
                    row.append((column, words, marker))
                    break
            else:
                rows.append([(column, words, marker)])
        return rows

    def _style(self, marker: Marker) -> str:
        return _LINES[kl_level(marker.nats)][1]


def _zone_names(zones: Sequence[tuple[str, int, int]], room: int) -> list[tuple[str, int, str]]:
    """Name, column and words of each zone: in its middle, or beside it where its neighbour leaves the cells it lacks."""
    placed: list[tuple[str, int, str]] = []
    free_to = room
    for name, start, end in reversed(zones):
        words = cut(level_words(name), free_to)
        column = min(
            start + max(0, (end - start - cell_len(words)) // 2), free_to - cell_len(words)
        )
        placed.append((name, column, words))
        free_to = max(0, column - 1)
    return placed


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptDrift:
    """KL of each prompt as a line of blocks on a logarithmic scale, with a mark on the worst."""

    nats: tuple[float, ...]
    title: str = "KL per prompt"

    def rows(self, width: int) -> int:
        """The marks of the worst, and the line."""
        return 2 if self.nats else 0

    def draw(self, width: int, height: int) -> Content:
        """Return the line; a dash for what float arithmetic cannot tell from none."""
        if not self.nats or height < 1:
            return Content("")
        room = max(1, width - cell_len(self.title) - 3)
        groups = min(room, len(self.nats))
        edges = [round(i * len(self.nats) / groups) for i in range(groups + 1)]
        peaks = [max(self.nats[a:b]) for a, b in pairwise(edges)]
        line: list[Piece] = [(f"{self.title}   ", TITLE)]
        for peak in peaks:
            level = round(AXIS.share(peak) * 7) + 1
            line.append((LEVELS[level], _LINES[kl_level(peak)][1]))
        worst = peaks.index(max(peaks))
        words = f"worst {kl_text(max(peaks))}"
        column = cell_len(self.title) + 3 + worst
        head = (
            f"{words} ▾".rjust(column + 1)
            if column > len(words) + 1
            else " " * column + f"▾ {words}"
        )
        return lines_of([[(cut(head, width), MUTED)], line][-height:], width)


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How many prompts lie in each decade of KL, as one row a decade."""

    nats: tuple[float, ...]
    title: str = "Prompts by KL"

    def rows(self, width: int) -> int:
        """The title, and a line for each decade from the smallest to the largest."""
        return 1 + len(self._counts()) if self.nats else 0

    def draw(self, width: int, height: int) -> Content:
        """Return the rows; the height cuts them from below."""
        counts = self._counts()
        most = max((count for _, count in counts), default=1)
        rows: list[list[Piece]] = [[(cut(self.title, width), TITLE)]]
        room = max(1, width - 9 - len(str(most)) - 1)
        for decade, count in counts:
            name = "< 1e-6" if decade < -6 else f"≥ 1e{decade}" if decade else "≥ 1"
            style = _LINES[kl_level(10.0**decade)][1]
            full = "█" * max(int(count > 0), round(count / most * room))
            rows.append([(f"{name:>8} ", MUTED), (full, style or FILL), (f" {count}", "")])
        return lines_of(rows[:height], width)

    def _counts(self) -> list[tuple[int, int]]:
        return count_decades(self.nats)


def count_decades(nats: Sequence[float]) -> list[tuple[int, int]]:
    """Pairs of decade and count, without a gap; everything below 1e-6 is the decade -7."""
    decades = [
        max(-7, min(0, math.floor(math.log10(value) + 1e-9))) if value > 0 else -7 for value in nats
    ]
    if not decades:
        return []
    return [(d, decades.count(d)) for d in range(min(decades), max(decades) + 1)]
