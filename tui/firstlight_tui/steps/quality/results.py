"""The panel of the quality check's results: verdict, tiles, drift, the worst example, and the evidence in words."""

from collections.abc import Mapping
from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.content import Content
from textual.message import Message

from firstlight_core.documents.measure import (
    CheckRow,
    QualitiesDocument,
    QualityDocument,
)
from firstlight_tui.steps.quality.scorecard import (
    check_tiles,
    drift_line,
    further_examples,
    headline,
    histogram,
    prompt_drift,
    worst_example,
)
from firstlight_tui.steps.quality.text import all_words, check_words, verdict_words
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.charts.chart import Chart
from firstlight_tui.widgets.charts.tile import Tile, TilePane, TileRow
from firstlight_tui.widgets.drift_plot import documents_of, drift_gauge, label_of

TILES = 5


class QualityResults(Vertical):
    """Shows one quality document, or several: the tiles are of the target in use."""

    DEFAULT_CSS = """
    QualityResults { height: auto; display: none; }
    QualityResults #tiles { margin-top: 1; }
    QualityResults #gauge, QualityResults #figures, QualityResults #worst { margin-top: 1; }
    QualityResults #checks { margin-top: 1; max-width: 100; }
    QualityResults #drift { max-width: 100; }
    QualityResults #histogram { display: none; margin-top: 1; max-width: 100; }
    QualityResults #evidence, QualityResults #examples, QualityResults #check-panel { height: auto; }
    QualityResults #further { display: none; margin-top: 1; }
    """

    @dataclass
    class EvidenceWanted(Message):
        """A tile was chosen: somebody wants to read what its check rests on."""

        check: CheckRow

    def __init__(self) -> None:
        super().__init__()
        self._checks: list[CheckRow] = []
        self._quality: QualityDocument | QualitiesDocument | None = None
        """The document that is shown."""
        self._shown: QualityDocument | None = None
        """The target that the tiles are about."""
        self._label = ""
        self._is_tall = False
        """Whether what is shown is for a tall terminal."""

    def compose(self) -> ComposeResult:
        yield Words(id="verdict")
        with TileRow(id="tiles"):
            for index in range(TILES):
                yield TilePane(Tile(title="", figure=""), id=f"tile-{index}", choosable=True)
        yield Chart(id="gauge")
        yield Chart(id="figures")
        with Container(id="evidence"):
            with Vertical(id="examples"):
                yield Chart(id="by-prompt")
                yield Chart(id="worst")
                yield Chart(id="further")
                yield Chart(id="histogram")
            with Vertical(id="check-panel"):
                yield Chart(id="checks")
                yield Words(id="drift", classes="card")

    def on_resize(self) -> None:
        """Show more of the evidence where there are many rows."""
        if self._is_tall != self.screen.has_class("-tall"):
            self._show_checks()

    def show(
        self,
        quality: QualityDocument | QualitiesDocument,
        labels: Mapping[str, str],
        target: str | None,
    ) -> None:
        """Show a document; `labels` has the short name of each target, `target` is the one in use."""
        documents = documents_of(quality)
        self.display = bool(documents)
        if not documents:
            return
        chosen = next((each for each in documents if each["target"] == target), documents[0])
        label = label_of(chosen, labels)
        verdict = headline(chosen)
        if len(documents) > 1:
            verdict = Content.assemble(verdict, f"   {label}")
        self.query_one("#verdict", Words).update(verdict)
        self._checks = chosen["checks"][:TILES]
        tiles = check_tiles(chosen)
        for index in range(TILES):
            pane = self.query_one(f"#tile-{index}", TilePane)
            pane.display = index < len(self._checks)
            if pane.display:
                pane.show_tile(tiles[index])
        self.query_one("#gauge", Chart).show(drift_gauge(documents, labels, target))
        drift = chosen.get("drift")
        figures = self.query_one("#figures", Chart)
        figures.show(drift_line(drift) if drift else None)
        figures.display = drift is not None
        worst, further = self.query_one("#worst", Chart), self.query_one("#further", Chart)
        worst.show(worst_example(drift, label) if drift else None)
        worst.display = worst.drawing is not None
        further.show(further_examples(drift, label) if drift else None)
        further.set_class(further.drawing is not None, "-some")
        self.query_one("#by-prompt", Chart).show(prompt_drift(drift) if drift else None)
        self.query_one("#histogram", Chart).show(histogram(drift) if drift else None)
        # Where no original was compared, the room of the examples is that of the evidence.
        self.query_one("#examples").display = drift is not None
        self._quality, self._shown, self._label = quality, chosen, label
        self._show_checks()
        card, words = self.query_one("#drift", Words), verdict_words(quality)
        card.display = words is not None and bool(words.plain)
        card.update(words or "")

    def _show_checks(self) -> None:
        if self._quality is None or self._shown is None:
            return
        self._is_tall = tall = self.screen.has_class("-tall")
        self.query_one("#checks", Chart).show(
            all_words(self._quality, self._shown, self._label)
            if tall
            else check_words(self._quality)
        )

    @on(TilePane.Chosen)
    def _chosen(self, event: TilePane.Chosen) -> None:
        event.stop()
        index = int(str(event.pane.id).rpartition("-")[2])
        if index < len(self._checks):
            self.post_message(self.EvidenceWanted(self._checks[index]))
