"""Figures of the run, drawn once more where the terminal has the room: drift on its scale, speed as curves, and an answer."""

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content

from firstlight_core.precision.table import find_precision
from firstlight_core.session import Session
from firstlight_core.text import one_line
from firstlight_tui.widgets.bench_plots import curves, speed_bars, void_rounds
from firstlight_tui.widgets.charts.chart import Chart
from firstlight_tui.widgets.charts.paragraphs import HangingText, Paragraph
from firstlight_tui.widgets.drift_plot import documents_of, drift_gauge
from firstlight_tui.widgets.words import part

CURVES = ("curve-first-token", "curve-writing")


class RunPictures(Vertical):
    """Drift, speeds and curves; nothing in small terminals, as tall as the room in tall ones."""

    DEFAULT_CSS = """
    RunPictures { display: none; height: auto; }
    RunPictures.-curves { height: 1fr; min-height: 16; }
    RunPictures #gauge { margin-top: 1; }
    RunPictures #rates { margin-top: 1; }
    RunPictures #curves { height: 1fr; min-height: 8; margin-top: 1; }
    RunPictures #curves Chart { height: 100%; margin-right: 2; }
    """

    def compose(self) -> ComposeResult:
        yield Chart(id="gauge")
        yield Chart(id="rates")
        with Horizontal(id="curves"):
            for name in CURVES:
                yield Chart(id=name)

    def show(self, session: Session) -> None:
        """Draw what the session holds; what was not measured takes no room."""
        quality, benchmark = session.quality, session.benchmark
        self.set_class(quality is None and benchmark is None, "-none")
        labels = {
            str(made["artifact"]): find_precision(str(made["precision"])).label
            for made in session.artifacts
        }
        gauge = None
        if quality is not None:
            gauge = drift_gauge(documents_of(quality), labels, session.target)
        self.query_one("#gauge", Chart).show(gauge)
        plots = (curves(benchmark) or void_rounds(benchmark)) if benchmark is not None else ()
        rates = speed_bars(benchmark) if benchmark is not None else None
        self.query_one("#rates", Chart).show(rates)
        self.query_one("#curves").display = bool(plots)
        self.set_class(bool(plots), "-curves")
        for name, plot in zip(CURVES, (*plots, None, None), strict=False):
            chart = self.query_one(f"#{name}", Chart)
            chart.show(plot)
            chart.display = plot is not None


def answer_words(session: Session) -> HangingText:
    """Return a question and what the model answered, as it was proven; nothing where nothing was asked."""
    deployed = session.deployment
    if deployed is None or deployed["kind"] != "answered":
        return HangingText()
    lines = []
    if deployed["question"]:
        asked = part(one_line(deployed["question"], 300), "bold $text-secondary")
        lines.append(_named("asked", asked))
    lines.append(_named("it says", part(one_line(deployed["answer"], 600))))
    return HangingText(*lines)


def _named(name: str, piece: tuple[str, str]) -> Paragraph:
    return Paragraph(head=[(f"{name:9}", "$text-accent")], text=Content.assemble(piece))
