"""The panel of the benchmark's results: tiles, bars, curves, and the table with every figure."""

from collections.abc import Iterable, Mapping, Sequence

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Horizontal, Vertical
from textual.content import Content
from textual.widgets import DataTable

from firstlight_core.documents.measure import BenchCase, BenchDocument, BenchResult
from firstlight_core.measure.bench_words import (
    condition_sentences,
    energy_sentence,
    find_result,
)
from firstlight_core.measure.interference import SLEPT_SECONDS
from firstlight_core.monitor import ALERT_THRESHOLDS, AlertThresholds
from firstlight_core.process.events import Measured
from firstlight_core.text import one_line
from firstlight_tui.modals.detail import DetailScreen
from firstlight_tui.steps.benchmark.answers import answer_times, expected_waits
from firstlight_tui.steps.benchmark.ceiling import ceiling_of
from firstlight_tui.steps.benchmark.dials import figures_ahead, tiles
from firstlight_tui.steps.benchmark.limits import limits_chart, limits_of, over_words
from firstlight_tui.steps.benchmark.live import live_bars, live_plots, live_rows, live_tiles
from firstlight_tui.steps.benchmark.loading import loading_of
from firstlight_tui.steps.benchmark.more import more_to_measure
from firstlight_tui.steps.benchmark.opened_row import opened_row, opened_title
from firstlight_tui.steps.benchmark.rows import client_rows, figure_rows, processor_share
from firstlight_tui.steps.benchmark.waiting import QuietWait
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.bench_plots import (
    curves,
    further_bars,
    has_spread,
    label_of,
    speed_bars,
    void_rounds,
)
from firstlight_tui.widgets.charts.chart import Chart, Drawing
from firstlight_tui.widgets.charts.lines import LinePlot
from firstlight_tui.widgets.charts.roles import MUTED
from firstlight_tui.widgets.charts.tile import Tile, TilePane, TileRow
from firstlight_tui.widgets.fitted_table import Column, FittedTable
from firstlight_tui.widgets.words import part

TILES = ("first-token", "writing", "reading", "memory")
BARS = ("speeds", "readings", "waits")
"""The first always; the others beside it where the terminal is wide."""
FURTHER = ("ceiling", "loading", "limits")
"""Charts that are there where they have something to say."""
BESIDE = 90
"""Columns from which two charts stand beside each other."""
WIDE = 160
"""Columns from which the limits and the times of answers stand beside each other."""
PLOTS = ("plot-first-token", "plot-writing")
FIGURES = (
    Column(key="target", label="Target"),
    Column(key="prompt", label="Prompt", width=6, right=True),
    Column(key="new", label="New", width=4, from_width=108, right=True),
    Column(key="ttft", label="TTFT ms", width=17, right=True),
    Column(key="prefill", label="Prefill tok/s", width=20, from_width=84, right=True),
    Column(key="decode", label="Decode tok/s", width=17, right=True),
    Column(key="load", label="Load s", width=6, from_width=116, right=True),
    Column(key="memory", label="RAM peak", width=10, from_width=100, right=True),
)
CLIENTS = (
    Column(key="server", label="Server"),
    Column(key="clients", label="Clients", width=7, right=True),
    Column(key="requests", label="Requests/s", width=10, from_width=70, right=True),
    Column(key="tokens", label="Tokens/s", width=8, right=True),
    Column(key="p50", label="p50 ms", width=7, right=True),
    Column(key="p95", label="p95 ms", width=7, right=True),
    Column(key="errors", label="Errors", width=6, right=True),
)
SAYS = "What a measurement on a quiet machine says"
VOID = "✗ VOID: measure again before you use these figures. W waits until the machine is quiet."
STOPPED = "! STOPPED EARLY: the figures are of what was measured until then."


