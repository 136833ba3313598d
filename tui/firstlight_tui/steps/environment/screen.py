"""Step 1: is this machine ready?"""

import asyncio
from functools import partial

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Horizontal, Vertical, VerticalScroll
from textual.theme import Theme
from textual.widgets import Button, DataTable

from firstlight_core.documents.environment import DoctorDocument
from firstlight_core.errors import StateProblem
from firstlight_core.files import write_whole
from firstlight_core.session import Session
from firstlight_core.text import shown_path
from firstlight_tui.modals import DetailScreen
from firstlight_tui.state.work import Work
from firstlight_tui.state.work_rows import CheckRow
from firstlight_tui.state.workspace import Workspace
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.steps.environment.groups import GROUPS, group_rows, problems, tile_of
from firstlight_tui.steps.environment.install import Installation
from firstlight_tui.steps.environment.keys import HELP, KEYS
from firstlight_tui.steps.environment.machine_card import MachineCard
from firstlight_tui.steps.environment.probing import PROBE, start_probing
from firstlight_tui.steps.environment.rows import (
    COLUMNS,
    course_text,
    detail_words,
    fine_content,
    row_cells,
    verdict_words,
)
from firstlight_tui.terminal.workers import begin
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.charts.tile import TilePane, TileRow
from firstlight_tui.widgets.fitted_table import FittedTable

PROBLEMS, ALL = "problems", "all"
REPORT_NAME = "environment-report.txt"


