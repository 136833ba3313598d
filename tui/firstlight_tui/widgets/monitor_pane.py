"""The live load of the machine, on every step; keeps no samples of its own."""

from textual.app import ComposeResult
from textual.containers import Vertical

from firstlight_core.monitor import History, Sample
from firstlight_tui.state.machine_view import MachineView
from firstlight_tui.terminal.app import workspace_of
from firstlight_tui.widgets.charts.chart import Chart
from firstlight_tui.widgets.machine_chart import MachinePanel, strip_line
from firstlight_tui.widgets.words import Words


class MonitorPane(Vertical):
    """Four columns where there is room, one line where there is not; all measured, every second."""

    DEFAULT_CSS = """
    MonitorPane { background: $surface; padding: 0 1; }
    MonitorPane Chart { height: 1fr; }
    MonitorPane #strip { display: none; height: 1; }
    """

    def __init__(self, history: History) -> None:
        super().__init__()
        self._history = history
        self._is_strip = False
        """Whether the newest sample was painted as one line."""

    def compose(self) -> ComposeResult:
        yield Chart(id="machine")
        yield Words(id="strip")

    def on_mount(self) -> None:
        workspace_of(self).sampled.subscribe(self, self.show_sample)
        self.show_sample(self._history.last)

    def show_sample(self, sample: Sample) -> None:
        """Paint the newest sample and the past; what is not on the screen is not drawn."""
        if not self.display:
            return
        workspace = workspace_of(self)
        samples = list(self._history.samples)[-60:] or [sample]
        view = workspace.machine_view(samples)
        self._show(view)

    def on_resize(self) -> None:
        """Paint at once when another form is shown at this size."""
        if self.query_one("#strip").display != self._is_strip:
            self.repaint()

    def repaint(self) -> None:
        """Paint the newest sample again: the form has changed."""
        self.show_sample(self._history.last)

    def _show(self, view: MachineView) -> None:
        strip, chart = self.query_one("#strip", Words), self.query_one("#machine", Chart)
        self._is_strip = strip.display
        if strip.display:
            strip.update(strip_line(view))
        if chart.display:
            chart.show(MachinePanel(view=view))
