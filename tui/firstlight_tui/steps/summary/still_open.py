"""The part of a run that is still open: what was not done, the key that goes there, and what the other precisions would take."""

from collections.abc import Mapping, Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content

from firstlight_core.estimate.measured_figures import Measurements, measured_figures
from firstlight_core.ledger import Entry
from firstlight_core.precision.table import PRECISIONS
from firstlight_core.report.achieved import Achievement
from firstlight_core.session import Session
from firstlight_tui.state.precision_choice import estimates_of
from firstlight_tui.widgets.bench_plots import curves, void_rounds
from firstlight_tui.widgets.charts.chart import Chart
from firstlight_tui.widgets.charts.paragraphs import Paragraph, Paragraphs
from firstlight_tui.widgets.charts.roles import BOLD, TITLE
from firstlight_tui.widgets.precision_bars import memory_bars, size_bars
from firstlight_tui.widgets.precision_columns import PrecisionRow
from firstlight_tui.widgets.words import part

KEYS: Mapping[str, str] = {"template": "t", "deploy": "d", "benchmark": "b", "quality": "u"}
"""The key that goes to a step that is still open."""
_ADDS: Mapping[str, tuple[str, str]] = {
    "template": (
        "check the template",
        "One wrong space in a prompt can cost more quality than smaller weights: both sides are compared token by token.",
    ),
    "deploy": (
        "deploy it",
        "It gets a name and a place where your application finds it, and proves in a fresh process that it answers there.",
    ),
    "benchmark": (
        "measure the speed",
        "The wait for the first word, tokens a second, memory and loading, each over several rounds. It fills the tiles above.",
    ),
    "quality": (
        "check the quality",
        "Original and artifact read the same texts. Until then nobody knows what the smaller weights have cost.",
    ),
}


class StillOpen(Vertical):
    """Shown in tall terminals while something is open."""

    DEFAULT_CSS = """
    StillOpen { display: none; height: auto; margin-top: 1; }
    StillOpen #open-steps { max-width: 100; }
    StillOpen #takes { height: auto; margin-top: 1; }
    StillOpen #takes Chart { margin-right: 2; }
    """

    def compose(self) -> ComposeResult:
        yield Chart(id="open-steps")
        with Horizontal(id="takes"):
            yield Chart(id="open-sizes")
            yield Chart(id="open-memories")

    def show(
        self, session: Session, entries: Sequence[Entry], achieved: Sequence[Achievement]
    ) -> None:
        """Show the steps that are open, and before a whole benchmark how the precisions compare."""
        steps = open_steps(achieved)
        self.set_class(bool(steps), "-some")
        self.query_one("#open-steps", Chart).show(_paragraphs(steps) if steps else None)
        rows: list[PrecisionRow] = []
        benchmark = session.benchmark
        # The curves of a whole benchmark take this room.
        if benchmark is None or not (curves(benchmark) or void_rounds(benchmark)):
            estimates = estimates_of(session)
            figures = measured_figures(session.artifacts, Measurements.of(session, entries))
            rows = [
                PrecisionRow(
                    precision=row, guess=estimates.get(row.key, {}), figures=figures.get(row.key)
                )
                for row in PRECISIONS
            ]
        self.query_one("#takes").display = any(row.guess for row in rows)
        self.query_one("#open-sizes", Chart).show(size_bars(rows))
        self.query_one("#open-memories", Chart).show(memory_bars(rows))


def open_steps(achieved: Sequence[Achievement]) -> list[str]:
    """Return the ids of the steps that are not done, or void, and that a key goes to."""
    return [each.step for each in achieved if each.outcome != "done" and each.step in KEYS]


def _paragraphs(steps: Sequence[str]) -> Paragraphs:
    width = max(len(_ADDS[step][0]) for step in steps) + 2
    return Paragraphs(
        [
            Paragraph(text=Content.assemble(part("Still open", TITLE))),
            *(
                Paragraph(
                    head=[(f"{KEYS[step]}  ", BOLD), (f"{_ADDS[step][0]:{width}}", "")],
                    text=Content(_ADDS[step][1]),
                )
                for step in steps
            ),
        ]
    )
