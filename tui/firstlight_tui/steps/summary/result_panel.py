"""The panel of a run's result: one sentence, four tiles, and the course's claims beside what was measured."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical

from firstlight_core.estimate.measured_figures import Measurements, measured_figures
from firstlight_core.ledger import Entry
from firstlight_core.precision.table import find_precision
from firstlight_core.report.claims import check_claims
from firstlight_core.report.facts import RunFacts
from firstlight_core.session import Session
from firstlight_tui.steps.summary.trophy import claim_line, headline, tiles
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.charts.chart import Chart
from firstlight_tui.widgets.charts.tile import TilePane, TileRow

TILES = ("size", "speed", "closeness", "memory")


class ResultPanel(Vertical):
    """Shown when something was converted, adopted or connected."""

    DEFAULT_CSS = """
    ResultPanel { height: auto; display: none; margin-bottom: 1; }
    ResultPanel.-shown { display: block; }
    ResultPanel #tiles { margin: 1 0; }
    """

    def compose(self) -> ComposeResult:
        yield Words(id="result")
        with TileRow(id="tiles"):
            for name, tile in zip(TILES, tiles({}, "", None, None), strict=True):
                yield TilePane(tile, id=f"tile-{name}")
        yield Chart(id="claims")

    def show(self, name: str, session: Session, entries: Sequence[Entry], facts: RunFacts) -> None:
        """Show what the session and the entries of its ledger say of the artifact in use; `name` is the model's."""
        self.set_class(session.target is not None, "-shown")
        if session.target is None:
            return
        figures = measured_figures(session.artifacts, Measurements.of(session, entries))
        key = facts.precision_in_use
        own = figures.get(key)
        fp32 = _fp32_bytes(session)
        machine = session.benchmark["machine"] if session.benchmark is not None else {}
        self.query_one("#result", Words).update(headline(name, own, fp32))
        # Nothing is compared where nothing was converted here: the figures are joined by the conversion.
        self.query_one(TileRow).display = own is not None
        for each, tile in zip(
            TILES, tiles(figures, key, fp32, machine.get("memory_bytes")), strict=True
        ):
            self.query_one(f"#tile-{each}", TilePane).show_tile(tile)
        checks = check_claims(find_precision(key), figures, fp32) if own is not None else []
        claims = self.query_one("#claims", Chart)
        claims.display = bool(checks)
        claims.show(claim_line(checks))


def _fp32_bytes(session: Session) -> int | None:
    """Return the estimated size of FP32, where the model was inspected."""
    if session.model is None:
        return None
    estimate = (session.model.get("estimates") or {}).get("fp32")
    return estimate.get("bytes") if estimate is not None else None
