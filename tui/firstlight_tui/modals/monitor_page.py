"""The monitor as a full page: histories of a minute or of the whole run, each core, and the thresholds with advice."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import ClassVar, Literal

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid, Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button

from firstlight_core.machine import own_cpu
from firstlight_core.monitor import Sample
from firstlight_core.text import bytes_text, seconds_text
from firstlight_tui.state.machine_view import MachineView
from firstlight_tui.terminal.app import workspace_of
from firstlight_tui.widgets.charts.canvas import spark
from firstlight_tui.widgets.charts.chart import Chart
from firstlight_tui.widgets.charts.lines import LinePlot, Reference, Series
from firstlight_tui.widgets.machine_chart import MINUTE, rate_text
from firstlight_tui.widgets.screens import Page
from firstlight_tui.widgets.words import Words, part

POINTS = 240
"""Points of a history: more are not seen."""


class MonitorPage(Page[Literal["more"]]):
    """Four histories; the answer is `more` where the key for the next form closed it."""

    DEFAULT_CSS = """
    MonitorPage #facts { height: auto; max-height: 4; }
    MonitorPage Grid { grid-size: 2 2; grid-gutter: 1 2; height: 1fr; margin-top: 1; }
    MonitorPage Grid Chart { height: 1fr; }
    MonitorPage #alerts { height: auto; max-height: 4; margin-top: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "Close", id="monitor.close", tooltip="Back to the step"),
        Binding("f12", "dismiss('more')", "Monitor", id="monitor.more", tooltip="Hide the monitor"),
        Binding("t", "span", "Time", id="monitor.span", tooltip="One minute or the whole run"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._whole = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content("Monitor")
            box.border_subtitle = Content("t: one minute or the whole run · F12 hides · Esc closes")
            yield Words(id="facts")
            with Grid():
                for name in ("cpu", "memory", "job", "decode"):
                    yield Chart(id=name)
            yield Words(id="alerts")
            with Horizontal(classes="dialog-buttons"):
                yield Button("Whole run", id="span", compact=True)
                yield Button("Close", id="close", compact=True)

    def on_mount(self) -> None:
        workspace_of(self).sampled.subscribe(self, lambda _: self._paint())
        self._paint()

    @on(Button.Pressed, "#close")
    def _close(self) -> None:
        self.dismiss()

    @on(Button.Pressed, "#span")
    def action_span(self) -> None:
        """Switch between the last minute and everything since the wizard began."""
        self._whole = not self._whole
        self.query_one("#span", Button).label = "Last minute" if self._whole else "Whole run"
        self._paint()

    def _paint(self) -> None:
        workspace = workspace_of(self)
        samples = list(workspace.history.samples)
        view = workspace.machine_view(samples)
        if (last := view.last) is None:
            return
        drawn = view.samples if self._whole else view.samples[-MINUTE:]
        begun = f"{seconds_text(drawn[-1].seconds - drawn[0].seconds)} ago"

        def plot(
            title: str,
            value: Callable[[Sample], float | None],
            *,
            predicted: float | None = None,
            in_bytes: bool = False,
        ) -> LinePlot:
            label = f"predicted peak {bytes_text(round(predicted))}" if predicted else ""
            return LinePlot(
                title=title,
                series=(Series(label=title, points=thinned(drawn, value), filled=True),),
                x_ends=(begun, "now"),
                in_bytes=in_bytes,
                y_text=_bytes if in_bytes else _number,
                reference=Reference(value=predicted, label=label) if predicted else None,
            )

        total = bytes_text(last.memory_total)
        plots = {
            "cpu": plot("CPU, %", lambda s: s.cpu),
            "memory": plot(f"RAM in use, of {total}", lambda s: s.memory_used, in_bytes=True),
            "job": plot(
                "RAM of this job", lambda s: s.job_rss, predicted=view.predicted, in_bytes=True
            ),
            "decode": plot("Decode, tok/s", lambda s: s.decode_rate),
        }
        for name, drawing in plots.items():
            self.query_one(f"#{name}", Chart).show(drawing)
        self.query_one("#facts", Words).update(facts_content(view, last))
        self.query_one("#alerts", Words).update(alerts_content(view))


def thinned(
    samples: Sequence[Sample], value: Callable[[Sample], float | None]
) -> tuple[tuple[float, float], ...]:
    """Points of a history: of each group of samples the largest value; None is left out."""
    groups = min(POINTS, len(samples))
    edges = [round(i * len(samples) / groups) for i in range(groups + 1)] if groups else []
    points = []
    for first, after in pairwise(edges):
        known = [v for sample in samples[first:after] if (v := value(sample)) is not None]
        if known:
            points.append((samples[after - 1].seconds, float(max(known))))
    return tuple(points)


def _bytes(value: float, top: float) -> str:
    return bytes_text(round(value))


def _number(value: float, top: float) -> str:
    return f"{value:.0f}"


def facts_content(view: MachineView, last: Sample) -> Content:
    """Return the figures that have no history here; one that cannot be read is left out."""
    facts = [view.job or "no job runs"]
    if last.job_rss:
        facts.append(f"its RAM {bytes_text(last.job_rss)}")
    if (own := own_cpu(last)) is not None:
        facts.append(f"its CPU {own:.0f} %")
    if last.job_threads:
        facts.append(f"{last.job_threads} threads")
    if last.job_read_rate is not None:
        facts.append(f"reads {rate_text(last.job_read_rate)}")
    if last.job_write_rate is not None:
        facts.append(f"writes {rate_text(last.job_write_rate)}")
    machine = [f"disk {bytes_text(last.disk_free)} free"]
    if last.disk_write_rate is not None:
        machine.append(f"all programs write {rate_text(last.disk_write_rate)}")
    if last.swap_used is not None:
        machine.append(f"swap {bytes_text(last.swap_used)}")
    if last.temperature is not None:
        machine.append(f"CPU {last.temperature:.0f} °C")
    if last.battery is not None:
        machine.append(f"battery {last.battery:.0f} %")
    cores = f"{len(last.cores)} cores  {spark(last.cores, 64, top=100)}" if last.cores else ""
    return Content.assemble(
        part(" · ".join(facts), "bold"),
        part("\n" + " · ".join(machine), "$foreground-muted"),
        part(f"\n{cores}" if cores else "", "$accent"),
    )


def alerts_content(view: MachineView) -> Content:
    """Return what calls for attention and what to do; where nothing does, the thresholds."""
    if view.alerts:
        lines = [f"! {alert.words}. {alert.advice}" for alert in view.alerts]
        return Content.assemble(part("\n".join(lines), "$text-warning"))
    limits = view.thresholds
    words = (
        f"✓ Nothing calls for attention: CPU below {limits['cpu_usage_percent']} %, RAM below "
        f"{limits['memory_usage_percent']} %, first token within {limits['response_time_ms'] / 1000:g} s, "
        f"fewer than {limits['error_rate_percent']} % of the answers failed."
    )
    return Content.assemble(part(words, "$text-success"))
