"""Time, memory and size of the finished conversions as bars, beside what was estimated."""

from collections.abc import Callable, Sequence

from textual.app import ComposeResult
from textual.containers import Vertical

from firstlight_core.documents.conversion import ConversionDocument
from firstlight_core.documents.estimate import Estimates
from firstlight_core.precision.table import find_precision
from firstlight_core.text import bytes_text, seconds_text
from firstlight_tui.widgets.charts.bars import Bar, Bars
from firstlight_tui.widgets.charts.chart import Chart

Row = tuple[ConversionDocument, float | None, float | None]
"""A conversion, what was measured of it, and what was estimated."""
NAMES = ("times", "peaks", "sizes")


class MeasuredBars(Vertical):
    """Time, memory and size of every finished conversion, each above its estimate."""

    DEFAULT_CSS = """
    MeasuredBars { height: auto; }
    MeasuredBars Chart { margin-top: 1; }
    """

    def compose(self) -> ComposeResult:
        for name in NAMES:
            yield Chart(id=f"measured-{name}")

    def show(self, documents: Sequence[ConversionDocument], estimates: Estimates) -> None:
        """Show these conversions; none show nothing."""
        times: list[Row] = []
        peaks: list[Row] = []
        sizes: list[Row] = []
        for document in documents:
            guess = estimates.get(document["precision"], {})
            times.append((document, document["seconds"], guess.get("seconds")))
            peaks.append((document, document.get("peak_rss_bytes"), guess.get("peak_ram_bytes")))
            sizes.append((document, document["bytes"], guess.get("bytes")))
        drawn = (
            _bars("Time to convert", times, seconds_text),
            _bars("Most RAM while converting", peaks, bytes_text),
            _bars("Size on disk", sizes, bytes_text),
        )
        for name, bars in zip(NAMES, drawn, strict=True):
            self.query_one(f"#measured-{name}", Chart).show(bars)


def _bars(
    title: str,
    rows: Sequence[Row],
    words: Callable[[float], str],
) -> Bars | None:
    bars: list[Bar] = []
    for document, measured, estimate in rows:
        label = find_precision(document["precision"]).label
        if measured:
            note = f"{measured / estimate:.2f} × the estimate" if estimate else "measured"
            bars.append(Bar(label=label, median=measured, figure=words(measured), note=note))
        if estimate:
            figure = f"≈ {words(estimate)}"
            bars.append(Bar(label="  estimate", median=estimate, figure=figure))
    return Bars(bars=tuple(bars), title=title, compared=False) if bars else None
