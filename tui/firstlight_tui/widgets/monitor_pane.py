"""The live load of the machine, on every step; keeps no samples of its own."""

from firstlight_core.monitor import History, Sample
from firstlight_tui.terminal.app import workspace_of
from firstlight_tui.widgets.charts.chart import Chart
from firstlight_tui.widgets.machine_chart import MachinePanel


class MonitorPane(Chart):
    """Four columns where there is room, one line where there is not; all measured, every second.

    One widget for both forms: each more was a fortieth of what a step has to make.
    """

    DEFAULT_CSS = """
    MonitorPane { background: $surface; padding: 0 1; height: 100%; }
    """

    def __init__(self, history: History) -> None:
        super().__init__()
        self._history = history

    def on_mount(self) -> None:
        workspace_of(self).sampled.subscribe(self, self.show_sample)
        self.show_sample(self._history.last)

    def show_sample(self, sample: Sample) -> None:
        """Paint the newest sample and the past; what is not on the screen is not drawn."""
        if not self.display:
            return
        samples = list(self._history.samples)[-60:] or [sample]
        self.show(MachinePanel(view=workspace_of(self).machine_view(samples)))

    def repaint(self) -> None:
        """Paint the newest sample again: it was not drawn while the pane was hidden."""
        self.show_sample(self._history.last)
