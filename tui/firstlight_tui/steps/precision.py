"""Step 3: the table that puts claim, estimate and measurement side by side."""

from collections.abc import Mapping
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import DataTable

from firstlight_core.precisions import DEFAULT_PRECISION, PRECISIONS, find_precision
from firstlight_core.session import Session
from firstlight_core.text import bytes_text, seconds_text
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.widgets import Words, cell
from firstlight_tui.widgets.words import part


class PrecisionStep(StepScreen):
    """Mark one or several rows; unavailable ones stay visible with their reason."""

    STEP_ID = "precision"
    STEP_TITLE = "Precision"
    PURPOSE = "Claim (the course), estimate (for this model), measured (here). Space marks a row."
    HELP = (
        "INT4 is marked first: the course's advice is to start with INT4 and to try INT8 or FP16 when the quality is "
        "not satisfactory. Several rows can be marked; they are converted one after another."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "space",
            "mark",
            "Mark",
            id="precision.mark",
            tooltip="Mark or unmark this row",
            priority=True,
        ),
    ]

    @classmethod
    def missing(cls, session: Session) -> str | None:
        return None if session.precisions else "Mark at least one precision with Space."

    @classmethod
    def done(cls, session: Session) -> bool:
        return bool(session.precisions)

    def compose_step(self) -> ComposeResult:
        table: DataTable[Any] = DataTable(cursor_type="row", id="precisions")
        for key, label in COLUMNS:
            table.add_column(label, key=key)
        yield table
        yield Words(id="precision-detail", classes="card")

    def opened(self) -> None:
        if not self.session.precisions:
            self.wizard.session = self.session.decide(precisions=(self._advised(),))
        table = self.query_one("#precisions", DataTable)
        for precision in PRECISIONS:
            table.add_row(*self._cells(precision.key), key=precision.key)
        keys = [precision.key for precision in PRECISIONS]
        table.move_cursor(row=keys.index(self.session.precisions[0]))

    def _advised(self) -> str:
        """INT4, or the first row that can run when INT4 cannot."""
        for key in (DEFAULT_PRECISION, *(precision.key for precision in PRECISIONS)):
            if self._available(key):
                return key
        return DEFAULT_PRECISION

    def _estimate(self, key: str) -> Mapping[str, Any]:
        estimates = (self.session.model or {}).get("estimates") or {}
        found: Mapping[str, Any] = estimates.get(key, {})
        return found

    def _available(self, key: str) -> bool:
        return bool(self._estimate(key).get("available", True))

    def _cells(self, key: str) -> tuple[Any, ...]:
        precision, guess = find_precision(key), self._estimate(key)
        document = self.session.measured(key)
        dim = "" if self._available(key) else "dim strike"
        marked = key in self.session.precisions
        claim = precision.claim
        return (
            cell("●" if marked else "○", "bold" if marked else "dim"),
            cell(precision.label, dim or ("bold" if marked else "")),
            cell(f"{claim.size} {claim.speed}, {claim.quality}" if claim else "–", dim or "dim"),
            cell(bytes_text(guess["bytes"]) if "bytes" in guess else "–", dim, right=True),
            cell(
                bytes_text(guess["peak_ram_bytes"]) if "peak_ram_bytes" in guess else "–",
                dim,
                right=True,
            ),
            cell(seconds_text(guess["seconds"]) if "seconds" in guess else "–", dim, right=True),
            cell(
                bytes_text(document["bytes"]) if document else "–",
                "bold" if document else dim,
                right=True,
            ),
            cell(
                seconds_text(document["seconds"]) if document else "–",
                "bold" if document else dim,
                right=True,
            ),
        )

    def _repaint(self, key: str) -> None:
        table = self.query_one("#precisions", DataTable)
        for (column, _), value in zip(COLUMNS, self._cells(key), strict=True):
            table.update_cell(key, column, value, update_width=True)

    def action_mark(self) -> None:
        """Mark or unmark the highlighted row."""
        table = self.query_one("#precisions", DataTable)
        self._toggle(PRECISIONS[table.cursor_row].key)

    @on(DataTable.RowSelected, "#precisions")
    def _selected(self, event: DataTable.RowSelected) -> None:
        # Enter on a row chooses that row alone and goes on.
        key = str(event.row_key.value)
        if not self._available(key):
            self._toggle(key)
        else:
            self.wizard.session = self.session.decide(precisions=(key,))
            for precision in PRECISIONS:
                self._repaint(precision.key)
            self.query_one("#primary").focus()

    def _toggle(self, key: str) -> None:
        if not self._available(key):
            reason = str(self._estimate(key).get("reason") or "This row cannot run here.")
            self.notify(reason, severity="warning", markup=False)
            return
        marked = set(self.session.precisions) ^ {key}
        chosen = tuple(p.key for p in PRECISIONS if p.key in marked)
        self.wizard.session = self.session.decide(precisions=chosen)
        self._repaint(key)

    @on(DataTable.RowHighlighted, "#precisions")
    def _highlighted(self, event: DataTable.RowHighlighted) -> None:
        precision = PRECISIONS[event.cursor_row]
        guess = self._estimate(precision.key)
        claim = precision.claim
        lines = [Content.assemble(part(precision.label, "bold"), part(f"  {precision.note}"))]
        if claim is not None:
            lines.append(
                _line(
                    "claim",
                    f"size {claim.size} of FP32, {claim.speed}, {claim.quality}, for: {claim.use}",
                )
            )
        if guess:
            facts = [
                f"{label} {shown(guess[key])}"
                for key, label, shown in ESTIMATED
                if guess.get(key) is not None
            ]
            lines.append(_line("estimate", "; ".join(facts)))
            if guess.get("assumes"):
                lines.append(_line("", str(guess["assumes"])))
        if (document := self.session.measured(precision.key)) is not None:
            peak = (
                f"; peak RAM {bytes_text(document['peak_rss_bytes'])}"
                if document.get("peak_rss_bytes")
                else ""
            )
            lines.append(
                _line(
                    "measured",
                    f"{bytes_text(document['bytes'])} in {seconds_text(document['seconds'])}{peak}",
                )
            )
        if not self._available(precision.key):
            lines.append(Content.styled(f"Not here: {guess.get('reason', '')}", "$text-warning"))
        self.query_one("#precision-detail", Words).update(Content("\n").join(lines))


def _line(mark: str, words: str) -> Content:
    return Content.assemble(part(f"{mark:9}", "$text-accent"), part(words))


COLUMNS = (
    ("mark", ""),
    ("label", "Precision"),
    ("claim", "Claim"),
    ("bytes", "Est. size"),
    ("peak", "Est. RAM"),
    ("seconds", "Est. time"),
    ("measured", "Measured"),
    ("took", "Took"),
)
ESTIMATED = (
    ("bytes", "size", bytes_text),
    ("peak_ram_bytes", "peak RAM while converting", bytes_text),
    ("disk_bytes", "disk while working", bytes_text),
    ("seconds", "time", seconds_text),
    ("run_ram_bytes", "RAM to run", bytes_text),
)