class BenchResults(Vertical):
    """Shows a benchmark document, or the measurements of one that runs."""

    DEFAULT_CSS = """
    BenchResults { height: 1fr; min-height: 22; }
    BenchResults.-empty { min-height: 8; }
    BenchResults #ahead { display: none; height: auto; margin-top: 1; max-width: 100; }
    BenchResults #setup { height: auto; max-width: 100; }
    BenchResults #banner { display: none; width: 100%; height: auto; padding: 0 1; background: $error; color: $button-color-foreground; text-style: bold; }
    BenchResults #quiet, BenchResults #others { display: none; }
    BenchResults.-waiting #quiet { display: block; margin-bottom: 1; }
    BenchResults.-waiting #others { display: block; height: 1fr; min-height: 7; max-height: 30; }
    BenchResults.-waiting #dials, BenchResults.-waiting #bars { display: none; }
    BenchResults #bars { height: auto; margin-top: 1; }
    BenchResults #machine { height: auto; layout: vertical; }
    BenchResults.-beside #machine { layout: horizontal; }
    BenchResults #machine Chart { margin: 1 2 0 0; }
    BenchResults #bars Chart { margin-right: 2; }
    BenchResults #readings, BenchResults #waits { display: none; }
    BenchResults #meaning { height: auto; layout: vertical; }
    BenchResults.-wide #meaning { layout: horizontal; }
    BenchResults #limits { margin: 1 2 0 0; }
    BenchResults #plots { height: 1fr; min-height: 8; max-height: 24; margin-top: 1; display: none; }
    BenchResults.-plots #plots { display: block; }
    BenchResults.-bare #plots { display: none; }
    BenchResults #plots Chart { height: 100%; margin-right: 2; }
    BenchResults FittedTable { height: auto; max-height: 14; margin-top: 1; display: none; }
    BenchResults #notes { margin-top: 1; max-width: 100; }
    BenchResults #answers, BenchResults #more { display: none; margin-top: 1; max-width: 100; }
    """

    def __init__(self) -> None:
        super().__init__(classes="-empty")
        self._opened: list[tuple[BenchDocument, BenchResult, BenchCase]] = []
        """Target and prompt length of each row of the table."""
        self._live_figures = -1
        """Figures that the table of a running benchmark shows."""

    def compose(self) -> ComposeResult:
        yield Words(id="setup", classes="muted")
        yield Words(id="banner")
        yield Words(id="quiet")
        yield Chart(id="others")
        with TileRow(id="dials"):
            for name, tile in zip(TILES, live_tiles({}, None), strict=True):
                yield TilePane(tile, id=name)
        with Horizontal(id="bars"):
            for name in BARS:
                yield Chart(id=name)
        with Container(id="machine"):
            yield Chart(id="ceiling")
            yield Chart(id="loading")
        with Horizontal(id="plots"):
            for name in PLOTS:
                yield Chart(id=name)
        yield FittedTable(FIGURES, id="figures")
        yield FittedTable(CLIENTS, id="clients")
        with Container(id="meaning"):
            yield Chart(id="limits")
            yield Chart(id="answers")
        yield Chart(id="more")
        yield Chart(figures_ahead(), id="ahead")
        yield Words(id="notes", classes="muted")

    def show_wait(self, wait: QuietWait | None) -> None:
        """Show the wait for a quiet machine in place of tiles that have nothing to say; None takes it away."""
        self.set_class(wait is not None, "-waiting")
        if wait is not None:
            self.remove_class("-empty")
        self.query_one("#quiet", Words).update(wait.content() if wait is not None else "")
        self.query_one("#others", Chart).show(wait.plot() if wait is not None else None)

    def clear(self) -> None:
        """Show nothing but empty tiles."""
        self.add_class("-empty")
        self._opened = []
        self._show_tiles(live_tiles({}, None))
        for name in BARS:
            self.query_one(f"#{name}", Chart).show(None)
        self._show_charts(dict.fromkeys(FURTHER))
        self._show_plots(())
        self.remove_class("-bare", "-void")
        for name in ("figures", "clients"):
            self.query_one(f"#{name}").display = False
        for name in ("setup", "banner", "notes"):
            self.query_one(f"#{name}", Words).update("")
        self.query_one("#banner").display = False

    def show_live(
        self, measured: Mapping[str, float], repetitions: Iterable[Measured], memory: int | None
    ) -> None:
        """Show what has been measured so far; figures of an earlier document give way."""
        self.remove_class("-empty", "-bare", "-void")
        self._show_tiles(live_tiles(measured, memory))
        for name in ("setup", "banner", "notes"):
            self.query_one(f"#{name}", Words).update("")
        self.query_one("#banner").display = False
        self.query_one("#clients").display = False
        for name in BARS[1:]:
            self.query_one(f"#{name}", Chart).show(None)
        self._show_charts(dict.fromkeys(FURTHER))
        so_far = list(repetitions)
        self.query_one("#speeds", Chart).show(live_bars(so_far))
        self._show_plots(live_plots(so_far))
        self._opened = []
        if len(so_far) != self._live_figures:
            # The screen asks many times a second; the table is only built again when there is news.
            self._live_figures = len(so_far)
            self._show_table("figures", FIGURES, live_rows(so_far))

    def show(
        self,
        document: BenchDocument,
        target: str | None,
        thresholds: AlertThresholds = ALERT_THRESHOLDS,
    ) -> None:
        """Show a document; the tiles are of `target`, where it was measured."""
        self.show_wait(None)
        self.remove_class("-empty")
        self._live_figures = -1
        result = find_result(document, target)
        limits = limits_of(document, result, thresholds)
        self._show_tiles(tiles(document, result, thresholds))
        self.query_one("#setup", Words).update(setup_words(document))
        early = STOPPED if document.get("stopped") else ""
        words = VOID if document["void"] else early or over_words(limits)
        banner = self.query_one("#banner", Words)
        banner.display = bool(words)
        banner.update(words)
        for name, bars in zip(BARS, (speed_bars(document), *further_bars(document)), strict=True):
            self.query_one(f"#{name}", Chart).show(bars)
        self._show_charts(
            {
                "ceiling": ceiling_of(document),
                "loading": loading_of(document),
                "limits": limits_chart(limits, thresholds),
            }
        )
        plots = curves(document) or void_rounds(document)
        self._show_plots(plots or expected_waits(document, result, thresholds))
        self.update_classes({"-bare": not plots, "-void": bool(document["void"])})
        self.query_one("#answers", Chart).show(answer_times(document, result))
        self.query_one("#more", Chart).show(more_to_measure(document))
        self.query_one("#ahead", Chart).show(figures_ahead(SAYS))
        self._show_table("figures", FIGURES, figure_rows(document))
        self._opened = [
            (document, result, case) for result in document["results"] for case in result["cases"]
        ]
        self._show_table("clients", CLIENTS, client_rows(document))
        self.query_one("#notes", Words).update(notes_words(document))

    @on(DataTable.RowSelected, "#figures")
    def _open_row(self, event: DataTable.RowSelected) -> None:
        """Open every figure of one row."""
        if 0 <= event.cursor_row < len(self._opened):
            document, result, case = self._opened[event.cursor_row]
            words = opened_row(document, result, case)
            self.app.push_screen(DetailScreen(opened_title(result, case), words))

    def on_resize(self) -> None:
        """Put two charts beside each other where there is room."""
        width = self.size.width
        self.update_classes({"-beside": width >= BESIDE, "-wide": width >= WIDE})

    def _show_charts(self, drawings: Mapping[str, Drawing | None]) -> None:
        """Show the charts that there is a drawing for; the others take no room."""
        for name, drawing in drawings.items():
            chart = self.query_one(f"#{name}", Chart)
            chart.show(drawing)
            chart.display = drawing is not None

    def _show_plots(self, plots: Sequence[LinePlot]) -> None:
        void = any(plot.void for plot in plots)
        self.update_classes({"-plots": bool(plots) and not void, "-void-plots": void})
        for name, plot in zip(PLOTS, (*plots, None, None), strict=False):
            chart = self.query_one(f"#{name}", Chart)
            chart.show(plot)
            chart.display = plot is not None

    def _show_tiles(self, drawn: Sequence[Tile]) -> None:
        for name, tile in zip(TILES, drawn, strict=True):
            self.query_one(f"#{name}", TilePane).show_tile(tile)

    def _show_table(
        self, name: str, columns: Sequence[Column], rows: Iterable[Sequence[Text]]
    ) -> None:
        table = self.query_one(f"#{name}", FittedTable)
        keys = [column.key for column in columns]
        cells = [(str(i), dict(zip(keys, row, strict=True))) for i, row in enumerate(rows)]
        table.show_rows(cells)
        table.display = bool(cells)


