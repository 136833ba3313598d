"""The job list as a dialog: what runs and waits; stop it, change the order, open its step."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, DataTable

from firstlight_core.crowding import crowding
from firstlight_tui.modals.cancel_work import cancel_work
from firstlight_tui.state.job_list import JobRow, job_rows
from firstlight_tui.state.workspace import Workspace
from firstlight_tui.terminal.app import workspace_of
from firstlight_tui.widgets.fitted_table import Cells, Column, FittedTable
from firstlight_tui.widgets.screens import Dialog
from firstlight_tui.widgets.words import Words, cell

COLUMNS = (
    Column(key="job", label="Job", width=23),
    Column(key="words", label="What it does"),
    Column(key="time", label="Time", width=11, right=True),
)
STYLES = {"running": "bold", "waiting": "", "done": "dim", "failed": "dim", "cancelled": "dim"}
EMPTY = "Nothing runs, and nothing waits. Conversions and measurements come here, one at a time."


class JobListScreen(Dialog[str | None]):
    """Returns the name of the work whose step is to be opened, or None."""

    CSS = """
    JobListScreen .dialog { width: 92; }
    JobListScreen Button { min-width: 10; }
    JobListScreen DataTable { height: auto; max-height: 12; }
    JobListScreen #crowded { color: $text-warning; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape,q,f3", "dismiss(None)", "Close", id="jobs.close", tooltip="Back to the step"
        ),
        Binding("delete,x", "stop", "Stop", id="jobs.stop", tooltip="Stop the marked job"),
        Binding(
            "shift+up", "move(-1)", "Earlier", id="jobs.earlier", tooltip="Its turn comes earlier"
        ),
        Binding("shift+down", "move(1)", "Later", id="jobs.later", tooltip="Its turn comes later"),
    ]

    @property
    def workspace(self) -> Workspace:
        """The workspace whose jobs these are."""
        return workspace_of(self)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content("Jobs")
            box.border_subtitle = Content(
                "Enter opens its step · Del stops · Shift+↑↓ order · Esc closes"
            )
            yield FittedTable(COLUMNS, id="jobs")
            yield Words(EMPTY, id="empty", classes="muted")
            yield Words(id="crowded")
            with Horizontal(classes="dialog-buttons"):
                yield Button("Close", id="close", compact=True)
                yield Button("Stop", id="stop", compact=True)
                yield Button("Earlier", id="earlier", compact=True)
                yield Button("Later", id="later", compact=True)

    def on_mount(self) -> None:
        self.workspace.worked.subscribe(self, lambda _: self._show())
        self._show()
        if self._rows:
            self.query_one(FittedTable).focus()

    def _show(self) -> None:
        if self.gone:
            return
        self._rows = {row.name: row for row in job_rows(self.workspace.jobs)}
        table = self.query_one(FittedTable)
        table.show_rows((row.name, _cells(row)) for row in self._rows.values())
        table.display = bool(self._rows)
        self.query_one("#empty").display = not self._rows
        crowded = crowding(self.workspace.history.samples) if self.workspace.busy else None
        line = self.query_one("#crowded", Words)
        line.display = crowded is not None
        line.update(f"! {crowded.words}" if crowded is not None else "")
        self._show_buttons()

    @on(DataTable.RowHighlighted)
    def _show_buttons(self) -> None:
        marked = self._marked
        self.query_one("#stop", Button).disabled = marked is None or marked.status not in (
            "running",
            "waiting",
        )
        waiting = [work.name for work in self.workspace.jobs.waiting]
        name = marked.name if marked is not None else ""
        self.query_one("#earlier", Button).disabled = name not in waiting[1:]
        self.query_one("#later", Button).disabled = name not in waiting[:-1]

    @property
    def _marked(self) -> JobRow | None:
        return self._rows.get(self.query_one(FittedTable).current or "")

    @on(DataTable.RowSelected)
    def _open(self, event: DataTable.RowSelected) -> None:
        self.dismiss(event.row_key.value)

    @on(Button.Pressed, "#close")
    def _close(self) -> None:
        self.dismiss(None)

    @on(Button.Pressed, "#stop")
    def action_stop(self) -> None:
        """Stop the marked job, or take it out of the queue."""
        if (marked := self._marked) is not None:
            cancel_work(self, marked.name)

    @on(Button.Pressed, "#earlier")
    def _earlier(self) -> None:
        self.action_move(-1)

    @on(Button.Pressed, "#later")
    def _later(self) -> None:
        self.action_move(1)

    def action_move(self, by: int) -> None:
        """Let the marked job come earlier or later."""
        if (marked := self._marked) is not None:
            self.workspace.jobs.move(marked.name, by)
            self._show()


def _cells(row: JobRow) -> Cells:
    style = STYLES[row.status]
    return {
        "job": cell(f"{row.mark} {row.label}", style),
        "words": cell(row.words, style),
        "time": cell(row.time, style, right=True),
    }
