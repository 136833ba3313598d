"""The prospects of a model: its parts in one bar, and a bar for each precision; all of them estimates."""

from collections.abc import Callable, Mapping

from textual.app import ComposeResult
from textual.containers import VerticalScroll

from firstlight_core.documents.estimate import EstimateDocument
from firstlight_core.documents.model import InspectDocument
from firstlight_core.precision.table import DEFAULT_PRECISION, find_precision
from firstlight_core.text import bytes_text, one_line, seconds_text
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.charts.bars import Bar, Bars, Part, StackedBar
from firstlight_tui.widgets.charts.chart import Chart

PART_LABELS = {"embedding": "embedding", "body": "body", "head": "head"}


class ProspectsPane(VerticalScroll, can_focus=False):
    """The estimates of every precision: the size always, memory and time where there is room."""

    DEFAULT_CSS = """
    ProspectsPane { border: round $border-blurred; border-title-color: $text-accent; padding: 0 1; height: 1fr; scrollbar-size-vertical: 2; }
    ProspectsPane Chart, ProspectsPane Words { height: auto; }
    ProspectsPane #peaks, ProspectsPane #times, ProspectsPane #peaks-and-times { margin-top: 1; }
    ProspectsPane Words { color: $foreground-muted; }
    """

    def compose(self) -> ComposeResult:
        self.border_title = "what you will get (estimates)"
        yield Chart(id="sizes")
        yield Words(id="reasons")
        yield Chart(id="peaks-and-times")
        yield Chart(id="peaks")
        yield Chart(id="times")

    def show_model(self, model: InspectDocument) -> None:
        """Show the estimates of one inspected model."""
        estimates = model.get("estimates") or {}
        self.query_one("#sizes", Chart).show(
            _bars("Size on disk", estimates, lambda row: row["bytes"], _size)
        )
        reasons = self.query_one("#reasons", Words)
        reasons.update(unavailable_words(estimates))
        reasons.display = any(not row["available"] for row in estimates.values())
        # In a terminal of few rows both stand in one chart.
        self.query_one("#peaks-and-times", Chart).show(
            _bars("RAM and time to convert", estimates, lambda row: row["peak_ram_bytes"], _both)
        )
        self.query_one("#peaks", Chart).show(
            _bars("RAM to convert", estimates, lambda row: row["peak_ram_bytes"], _peak)
        )
        self.query_one("#times", Chart).show(
            _bars("Time to convert", estimates, lambda row: row["seconds"], _time)
        )


def parts_bar(model: InspectDocument) -> StackedBar | None:
    """Return how the parameters are divided; None where the headers do not say it."""
    kinds = model.get("parameters_by_kind")
    if not kinds:
        return None
    parts = tuple(
        Part(PART_LABELS.get(kind, kind), float(count))
        for kind, count in kinds.items()
        if isinstance(count, int) and count
    )
    return StackedBar(parts=parts) if parts else None


def unavailable_words(estimates: Mapping[str, EstimateDocument]) -> str:
    """Return why some precisions cannot be made, a line for each."""
    return "\n".join(
        f"✗ {find_precision(key).label}: {one_line(row['reason'], 100)}"
        for key, row in estimates.items()
        if not row["available"]
    )


def _bars(
    title: str,
    estimates: Mapping[str, EstimateDocument],
    value: Callable[[EstimateDocument], float],
    words: Callable[[EstimateDocument], str],
) -> Bars | None:
    rows = []
    for key, row in estimates.items():
        label = find_precision(key).label
        if key == DEFAULT_PRECISION:
            label += " ★"
        note = "" if row["available"] else "✗"
        rows.append(Bar(label=label, median=float(value(row)), figure=words(row), note=note))
    return Bars(title=title, bars=tuple(rows), compared=False) if rows else None


def _size(row: EstimateDocument) -> str:
    return bytes_text(row["bytes"])


def _peak(row: EstimateDocument) -> str:
    return bytes_text(row["peak_ram_bytes"])


def _time(row: EstimateDocument) -> str:
    return seconds_text(row["seconds"])


def _both(row: EstimateDocument) -> str:
    return f"{_peak(row)} · {_time(row)}"