def setup_words(document: BenchDocument) -> Content:
    """Return the subject and the conditions of the measurement in one line."""
    labels = dict.fromkeys(label_of(result) for result in document["results"])
    machine, facts = document["machine"], [" vs ".join(labels)]
    if cores := machine.get("cores"):
        facts.append(f"{cores} cores")
    lengths = "/".join(str(length) for length in document["lengths"])
    facts.append(f"{lengths} → {document['new_tokens']} tokens")
    rounds = document["repeats"]
    facts.append(f"{rounds} round{'' if rounds == 1 else 's'}")
    shares = [share for r in document["results"] if (share := processor_share(r)) is not None]
    if shares:
        facts.append(f"CPU {max(shares):.0%}".replace("%", " %"))
    facts += _condition_words(document)
    return Content.assemble(part(" · ".join(facts), MUTED))


def _condition_words(document: BenchDocument) -> list[str]:
    conditions = document.get("conditions", {})
    throttled = conditions.get("throttled")
    if not document["void"]:
        return ["machine quiet, cool ✓" if throttled is False else "machine quiet ✓"]
    if conditions.get("slept_s", 0.0) > SLEPT_SECONDS:
        return ["machine slept ✗"]
    return ["processor slowed down ✗"] if throttled else ["machine busy ✗"]


def notes_words(document: BenchDocument) -> Content:
    """Return the meaning of the figures, the overhead of a service, and the notes of the benchmark."""
    added = [case["summary"] for entry in document.get("overhead", []) for case in entry["cases"]]
    once = not has_spread(document)
    if document["void"]:
        first = "one void measurement of each" if once else "median (min–max) of void figures"
    else:
        how = "one measurement of each, no spread" if once else "median (min–max)"
        first = f"{how}; all figures measured here"
    notes = [first, *added, *document["notes"]]
    notes += (
        f"{label_of(result)}: {words}."
        for result in document["results"]
        if (words := energy_sentence(result))
    )
    if not document["void"] and "conditions" in document:
        notes += condition_sentences(document["conditions"])
    return Content("\n").join([Content(one_line(note, 400)) for note in notes])
