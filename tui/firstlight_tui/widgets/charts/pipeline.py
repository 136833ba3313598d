"""The stages of a piece of work, the pending ones included, with one bar over all of them; and what fits a machine."""

from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len
from textual.content import Content

from firstlight_core.text import seconds_text
from firstlight_tui.widgets.charts.canvas import Canvas, Piece, cut, fitted, lines_of, trough
from firstlight_tui.widgets.charts.roles import BAD, BOLD, CAUTION, FILL, GOOD, MUTED, TITLE, TROUGH

Status = Literal["pending", "running", "done", "failed"]
MARKS: dict[Status, tuple[str, str]] = {
    "pending": ("○", MUTED),
    "running": ("◐", f"{BOLD} {TITLE}"),
    "done": ("✓", GOOD),
    "failed": ("✗", f"{BOLD} {BAD}"),
}
_BOX = 12
"""Least cells of a box."""
_WIDEST = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineStage:
    """One stage; `share` is what is done of a running one, None when nobody can say."""

    label: str
    status: Status = "pending"
    seconds: float | None = None
    weight: float = 1.0
    """Share of the whole, in expected seconds or any other unit."""
    share: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The stages from left to right where they fit, else one below the other, and the overall bar."""

    stages: tuple[PipelineStage, ...]
    note: str = ""
    """Words behind the overall bar, such as the time left."""

    def rows(self, width: int) -> int:
        """Boxes are four lines high; the list has one line a stage; the bar is one more."""
        if not self.stages:
            return 0
        return (4 if self._lies(width) else len(self.stages)) + 1

    def draw(self, width: int, height: int) -> Content:
        """Return the stages, then the bar; in too little height the bar and the stages around the running one stay."""
        if not self.stages or height < 1:
            return Content("")
        if self._lies(width) and height >= 5:
            canvas = Canvas(width, 5)
            self._boxes(canvas, width)
            canvas.pieces(0, 4, self._overall(width))
            return canvas.content()
        first = max(0, min(self._at() - 1, len(self.stages) - (height - 1)))
        rows = [self._line(stage, width) for stage in self.stages[first : first + height - 1]]
        return lines_of([*rows, self._overall(width)], width)

    def overall(self) -> float:
        """Return the completed share of all stages, 0 to 1, by weight; a running one without a share counts as 0."""
        whole = sum(stage.weight for stage in self.stages)
        done = sum(
            stage.weight * (1.0 if stage.status == "done" else min(1.0, stage.share or 0.0))
            for stage in self.stages
            if stage.status in ("done", "running")
        )
        return done / whole if whole > 0 else 0.0

    def _at(self) -> int:
        for index, stage in enumerate(self.stages):
            if stage.status in ("running", "failed"):
                return index
        return sum(stage.status == "done" for stage in self.stages)

    def _lies(self, width: int) -> bool:
        return sum(self._least()) <= width

    def _least(self) -> list[int]:
        """Least cells of each box, the arrow behind it included."""
        return [max(_BOX, cell_len(stage.label) + 7) for stage in self.stages]

    def _widths(self, width: int) -> list[int]:
        """Cells of each box: the same for all where that is enough, else each what it needs and a part of the rest."""
        least, each = self._least(), min(_WIDEST, width // len(self.stages))
        if each >= max(least):
            return [each] * len(least)
        more, over = divmod(width - sum(least), len(least))
        return [cells + more + (index < over) for index, cells in enumerate(least)]

    def _boxes(self, canvas: Canvas, width: int) -> None:
        left = 0
        for index, (stage, each) in enumerate(zip(self.stages, self._widths(width), strict=True)):
            mark, style = MARKS[stage.status]
            heavy = stage.status == "running"
            corners, across, side = ("┏┓┗┛", "━", "┃") if heavy else ("╭╮╰╯", "─", "│")
            edge, room = (FILL if heavy else TROUGH), each - 1
            canvas.text(left, 0, f"{corners[0]}{across * (room - 2)}{corners[1]}", edge)
            canvas.text(left, 3, f"{corners[2]}{across * (room - 2)}{corners[3]}", edge)
            for row in (1, 2):
                canvas.text(left, row, side, edge)
                canvas.text(left + room - 1, row, side, edge)
            canvas.text(left + 2, 1, cut(f"{mark} {stage.label}", room - 4), style)
            if heavy and stage.share is not None:
                canvas.pieces(left + 2, 2, trough(stage.share, room - 4, FILL, ends=False))
            else:
                canvas.text(left + 2, 2, cut(self._time(stage), room - 4), MUTED)
            if index + 1 < len(self.stages):
                canvas.text(left + room, 1, "→", TROUGH)
            left += each

    def _line(self, stage: PipelineStage, width: int) -> list[Piece]:
        mark, style = MARKS[stage.status]
        labels = min(max(cell_len(each.label) for each in self.stages), max(8, width // 2))
        line = [
            (f"{mark} ", style),
            (fitted(stage.label, labels), style if stage.status != "done" else ""),
        ]
        time = self._time(stage)
        line.append((f" {cut(time, 10):>10}", MUTED))
        if stage.status == "running" and stage.share is not None and width - labels > 30:
            line += [("  ", ""), *trough(stage.share, min(30, width - labels - 20), FILL)]
        used = sum(cell_len(text) for text, _ in line)
        return [*line, (cut(f"  {stage.note}" if stage.note else "", width - used), MUTED)]

    def _time(self, stage: PipelineStage) -> str:
        return seconds_text(stage.seconds) if stage.seconds is not None else ""

    def _overall(self, width: int) -> list[Piece]:
        failed = any(stage.status == "failed" for stage in self.stages)
        words = f" {self.overall():>4.0%}".replace("%", " %") + (
            f"  {self.note}" if self.note else ""
        )
        words = cut(words, max(7, width - 12))
        room = max(10, min(100, width) - cell_len(words))
        return [*trough(self.overall(), room, BAD if failed else FILL), (words, BOLD)]


@dataclass(frozen=True, slots=True)
class Size:
    """One size of a model on a machine's scale."""

    label: str
    fits: bool
    tight: bool = False
    """Whether it fits with little to spare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineScale:
    """Which sizes of model a machine can hold, smallest first: a band that ends where the memory does."""

    sizes: tuple[Size, ...]
    title: str = "What fits here"

    def rows(self, width: int) -> int:
        """The title, the band and its labels."""
        return 3 if self.sizes else 0

    def draw(self, width: int, height: int) -> Content:
        """Return the scale; only its sentence where there is one line."""
        canvas = Canvas(width, min(height, self.rows(width)))
        fitting = [size for size in self.sizes if size.fits]
        words = f"up to {fitting[-1].label}" if fitting else "none of these sizes"
        canvas.pieces(0, 0, [(f"{self.title}: ", TITLE), (words, BOLD)])
        each = max(1, min(14, width // max(1, len(self.sizes))))
        for index, size in enumerate(self.sizes):
            fill, mark, style = ("▒", "✗", MUTED)
            if size.fits:
                fill, mark, style = ("▓", "!", CAUTION) if size.tight else ("█", "✓", GOOD)
            left = index * each
            canvas.text(left, 1, fill * (each - 1), style if size.fits else TROUGH)
            label = f"{mark} {size.label}"
            if cell_len(label) >= each:
                label = f"{mark}{size.label}"
            canvas.text(left, 2, cut(label, each - 1), style)
        return canvas.content()
