"""The live load of the machine, on every step; keeps no samples of its own."""

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content

from firstlight_core.monitor import CPU_ALERT, MEMORY_ALERT, History, Sample
from firstlight_core.text import bytes_text
from firstlight_tui.terminal.app import workspace_of
from firstlight_tui.widgets.gauge import Gauge, blocks
from firstlight_tui.widgets.words import Words


class MonitorPane(Horizontal):
    """Gauges side by side where there is room, one line where there is not; all measured, every second."""

    DEFAULT_CSS = """
    MonitorPane { background: $surface; padding: 0 1; }
    MonitorPane Gauge { margin-right: 2; height: 3; }
    MonitorPane #strip { display: none; height: 1; }
    """

    def __init__(self, history: History) -> None:
        super().__init__()
        self._history = history

    def compose(self) -> ComposeResult:
        yield Gauge("CPU", alert=CPU_ALERT, id="cpu")
        yield Gauge("RAM", alert=MEMORY_ALERT, id="memory")
        yield Gauge("This job", id="job")
        yield Gauge("Disk free", id="disk")
        yield Gauge("Decode", id="decode")
        yield Words(id="strip")

    def on_mount(self) -> None:
        workspace_of(self).sampled.subscribe(self, self.show_sample)
        self.show_sample(self._history.last)

    def show_sample(self, sample: Sample) -> None:
        """Paint the newest sample and the past."""
        past = list(self._history.samples)
        total = sample.memory_total or 1
        rate = workspace_of(self).decode_rate
        rate_text = f"{rate:.0f} tok/s" if rate else "–"
        job_text = bytes_text(sample.job_rss) if sample.job_rss else "–"
        self.query_one("#cpu", Gauge).show(
            f"{sample.cpu:.0f} %", fraction=sample.cpu / 100, past=[s.cpu / 100 for s in past]
        )
        self.query_one("#memory", Gauge).show(
            f"{sample.memory_used / 2**30:.1f} of {total / 2**30:.0f} GiB",
            fraction=sample.memory_used / total,
        )
        self.query_one("#job", Gauge).show(
            job_text, past=[float(s.job_rss or 0) for s in past] if sample.job_rss else ()
        )
        self.query_one("#disk", Gauge).show(bytes_text(sample.disk_free))
        self.query_one("#decode", Gauge).show(rate_text)
        self.query_one("#strip", Words).update(
            Content.assemble(
                ("CPU ", "$foreground-muted"),
                f"{sample.cpu:3.0f} % ",
                (blocks([s.cpu for s in past], 8, 100), "$accent"),
                ("  RAM ", "$foreground-muted"),
                f"{sample.memory_used / 2**30:.1f}/{total / 2**30:.0f} GiB",
                ("  job ", "$foreground-muted"),
                job_text,
                ("  disk ", "$foreground-muted"),
                f"{sample.disk_free / 2**30:.0f} GiB",
                ("  ", ""),
                rate_text,
            )
        )
