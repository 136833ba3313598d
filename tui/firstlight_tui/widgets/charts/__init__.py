"""Charts: pure drawings (`rows(width)`, `draw(width, height)`) and the widgets that show them.

They take colours from theme variables only and say everything by shape as well. They know no step and no document of the core.
"""

from firstlight_tui.widgets.charts.bars import Bar, Bars, Part, StackedBar, cell_bar
from firstlight_tui.widgets.charts.chart import Chart, Drawing, PointChart
from firstlight_tui.widgets.charts.drift_gauge import DriftGauge, Histogram, Marker, PromptDrift
from firstlight_tui.widgets.charts.lines import LinePlot, Reference, Series
from firstlight_tui.widgets.charts.pipeline import MachineScale, Pipeline, PipelineStage, Size
from firstlight_tui.widgets.charts.scatter import Scatter, Spot
from firstlight_tui.widgets.charts.tile import MiniBar, Tile, TilePane, TileRow

__all__ = [
    "Bar",
    "Bars",
    "Chart",
    "Drawing",
    "DriftGauge",
    "Histogram",
    "LinePlot",
    "MachineScale",
    "Marker",
    "MiniBar",
    "Part",
    "Pipeline",
    "PipelineStage",
    "PointChart",
    "PromptDrift",
    "Reference",
    "Scatter",
    "Series",
    "Size",
    "Spot",
    "StackedBar",
    "Tile",
    "TilePane",
    "TileRow",
    "cell_bar",
]
