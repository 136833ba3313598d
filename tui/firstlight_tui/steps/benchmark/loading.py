"""Loading as a picture: how long each artifact takes from the disk, and how long once its files are in memory."""

from dataclasses import dataclass

from rich.cells import cell_len
from textual.content import Content

from firstlight_core.documents.measure import BenchDocument
from firstlight_core.text import seconds_text
from firstlight_tui.widgets.bench_plots import label_of
from firstlight_tui.widgets.charts.canvas import Piece, bar, cut, fitted, lines_of
from firstlight_tui.widgets.charts.roles import BOLD, FILL, MUTED, TITLE, TROUGH

LEAST_BAR = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRow:
    """One artifact; seconds, None for a cold load that is not known."""

    label: str
    warm: float
    cold: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """A bar for each artifact: solid as long as the warm load, then dotted to the end of the cold one."""

    loads: tuple[LoadRow, ...]

    def rows(self, width: int) -> int:
        """The title, and a line for each artifact."""
        return 1 + len(self.loads)

    def draw(self, width: int, height: int) -> Content:
        """Return the lines."""
        rows: list[list[Piece]] = [[(cut("Loading: █ warm, ░ cold from the disk", width), TITLE)]]
        labels = min(max(cell_len(row.label) for row in self.loads), max(6, width // 4))
        words = [self._words(row) for row in self.loads]
        longest = max(max(row.warm, row.cold or 0.0) for row in self.loads) or 1.0
        room = max(LEAST_BAR, width - labels - max(map(cell_len, words)) - 2)
        for row, text in zip(self.loads, words, strict=True):
            warm = bar(row.warm / longest, room)
            cold = round(room * (row.cold or 0.0) / longest)
            rows.append(
                [
                    (f"{fitted(row.label, labels)} ", BOLD),
                    (warm, FILL),
                    ("░" * max(0, cold - cell_len(warm)), TROUGH),
                    (" " * (room - max(cold, cell_len(warm))), ""),
                    (f" {text}", MUTED),
                ]
            )
        return lines_of(rows[:height], width)

    @staticmethod
    def _words(row: LoadRow) -> str:
        cold = _short(row.cold) if row.cold is not None else "cold unknown"
        return f"{_short(row.warm)} · {cold}"


def _short(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else seconds_text(seconds)


def loading_of(document: BenchDocument) -> Loading | None:
    """Return the loads of a benchmark; None where none were measured for themselves."""
    loads = []
    for result in document["results"]:
        if (load := result.get("load")) is None:
            continue
        cold = load["cold_s"]["median"] if "cold_s" in load else None
        loads.append(LoadRow(label=label_of(result), warm=result["load_s"], cold=cold))
    return Loading(loads=tuple(loads)) if loads else None