class EnvironmentStep(StepScreen):
    """Live rows; a red one shows the command that fixes it."""

    STEP_ID = "environment"
    PURPOSE = "Is this machine ready? What is missing, and how to fix it."
    HELP = HELP
    WORK = PROBE
    CSS = """
    EnvironmentStep #tiles { margin-top: 1; }
    EnvironmentStep #panes { height: 1fr; min-height: 12; layout: horizontal; margin-top: 1; }
    EnvironmentStep #rows-pane { width: 3fr; height: 100%; }
    EnvironmentStep #rows-title { height: 1; color: $text-accent; }
    EnvironmentStep #machine-card { width: 2fr; margin-left: 1; height: 100%; }
    EnvironmentStep.-narrow #tiles, EnvironmentStep.-narrow #panes { margin-top: 0; }
    EnvironmentStep.-narrow #panes { layout: vertical; height: auto; }
    EnvironmentStep.-narrow #rows-pane { width: 100%; height: auto; }
    EnvironmentStep.-narrow #machine-card { width: 100%; height: auto; margin: 0; }
    EnvironmentStep.-narrow #checks { max-height: 10; }
    EnvironmentStep #checks { height: auto; max-height: 60%; min-height: 3; }
    EnvironmentStep #check-card { max-height: 50%; overflow-y: auto; scrollbar-size-vertical: 2; }
    EnvironmentStep.-narrow #check-card { margin-top: 0; max-height: 14; }
    EnvironmentStep #fine-pane { display: none; height: 1fr; margin-top: 1; scrollbar-size-vertical: 2; }
    EnvironmentStep.-tall #fine-pane { display: block; }
    EnvironmentStep.-narrow #history { display: none; }
    EnvironmentStep #check-card Horizontal { height: 1; }
    EnvironmentStep #check-card Button { margin-right: 2; }
    EnvironmentStep.-narrow #actions Button { margin-right: 1; min-width: 6; }
    """
    BINDINGS = KEYS

    def __init__(self) -> None:
        super().__init__()
        self._rows: dict[str, CheckRow] = {}
        self._open = PROBLEMS
        """Whose rows the table lists: the problems, all, or those of a group by its key."""

    @classmethod
    def done(cls, session: Session) -> bool:
        return session.environment is not None

    @classmethod
    def passed_over(cls, workspace: Workspace) -> None:
        if workspace.session.environment is None and workspace.drafts.model is not None:
            start_probing(workspace, {}, only=None)

    def compose_step(self) -> ComposeResult:
        yield Words("Looking …", id="verdict")
        with TileRow(id="tiles"):
            for group in GROUPS:
                yield TilePane(tile_of(group, ()), id=f"tile-{group.key}", choosable=True)
        with Container(id="panes"):
            with Vertical(id="rows-pane"):
                yield Words(id="rows-title")
                yield FittedTable(COLUMNS, id="checks")
                with Vertical(id="check-card", classes="card"):
                    yield Words(id="check-detail")
                    with Horizontal():
                        yield Button("Check this row", id="one", compact=True)
                        yield Button("Copy fix", id="copy-fix", compact=True)
                with VerticalScroll(id="fine-pane", can_focus=False):
                    yield Words(id="fine")
            yield MachineCard(id="machine-card")
        yield Installation(id="installation")

    def compose_actions(self) -> ComposeResult:
        yield Button("Check all", id="recheck", compact=True)
        yield Button("Report", id="report", compact=True)
        yield Button("Course", id="course", compact=True)
        yield Button("Install", id="install", variant="warning", compact=True)

    def opened(self) -> None:
        # A cell has the colour that it was painted with.
        self.app.theme_changed_signal.subscribe(self, self._paint_rows)
        self.query_one("#install").display = False
        if (work := self.workspace.works.get(Installation.WORK)) is not None:
            self._on_work(work)
        if self.session.environment is not None:
            self._show_document(self.session.environment)
        elif self.work is None:
            self._probe()

    def on_unmount(self) -> None:
        # The application would hold the step, with all its parts, to the end.
        self.app.theme_changed_signal.unsubscribe(self)

    def _probe(self, only: str | None = None) -> None:
        if self.work is not None and self.work.running:
            self.notify("Still looking.")
            return
        start_probing(self.workspace, self._rows, only=only)

    @property
    def stoppable(self) -> str:
        """Name of the installation while it runs, else of the check."""
        installation = self.workspace.works.get(Installation.WORK)
        pending = installation is not None and installation.pending
        return Installation.WORK if pending else super().stoppable

    def _on_work(self, work: Work) -> None:
        if work.name == Installation.WORK:
            self.query_one(Installation).show(work)
            if work.error is not None:
                self.show_problem(work.error)
            elif work.running:
                self.clear_problem()
            elif work.status == "done" and self.session.environment is not None:
                self._show_document(self.session.environment)
            self.query_one("#install", Button).label = "Stop" if work.pending else "Install"
            self.show_stop()
        else:
            super()._on_work(work)

    def show_work(self, work: Work) -> None:
        if (document := self.workspace.works.result(PROBE)) is not None:
            self._show_document(document)
            return
        for row in {row["id"]: row for row in work.checks}.values():
            if self._rows.get(row["id"]) != row:
                self._show_row(row)
        if work.running:
            waiting = sum(row["status"] == "looking" for row in self._rows.values())
            self.query_one("#verdict", Words).update(
                f"Looking … {len(self._rows) - waiting} of {len(self._rows)} rows, {work.seconds:.0f} s"
            )
        elif work.status == "cancelled":
            words = "The check was stopped: what it had not looked at is not known."
            self.query_one("#verdict", Words).update(words)

    def _show_row(self, row: CheckRow) -> None:
        table = self.query_one("#checks", FittedTable)
        key = row["id"]
        self._rows[key] = row
        table.show_row(key, row_cells(row, self.app.theme_variables))
        self._show_tiles()
        if table.current == key:
            self._show_detail(row)

    def _show_document(self, document: DoctorDocument) -> None:
        rows: dict[str, CheckRow] = {row["id"]: row for row in document["checks"]}
        if rows != self._rows or not self._rows:
            self._rows = rows
            self._paint_rows()
        self.query_one("#verdict", Words).update(verdict_words(document))
        self.query_one("#install").display = self.workspace.services.toolchain_missing(document)
        if (current := self._current()) is not None:
            self._show_detail(current)

    def _paint_rows(self, theme: Theme | None = None) -> None:
        colours = self.app.theme_variables
        rows, title = self._listed()
        self.query_one("#rows-title", Words).update(title)
        cells = ((row["id"], row_cells(row, colours)) for row in rows)
        self.query_one("#checks", FittedTable).show_rows(cells)
        self._show_tiles()
        hidden = [row for row in self._rows.values() if row not in rows]
        self.query_one("#fine", Words).update(fine_content(hidden))

    def _listed(self) -> tuple[list[CheckRow], str]:
        """Return the rows that the table lists now, and the words above them."""
        rows = list(self._rows.values())
        group = next((group for group in GROUPS if group.key == self._open), None)
        if group is not None:
            return group_rows(
                group, rows
            ), f"{group.title} · Enter on the tile again: only problems"
        wrong = problems(rows)
        looking = any(row["status"] == "looking" for row in rows)
        if self._open == ALL or looking or not wrong:
            return rows, "All checks"
        count = "1 check needs" if len(wrong) == 1 else f"{len(wrong)} checks need"
        return wrong, f"{count} a look · a shows all {len(rows)}"

    def _show_tiles(self) -> None:
        rows = list(self._rows.values())
        for group in GROUPS:
            self.query_one(f"#tile-{group.key}", TilePane).show_tile(tile_of(group, rows))
        processor = self._rows.get("cpu")
        self.query_one(MachineCard).show_processor(processor["found"] if processor else "–")

    def _open_rows(self, which: str) -> None:
        """List other rows; the same once more lists the problems again."""
        self._open = PROBLEMS if self._open == which else which
        self._paint_rows()
        if (current := self._current()) is not None:
            self._show_detail(current)

    @on(TilePane.Chosen)
    def _tile_chosen(self, message: TilePane.Chosen) -> None:
        self._open_rows(str(message.pane.id).removeprefix("tile-"))

    def action_all_rows(self) -> None:
        """List every row, or only the problems again."""
        self._open_rows(ALL)

    def _current(self) -> CheckRow | None:
        key = self.query_one("#checks", FittedTable).current
        return self._rows.get(key) if key is not None else None

    @on(DataTable.RowHighlighted, "#checks")
    def _highlighted(self, event: DataTable.RowHighlighted) -> None:
        if (row := self._current()) is not None:
            self._show_detail(row)

    @on(DataTable.RowSelected, "#checks")
    def _chosen(self, event: DataTable.RowSelected) -> None:
        self.action_recheck_one()

    def _show_detail(self, row: CheckRow) -> None:
        self.query_one("#check-detail", Words).update(detail_words(row))
        self.query_one("#copy-fix").display = bool(row.get("fix"))

    @on(Button.Pressed, "#recheck")
    def action_recheck(self) -> None:
        """Probe everything again."""
        self._probe()

    @on(Button.Pressed, "#one")
    def action_recheck_one(self) -> None:
        """Probe the highlighted row again."""
        if (row := self._current()) is not None and self.session.environment is not None:
            self._probe(row["id"])

    @on(Button.Pressed, "#copy-fix")
    def action_copy_fix(self) -> None:
        """Copy the command of the highlighted row."""
        row = self._current()
        fix = row.get("fix", "") if row is not None else ""
        if fix:
            self.app.copy_to_clipboard(fix)
        self.notify(f"Copied: {fix}" if fix else "Nothing to fix in this row.", markup=False)

    @on(Button.Pressed, "#report")
    def action_copy_report(self) -> None:
        """Copy all rows, redacted, and keep them in a file."""
        if self.session.environment is None:
            self.notify("Wait until every row has its answer.", severity="warning")
            return
        text = self.workspace.services.report_text(self.session.environment)
        begin(self, partial(self._copy_report, text), group="report")

    async def _copy_report(self, text: str) -> None:
        self.app.copy_to_clipboard(text)
        path = self.workspace.paths.state / REPORT_NAME
        try:
            await asyncio.to_thread(write_whole, path, text)
        except StateProblem as error:
            self.notify(f"Copied. {error.with_hint}", severity="warning", markup=False)
        else:
            words = f"Copied, without your name, tokens and paths. Also in {shown_path(path)}"
            self.notify(words, markup=False)

    @on(Button.Pressed, "#course")
    def action_course(self) -> None:
        """Show the course's own install commands."""
        text = course_text(self.session.environment)
        self.app.push_screen(DetailScreen("The course's install commands", text))

    @on(Installation.Refused)
    def _install_refused(self, message: Installation.Refused) -> None:
        self.show_problem(message.error)

    @on(Button.Pressed, "#install")
    def action_install(self) -> None:
        """Show what would be installed and ask; while it runs, stop it."""
        self.query_one(Installation).ask_or_stop()
