"""The earlier runs of this machine: go on with one, compare two, open a report, delete."""

from collections.abc import Callable
from functools import partial
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import DataTable

from firstlight_core.errors import FirstlightError
from firstlight_core.text import shown_path
from firstlight_tui.modals.confirm import ConfirmScreen
from firstlight_tui.modals.detail import DetailScreen
from firstlight_tui.state.run_memory import RunMemory
from firstlight_tui.state.runs_list import RunsList, cells_of, compare, delete_question
from firstlight_tui.state.workspace import Workspace
from firstlight_tui.terminal.workers import begin
from firstlight_tui.widgets.fitted_table import Column, FittedTable
from firstlight_tui.widgets.screens import Page
from firstlight_tui.widgets.words import Words, cell, part

_COLUMNS = (
    Column(key="mark", width=1),
    Column(key="model", label="Model", share=2),
    Column(key="made", label="Made"),
    Column(key="reached", label="Reached", width=14),
    Column(key="size", label="Size", width=9, from_width=70, right=True),
    Column(key="decode", label="tok/s", width=9, from_width=70, right=True),
    Column(key="when", label="When", width=12),
)
_EMPTY = "No earlier run yet. A run is kept from the moment a model is chosen."


class RunsScreen(Page[None]):
    """A table of runs; every key works on the highlighted one."""

    CSS = """
    RunsScreen #runs { height: 1fr; }
    RunsScreen #about { height: auto; margin-top: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "Close", id="runs.close", tooltip="Back to the step"),
        Binding("o", "report", "Report", id="runs.report", tooltip="Open its report"),
        Binding("space", "mark", "Mark", id="runs.mark", tooltip="Mark it for Compare"),
        Binding("f6", "compare", "Compare", id="runs.compare", tooltip="With the marked one"),
        Binding("delete", "delete", "Delete", id="runs.delete", tooltip="Delete it, after a yes"),
        Binding("f8", "undo", "Undo", id="runs.undo", tooltip="Put the last deleted one back"),
    ]

    def __init__(
        self, workspace: Workspace, memory: Callable[[], RunMemory], *, first: str | None = None
    ) -> None:
        """`memory` records the run that is opened; `first` is the id of the highlighted run."""
        super().__init__()
        self._list = RunsList(workspace)
        self._workspace, self._memory, self._first = workspace, memory, first
        self._marked: str | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content("Runs")
            box.border_subtitle = Content(
                "Enter opens · o report · Space, F6 compare · Del delete · F8 undo · Esc"
            )
            yield FittedTable(_COLUMNS, id="runs")
            yield Words(id="about")

    def on_mount(self) -> None:
        begin(self, self._read, group="runs")

    async def _read(self) -> None:
        await self._list.read()
        self._show(self._first)

    def _show(self, id: str | None = None) -> None:
        table = self.query_one(FittedTable)
        table.show_rows((run.run.id, self._cells(run.run.id)) for run in self._list.runs)
        if id is not None:
            table.select(id)
        self._about()

    def _cells(self, id: str) -> dict[str, Text]:
        run = self._list.find(id)
        if run is None:
            return {}
        cells = cells_of(run)
        return {
            "mark": cell("●" if id == self._marked else ""),
            "model": cell(cells.model, "bold"),
            "made": cell(cells.made),
            "reached": cell(cells.reached, "bold" if run.failed else ""),
            "size": cell(cells.size, right=True),
            "decode": cell(cells.decode, right=True),
            "when": cell(cells.when),
        }

    @on(DataTable.RowHighlighted)
    def _about(self) -> None:
        run = self._list.find(self._current)
        words = self.query_one("#about", Words)
        if run is None:
            words.update(Content.styled(_EMPTY, "$foreground-muted"))
            return
        why = self._list.hindrance(run)
        report = "" if run.report else "  no report yet"
        words.update(
            Content.assemble(
                part(shown_path(run.run.folder), "$foreground-muted"),
                part(report, "$foreground-muted"),
                part(f"\n{why}" if why else "", "$text-warning"),
            )
        )

    @property
    def _current(self) -> str | None:
        return self.query_one(FittedTable).current

    @on(DataTable.RowSelected)
    def _open(self) -> None:
        run = self._list.find(self._current)
        if run is None:
            return
        if why := self._list.hindrance(run):
            self.notify(why, severity="warning", markup=False)
            return

        async def open_it() -> None:
            losses = await self._list.open(run, self._memory())
            for sentence in losses:
                self.app.notify(sentence, severity="warning", markup=False)

        self.dismiss()
        self.app.call_later(begin, self.app, open_it, group="continue")

    def action_report(self) -> None:
        """Open the report in the browser of this machine, and say where it lies."""
        run = self._list.find(self._current)
        if run is None:
            return
        if run.report is None:
            words = f"No report: `firstlight report {run.run.id}` writes it."
            self.notify(words, severity="warning", markup=False)
        else:
            self.app.open_url(run.report.absolute().as_uri())
            self.notify(f"Report: {shown_path(run.report)}", markup=False)

    def action_mark(self) -> None:
        """Mark the highlighted run, or take the mark away."""
        self._marked = None if self._marked == self._current else self._current
        self._show()

    def action_compare(self) -> None:
        """Show the marked run beside the highlighted one."""
        left, right = self._list.find(self._marked), self._list.find(self._current)
        if left is None or right is None or left is right:
            self.notify("Mark one run with Space, then go to another one.", markup=False)
            return
        room = max(20, (self.app.size.width - 30) // 2)
        lines = [
            Content.assemble(
                part(f"{label:<17}", "$foreground-muted"),
                part(f"{one[: room - 2]:<{room}}"),
                part(two[:room], "" if one == two else "bold"),
            )
            for label, one, two in compare(left, right)
        ]
        self.app.push_screen(DetailScreen("Two runs", Content("\n").join(lines)))

    def action_delete(self) -> None:
        """Delete the highlighted run after a question."""
        run = self._list.find(self._current)
        if run is None:
            return
        question = delete_question(run, self._workspace.paths)

        async def delete() -> None:
            try:
                await self._list.delete(run)
            except FirstlightError as error:
                self.notify(error.with_hint, severity="error", markup=False)
            else:
                self.notify("Deleted. F8 puts it back.", markup=False)
            self._show()

        self.app.push_screen(
            ConfirmScreen(question, yes="Delete", no="Keep it"),
            lambda yes: begin(self, delete, group="runs") if yes else None,
        )

    def action_undo(self) -> None:
        """Put back what was deleted last."""
        begin(self, self._undo, group="runs")

    async def _undo(self) -> None:
        try:
            run = await self._list.undo()
        except FirstlightError as error:
            self.notify(error.with_hint, severity="error", markup=False)
            return
        if run is None:
            self.notify("Nothing was deleted here.", markup=False)
        self._show(run.id if run is not None else None)

    def on_unmount(self) -> None:
        """Remove for good what was deleted."""
        self.app.call_later(begin, self.app, partial(self._list.close), group="deleted-runs")
