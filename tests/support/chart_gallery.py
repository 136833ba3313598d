"""Every chart of the wizard with fixed figures, and an app that shows them all."""

import math
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content

from firstlight_core.text import bytes_text
from firstlight_themes import load_themes
from firstlight_tui.terminal.ascii_filter import AsciiApp
from firstlight_tui.widgets.charts.bars import Bar, Bars, Part, StackedBar
from firstlight_tui.widgets.charts.chart import Chart, Drawing, PointChart
from firstlight_tui.widgets.charts.drift_gauge import DriftGauge, Histogram, Marker, PromptDrift
from firstlight_tui.widgets.charts.lines import LinePlot, Reference, Series
from firstlight_tui.widgets.charts.pipeline import MachineScale, Pipeline, PipelineStage, Size
from firstlight_tui.widgets.charts.scatter import Scatter, Spot
from firstlight_tui.widgets.charts.tile import Tile, TilePane, TileRow


def _bytes(count: float, _: float) -> str:
    return bytes_text(count)


TILES = (
    Tile(
        title="first token",
        figure="3.5 ms",
        share=0.35,
        range_text="< 200 ms",
        verdict="feels instant",
        judged="good",
    ),
    Tile(title="writing", figure="12.7 k tok/s", share=0.97, verdict="×850 reading pace"),
    Tile(
        title="reading",
        figure="36.9 k tok/s",
        origin="void",
        share=0.8,
        verdict="other programs took 92 %",
        judged="bad",
    ),
    Tile(
        title="memory",
        figure="68 MiB peak",
        origin="estimate",
        share=0.53,
        range_text="of 128 MiB",
        verdict="near the limit",
        judged="caution",
    ),
)
BARS = Bars(
    title="Writing speed, tok/s (median, ├─┤ min–max)",
    bars=(
        Bar(label="INT4 compact", median=12660, low=12100, high=12900),
        Bar(label="INT4", median=12600, low=11000, high=12900),
        Bar(label="INT8", median=9250, low=9200, high=9300),
        Bar(label="FP16", median=8000, low=7000, high=9000, void=True),
        Bar(label="FP32", samples=(3000.0, 3400.0, 5100.0)),
    ),
)
BY_LENGTH = LinePlot(
    title="Writing speed by prompt length",
    series=(
        Series(label="INT4", points=((32, 15500), (128, 12700), (512, 8200)), marked=True),
        Series(label="INT8", points=((32, 14000), (128, 12200), (512, 7000)), marked=True),
    ),
    x_log=True,
    x_ticks=(32, 128, 512),
)
HISTORY = LinePlot(
    title="RAM of this job",
    series=(
        Series(
            label="RAM",
            points=tuple((i, 2**30 * (0.2 + 0.5 * (1 - math.exp(-i / 20)))) for i in range(60)),
            filled=True,
        ),
    ),
    y_text=_bytes,
    in_bytes=True,
    x_ends=("60 s ago", "now"),
    reference=Reference(value=2**30, label="predicted peak 1.0 GiB"),
)
SCATTER = Scatter(
    title="Drift against size; ● best trade-off",
    y_label="mean KL, lower is closer",
    x_label="smaller to the left",
    x_text=_bytes,
    x_in_bytes=True,
    selected="int4",
    spots=(
        Spot(key="fp16", label="FP16", x=4.65e6, y=2e-8, front=True),
        Spot(key="int8", label="INT8", x=4.87e6, y=4.5e-6),
        Spot(key="int8-compact", label="INT8 compact", x=2.87e6, y=3e-6, front=True),
        Spot(key="int4", label="INT4", x=1.78e6, y=3.8e-4, front=True),
        Spot(key="int4-compact", label="INT4 compact", x=1.57e6, y=9.8e-4, front=True),
        Spot(key="int4-quality", label="INT4 quality", x=2.33e6, y=1.2e-4, front=True),
        Spot(key="int4-calibrated", label="INT4 calibrated", x=2.07e6, y=2.3e-4, front=True),
    ),
)
GAUGE = DriftGauge(
    markers=(
        Marker(label="FP32", nats=3e-14),
        Marker(label="INT8", nats=4.5e-6),
        Marker(label="INT4", nats=3.8e-4, selected=True),
        Marker(label="INT4 compact", nats=9.8e-4),
        Marker(label="broken", nats=2.5),
    )
)
NATS = (1e-5, 2e-5, 1e-4, 6e-3, 3e-5, 0.0, 2e-4, 4e-2, 1e-3, 5e-4, 8e-6, 0.4)
PROMPTS = PromptDrift(nats=NATS)
HISTOGRAM = Histogram(nats=NATS)
PIPELINE = Pipeline(
    stages=(
        PipelineStage(label="Load Olive", status="done", seconds=127, weight=40),
        PipelineStage(label="Read", status="done", seconds=2.1, weight=2),
        PipelineStage(label="Quantise", status="running", seconds=46, weight=50, share=0.32),
        PipelineStage(label="Save", weight=4),
        PipelineStage(label="Check", weight=10),
    ),
    note="about 1 min 40 s left",
)
STACKED = StackedBar(parts=(Part("embedding", 21), Part("body", 79), Part("head", 3)))
MACHINE = MachineScale(
    sizes=(
        Size("0.5 B", True),
        Size("1 B", True),
        Size("3 B", True),
        Size("7 B", True, tight=True),
        Size("14 B", False),
    )
)
DRAWINGS: dict[str, Drawing] = {
    "bars": BARS,
    "by-length": BY_LENGTH,
    "history": HISTORY,
    "scatter": SCATTER,
    "gauge": GAUGE,
    "prompts": PROMPTS,
    "histogram": HISTOGRAM,
    "pipeline": PIPELINE,
    "stacked": STACKED,
    "machine": MACHINE,
    **{f"tile-{tile.title.split()[0]}": tile for tile in TILES},
}


def text_of(drawing: Drawing, width: int, height: int | None = None) -> list[str]:
    """The lines of a drawing, at the height it asks for unless told."""
    rows = drawing.rows(width) if height is None else height
    content: Content = drawing.draw(width, rows)
    return content.plain.split("\n")


class GalleryApp(AsciiApp):
    """All charts on one screen; two columns from 100 cells on, cut at its lower edge."""

    CSS = """
    Screen { layers: base; overflow: hidden; }
    GalleryApp Horizontal { height: 1fr; }
    GalleryApp Vertical { width: 1fr; padding: 0 1; overflow: hidden; }
    GalleryApp PointChart { min-height: 8; }
    GalleryApp .tall { height: 1fr; min-height: 5; }
    GalleryApp #tiles { height: auto; margin: 0 1; }
    """

    def __init__(self, *, theme: str, wide: bool, **options: Any) -> None:
        super().__init__(**options)
        for each in load_themes()[0]:
            self.register_theme(each)
        self.theme = theme
        self._wide = wide

    def compose(self) -> ComposeResult:
        with TileRow(id="tiles"):
            for tile in TILES:
                yield TilePane(tile, choosable=True)
        with Horizontal():
            with Vertical():
                yield Chart(BARS)
                yield Chart(GAUGE)
                yield Chart(PROMPTS)
                yield Chart(PIPELINE)
                if self._wide:
                    yield Chart(HISTORY, classes="tall")
                    yield Chart(MACHINE)
            if self._wide:
                with Vertical():
                    yield Chart(STACKED)
                    yield PointChart(SCATTER)
                    yield Chart(BY_LENGTH, classes="tall")
                    yield Chart(HISTOGRAM)
