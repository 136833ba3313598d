"""Step 1: is this machine ready?"""

from collections.abc import Mapping
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import DataTable

from firstlight_core.session import Session
from firstlight_core.text import one_line, redact
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.widgets import Words, cell
from firstlight_tui.widgets.words import part
from firstlight_tui.works import OnEvent, Started, Work

MARKS = {
    "ok": ("✓", "$text-success"),
    "warning": ("!", "$text-warning"),
    "missing": ("–", "$text-warning"),
    "fail": ("✗", "$text-error"),
    "unknown": ("?", "$foreground-muted"),
}
VERDICTS = {
    "ready": ("Ready.", "bold $text-success"),
    "warnings": ("Ready, with warnings.", "bold $text-warning"),
    "blocked": ("Blocked: something must be fixed first.", "bold $text-error"),
}


class EnvironmentStep(StepScreen):
    """Rows of checks, live, each with its reason and its remedy."""

    STEP_ID = "environment"
    STEP_TITLE = "Environment"
    PURPOSE = "What this machine has, what is needed, and the command that mends it."
    HELP = "Every row is probed in its own process with a time limit. Nothing is changed on your machine."
    WORK = "environment"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "r",
            "recheck",
            "Check again",
            id="environment.recheck",
            tooltip="Probe everything again",
        ),
        Binding(
            "c",
            "copy_fix",
            "Copy fix",
            id="environment.fix",
            tooltip="Copy the command of this row",
        ),
        Binding(
            "y",
            "copy_report",
            "Copy report",
            id="environment.report",
            tooltip="Copy all rows, without name, tokens and paths",
        ),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._rows: dict[str, Mapping[str, Any]] = {}

    @classmethod
    def done(cls, session: Session) -> bool:
        return session.environment is not None

    def compose_step(self) -> ComposeResult:
        yield Words("Looking …", id="verdict")
        table: DataTable[Any] = DataTable(cursor_type="row", id="checks", zebra_stripes=False)
        table.add_column("", key="mark", width=1)
        table.add_column("Check", key="title")
        table.add_column("Found", key="found")
        yield table
        yield Words(id="check-detail", classes="card")

    def opened(self) -> None:
        if self.session.environment is not None:
            self._show_document(self.session.environment)
        elif self.work is None:
            self._probe()

    def _probe(self) -> None:
        wizard = self.wizard

        async def run(on_event: OnEvent, started: Started) -> dict[str, Any]:
            # The rows belong to the work: the user may walk on while the slow ones are still out.
            return dict(
                await wizard.services.run_checks(on_result=wizard.works["environment"].add_row)
            )

        wizard.start(self.WORK, "The environment check", run)

    def _show_row(self, row: Mapping[str, Any]) -> None:
        table = self.query_one("#checks", DataTable)
        key = str(row["id"])
        mark, style = MARKS.get(str(row["status"]), ("?", "$foreground-muted"))
        colour = self.app.theme_variables.get(style.removeprefix("$"), "")
        cells = (
            cell(mark, f"bold {colour}" if colour and not colour.startswith("auto") else "bold"),
            cell(str(row.get("title", key))),
            cell(one_line(str(row.get("found", "")), 90)),
        )
        if key in self._rows:
            for column, value in zip(("mark", "title", "found"), cells, strict=True):
                table.update_cell(key, column, value, update_width=True)
        else:
            table.add_row(*cells, key=key)
        self._rows[key] = row
        if table.cursor_row == table.get_row_index(key):
            self._show_detail(row)

    def _show_document(self, document: Mapping[str, Any]) -> None:
        for row in document.get("checks", ()):
            self._show_row(row)
        words, style = VERDICTS.get(str(document.get("verdict")), ("", ""))
        self.query_one("#verdict", Words).update(Content.styled(words, style))

    @on(DataTable.RowHighlighted, "#checks")
    def _highlighted(self, event: DataTable.RowHighlighted) -> None:
        if event.row_key is not None and event.row_key.value in self._rows:
            self._show_detail(self._rows[event.row_key.value])

    def _show_detail(self, row: Mapping[str, Any]) -> None:
        lines = [
            Content.assemble(part(f"{name:7}", "$foreground-muted"), part(str(row[key])))
            for name, key in (
                ("Found", "found"),
                ("Needed", "needed"),
                ("Why", "why"),
                ("Fix", "fix"),
            )
            if row.get(key)
        ]
        self.query_one("#check-detail", Words).update(Content("\n").join(lines))

    def show_work(self, work: Work) -> None:
        for row in work.rows[len(self._rows) if work.running else 0 :]:
            self._show_row(row)
        if work.result is not None and self.session.environment is not work.result:
            self.wizard.session = self.session.decide(environment=work.result)
            self._show_document(work.result)
        elif work.running:
            rows = len(self._rows)
            self.query_one("#verdict", Words).update(
                f"Looking … {rows} rows so far, {work.seconds:.0f} s"
            )

    def action_recheck(self) -> None:
        """Probe everything again."""
        self._probe()

    def action_copy_fix(self) -> None:
        """Copy the command of the highlighted row."""
        table = self.query_one("#checks", DataTable)
        if not self._rows or table.cursor_row < 0:
            return
        key = table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value
        fix = str(self._rows[str(key)].get("fix") or "")
        if fix:
            self.app.copy_to_clipboard(fix)
        self.notify(f"Copied: {fix}" if fix else "Nothing to mend in this row.", markup=False)

    def action_copy_report(self) -> None:
        """Copy all rows, redacted."""
        lines = [
            f"{r['status']:8} {r.get('title', r['id'])}: {r.get('found', '')}"
            for r in self._rows.values()
        ]
        self.app.copy_to_clipboard(redact("\n".join(lines)))
        self.notify("Report copied, without your name, tokens and paths.", markup=False)
