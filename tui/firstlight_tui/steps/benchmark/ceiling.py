"""Decoding against the memory of the machine: a bar for each artifact that is large enough to be judged by it."""

from dataclasses import dataclass

from rich.cells import cell_len
from textual.content import Content

from firstlight_core.documents.measure import BenchDocument
from firstlight_core.measure.quoted_length import quoted_case
from firstlight_core.text import bytes_text
from firstlight_tui.widgets.bench_plots import label_of
from firstlight_tui.widgets.charts.canvas import Piece, cut, fitted, lines_of, trough
from firstlight_tui.widgets.charts.roles import BAD, BOLD, FILL, GOOD, MUTED, TITLE

LEAST_BAR, WIDEST_BAR = 10, 60
NAME = "Of what this machine's memory can do"


@dataclass(frozen=True, slots=True, kw_only=True)
class CeilingRow:
    """One artifact: the share of the memory bandwidth that its decoding reaches, 0 to 1 and above."""

    label: str
    share: float
    read: float
    """Bytes a second that decoding reads."""
    void: bool = False

    @property
    def figure(self) -> str:
        """The share in words."""
        return f"{100 * self.share:.0f} %"

    @property
    def words(self) -> str:
        """Bytes a second behind the share, or what is wrong with it."""
        if self.void:
            return "✗ VOID"
        if self.share > 1:
            return "more than memory delivers: the caches hold a part"
        return f"{bytes_text(self.read)}/s read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """A title and a bar for each artifact."""

    bars: tuple[CeilingRow, ...]
    bandwidth: float
    """Bytes a second that the memory delivers."""

    def rows(self, width: int) -> int:
        """The title and the bars."""
        return 1 + len(self.bars)

    def draw(self, width: int, height: int) -> Content:
        """Return the lines; the bars give way before their figures."""
        labels = min(max(cell_len(row.label) for row in self.bars), max(6, width // 4))
        words = max(cell_len(row.words) for row in self.bars)
        room = width - labels - 10 - words
        if room < LEAST_BAR:
            words = 0
            room = width - labels - 8
        title: list[Piece] = [(cut(NAME, width), TITLE)]
        if (left := width - cell_len(NAME) - 2) > 12:
            title.append(("  ", ""))
            title.append((cut(f"{bytes_text(self.bandwidth)}/s, measured", left), MUTED))
        rows: list[list[Piece]] = [title]
        for row in self.bars:
            style = BAD if row.void else FILL
            rows.append(
                [
                    (f"{fitted(row.label, labels)} ", BOLD),
                    *trough(row.share, min(room, WIDEST_BAR), style),
                    (row.figure.rjust(6), f"{BOLD} {BAD} strike" if row.void else f"{BOLD} {GOOD}"),
                    (f"  {row.words}" if words else "", BAD if row.void else MUTED),
                ]
            )
        return lines_of(rows[:height], width)


def ceiling_of(document: BenchDocument) -> Ceiling | None:
    """Return the bars of a benchmark; None where no artifact can be judged by the memory."""
    if (memory := document.get("memory_bandwidth")) is None:
        return None
    most = max(memory["read_bytes_per_s"], memory["triad_bytes_per_s"])
    bars = []
    for result in document["results"]:
        case = quoted_case(result["cases"])
        if case is not None and (share := case.get("roofline_share")) is not None:
            void = document["void"] or result.get("void", False)
            bars.append(
                CeilingRow(label=label_of(result), share=share, read=share * most, void=void)
            )
    return Ceiling(bars=tuple(bars), bandwidth=most) if bars else None
