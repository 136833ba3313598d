"""The machine: its processor, memory and disk as bars, and which sizes of model fit."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from firstlight_core.estimate.machine_scale import sizes_that_fit
from firstlight_core.monitor import Sample
from firstlight_core.precision.table import DEFAULT_PRECISION, find_precision
from firstlight_core.text import bytes_text, visible
from firstlight_tui.terminal.app import workspace_of
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.charts.canvas import trough
from firstlight_tui.widgets.charts.chart import Chart
from firstlight_tui.widgets.charts.lines import LinePlot, Series
from firstlight_tui.widgets.charts.paragraphs import HangingText, Paragraph
from firstlight_tui.widgets.charts.pipeline import MachineScale, Size
from firstlight_tui.widgets.charts.roles import FILL
from firstlight_tui.widgets.words import part

BAR = 24
"""Cells of a bar."""


class MachineCard(Vertical):
    """Figures of this machine; memory and disk follow the monitor's samples."""

    DEFAULT_CSS = """
    MachineCard { border: round $border-blurred; border-title-color: $text-accent; padding: 0 1; height: auto; }
    MachineCard Words { height: auto; }
    MachineCard #scale, MachineCard #history { margin-top: 1; }
    MachineCard #history { height: 1fr; min-height: 0; }
    """

    def compose(self) -> ComposeResult:
        self.border_title = "this machine"
        yield Words(id="processor")
        yield Words(id="room")
        yield Chart(id="scale")
        yield Chart(id="history")

    def on_mount(self) -> None:
        workspace = workspace_of(self)
        workspace.sampled.subscribe(self, self.show_sample)
        self.show_sample(workspace.history.last)

    def show_processor(self, finding: str) -> None:
        """Show what was found of the processor."""
        text = Content(visible(finding or "looking …"))
        words = Paragraph(head=[("CPU   ", "$foreground-muted")], text=text)
        self.query_one("#processor", Words).update(HangingText(words))

    def show_sample(self, sample: Sample) -> None:
        """Show memory and disk; before the first sample nothing is known."""
        if sample.memory_total <= 1:
            return
        lines = [_room("RAM", sample.memory_total - sample.memory_used, sample.memory_total)]
        if sample.disk_free:
            lines.append(_room("Disk", sample.disk_free, sample.disk_total))
        self.query_one("#room", Words).update(Content("\n").join(lines))
        label = find_precision(DEFAULT_PRECISION).label
        sizes = tuple(
            Size(size.label, size.fits, tight=size.fits and size.tight)
            for size in sizes_that_fit(sample.memory_total)
        )
        scale = MachineScale(sizes=sizes, title=f"Fits here as {label} (≈)")
        self.query_one("#scale", Chart).show(scale)
        samples = list(workspace_of(self).history.samples)
        if len(samples) > 1:
            self.query_one("#history", Chart).show(_load_plot(samples))


def _load_plot(samples: Sequence[Sample]) -> LinePlot:
    """Processor and memory in percent, as far back as the monitor knows."""
    processor = tuple((float(at), sample.cpu) for at, sample in enumerate(samples))
    memory = tuple(
        (float(at), 100 * sample.memory_used / sample.memory_total)
        for at, sample in enumerate(samples)
    )
    return LinePlot(
        title="Load, %",
        series=(Series(label="CPU", points=processor), Series(label="RAM", points=memory)),
        x_ends=("earlier", "now"),
    )


def _room(name: str, free: int, total: int) -> Content:
    words = part(f"{bytes_text(free)} free")
    if not total:
        return Content.assemble(part(f"{name:6}", "$foreground-muted"), words)
    return Content.assemble(
        part(f"{name:6}", "$foreground-muted"),
        words,
        part(f" of {bytes_text(total)}\n", "$foreground-muted"),
        part(" " * 6),
        *trough(1 - free / total, BAR, FILL),
    )
