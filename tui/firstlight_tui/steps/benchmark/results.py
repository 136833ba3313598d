"""The panel of the benchmark's results: tiles, bars, curves, and the table with every figure."""

from collections.abc import Iterable, Mapping, Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content

from firstlight_core.documents.measure import BenchDocument
from firstlight_core.measure.bench_words import find_result
from firstlight_core.process.events import Measured
from firstlight_core.text import one_line
from firstlight_tui.steps.benchmark.dials import live_bars, live_tiles, tiles
from firstlight_tui.steps.benchmark.limits import limits_content, limits_of, over_words
from firstlight_tui.steps.benchmark.rows import client_rows, figure_rows, processor_share
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.bench_plots import curves, further_bars, label_of, speed_bars
from firstlight_tui.widgets.charts import Chart, Tile, TilePane, TileRow
from firstlight_tui.widgets.charts.roles import MUTED
from firstlight_tui.widgets.fitted_table import Column, FittedTable
from firstlight_tui.widgets.words import part

TILES = ("first-token", "writing", "reading", "memory")
BARS = ("speeds", "readings", "waits")
"""The first always; the others beside it where the terminal is wide."""
PLOTS = ("plot-first-token", "plot-writing")
FIGURES = (
    Column(key="target", label="Target"),
    Column(key="prompt", label="Prompt", width=6),
    Column(key="new", label="New", width=4, from_width=108),
    Column(key="ttft", label="TTFT ms", width=17),
    Column(key="prefill", label="Prefill tok/s", width=20, from_width=84),
    Column(key="decode", label="Decode tok/s", width=19),
    Column(key="load", label="Load s", width=6, from_width=116),
    Column(key="memory", label="RAM peak", width=10, from_width=100),
)
CLIENTS = (
    Column(key="server", label="Server"),
    Column(key="clients", label="Clients", width=7),
    Column(key="requests", label="Requests/s", width=10, from_width=70),
    Column(key="tokens", label="Tokens/s", width=8),
    Column(key="p50", label="p50 ms", width=7),
    Column(key="p95", label="p95 ms", width=7),
    Column(key="errors", label="Errors", width=6),
)
VOID = "✗ VOID: measure again before you use these figures."
STOPPED = "! STOPPED EARLY: the figures are of what was measured until then."


class BenchResults(Vertical):
    """Shows a benchmark document, or the measurements of one that runs."""

    DEFAULT_CSS = """
    BenchResults { height: 1fr; min-height: 22; }
    BenchResults #setup { height: auto; max-width: 100; }
    BenchResults #banner { display: none; width: 100%; height: auto; padding: 0 1; background: $error; color: $button-color-foreground; text-style: bold; }
    BenchResults #bars { height: auto; margin-top: 1; }
    BenchResults #bars Chart { margin-right: 2; }
    BenchResults #readings, BenchResults #waits { display: none; }
    BenchResults #limits { margin-top: 1; }
    BenchResults #plots { height: 1fr; min-height: 8; max-height: 24; margin-top: 1; display: none; }
    BenchResults #plots Chart { height: 100%; margin-right: 2; }
    BenchResults FittedTable { height: auto; max-height: 14; margin-top: 1; display: none; }
    BenchResults #notes { margin-top: 1; max-width: 100; }
    """

    def compose(self) -> ComposeResult:
        yield Words(id="setup", classes="muted")
        yield Words(id="banner")
        with TileRow(id="dials"):
            for name, tile in zip(TILES, live_tiles({}, None), strict=True):
                yield TilePane(tile, id=name)
        with Horizontal(id="bars"):
            for name in BARS:
                yield Chart(id=name)
        with Horizontal(id="plots"):
            for name in PLOTS:
                yield Chart(id=name)
        yield FittedTable(FIGURES, id="figures")
        yield FittedTable(CLIENTS, id="clients")
        yield Words(id="limits")
        yield Words(id="notes", classes="muted")

    def clear(self) -> None:
        """Show nothing but empty tiles."""
        self._show_tiles(live_tiles({}, None))
        for name in (*BARS, *PLOTS):
            self.query_one(f"#{name}", Chart).show(None)
        self.query_one("#plots").display = False
        for name in ("figures", "clients"):
            self.query_one(f"#{name}").display = False
        for name in ("setup", "banner", "limits", "notes"):
            self.query_one(f"#{name}", Words).update("")
        self.query_one("#banner").display = False

    def show_live(
        self, measured: Mapping[str, float], repetitions: Iterable[Measured], memory: int | None
    ) -> None:
        """Show what has been measured so far; figures of an earlier document give way."""
        self.clear()
        self._show_tiles(live_tiles(measured, memory))
        self.query_one("#speeds", Chart).show(live_bars(repetitions))

    def show(self, document: BenchDocument, target: str | None) -> None:
        """Show a document; the tiles are of `target`, where it was measured."""
        result = find_result(document, target)
        limits = limits_of(document, result)
        self._show_tiles(tiles(document, result))
        self.query_one("#setup", Words).update(setup_words(document))
        early = STOPPED if document.get("stopped") else ""
        words = VOID if document["void"] else early or over_words(limits)
        banner = self.query_one("#banner", Words)
        banner.display = bool(words)
        banner.update(words)
        self.query_one("#limits", Words).update(limits_content(limits))
        for name, bars in zip(BARS, (speed_bars(document), *further_bars(document)), strict=True):
            self.query_one(f"#{name}", Chart).show(bars)
        plots = curves(document)
        self.query_one("#plots").display = bool(plots)
        for name, plot in zip(PLOTS, (*plots, None, None), strict=False):
            chart = self.query_one(f"#{name}", Chart)
            chart.show(plot)
            chart.display = plot is not None
        self._show_table("figures", FIGURES, figure_rows(document))
        self._show_table("clients", CLIENTS, client_rows(document))
        self.query_one("#notes", Words).update(notes_words(document))

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
    facts.append(f"{document['repeats']} rounds")
    shares = [share for r in document["results"] if (share := processor_share(r)) is not None]
    if shares:
        facts.append(f"CPU {max(shares):.0%}".replace("%", " %"))
    facts.append("machine busy ✗" if document["void"] else "machine quiet ✓")
    return Content.assemble(part(" · ".join(facts), MUTED))


def notes_words(document: BenchDocument) -> Content:
    """Return the meaning of the figures, the overhead of a service, and the notes of the benchmark."""
    added = [case["summary"] for entry in document.get("overhead", []) for case in entry["cases"]]
    first = (
        "Void: measure again before you use these figures. Median (min–max)"
        if document["void"]
        else "median (min–max); all figures measured here"
    )
    notes = [first, *added, *document["notes"]]
    return Content("\n").join([Content(one_line(note, 400)) for note in notes])
