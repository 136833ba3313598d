"""The table of precisions: what the course claims, what is estimated for this model, what was measured here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.text import Text
from textual import events
from textual.message import Message
from textual.widgets import DataTable

from firstlight_core.precision.table import PRECISIONS
from firstlight_tui.widgets.charts.canvas import bar
from firstlight_tui.widgets.precision_columns import (
    COLUMNS,
    NOTHING,
    STYLES,
    Bar,
    FigureColumn,
    PrecisionRow,
    Units,
)
from firstlight_tui.widgets.words import cell

NARROW = 117
"""Cells below which only the columns stay that matter most; all of them and two bars need as many."""

LEAST_BAR, MOST_BAR = 6, 16
"""Cells of a bar beside a figure."""
LABEL = 15
"""Cells of the longest label; a column of figures follows, which begins with a space."""


class PrecisionTable(DataTable[Text]):
    """One row a precision; the cursor shows, Space or a click on the mark marks."""

    DEFAULT_CSS = """
    PrecisionTable { height: auto; overflow-x: hidden; }
    """

    @dataclass
    class MarkClicked(Message):
        """The mark of a row was clicked."""

        table: "PrecisionTable"
        key: str

        @property
        def control(self) -> "PrecisionTable":
            """The table."""
            return self.table

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(cursor_type="row", cell_padding=0, header_height=3, id=id)
        self._rows: tuple[PrecisionRow, ...] = ()
        self._narrow: bool | None = None
        self._bar = 0
        """Cells of a bar beside a figure; 0 where there is no room for bars."""
        self._units: Units | None = None
        self._at = 0
        """The row where the cursor goes when the rows come."""

    @property
    def highlighted(self) -> str:
        """The key of the row under the cursor."""
        return PRECISIONS[self.cursor_row if self.row_count else self._at].key

    def point_at(self, key: str) -> None:
        """Put the cursor on a row."""
        self._at = [precision.key for precision in PRECISIONS].index(key)
        if self.row_count:
            self.move_cursor(row=self._at)

    def show(self, rows: Sequence[PrecisionRow]) -> None:
        """Show these rows, one for each precision in the order of the table."""
        self._rows = tuple(rows)
        units = Units.fitting(self._rows)
        if units != self._units:
            self._units, self._narrow = units, None
        if not self._lay_out() and self.columns:
            for row in self._rows:
                for key, content in self._cells(row, units).items():
                    self.update_cell(row.precision.key, key, content)

    def on_resize(self) -> None:
        """Fewer columns where there is less room."""
        self._lay_out()

    def _lay_out(self) -> bool:
        """Build the columns anew when the room for them has changed; whether it did."""
        units = self._units
        if units is None or not self.size.width:
            return False
        narrow = self.size.width < NARROW
        cells = self._bar_cells(narrow)
        if (narrow, cells) == (self._narrow, self._bar):
            return False
        self._narrow, self._bar = narrow, cells
        if self.row_count:
            self._at = self.cursor_row
        self.clear(columns=True)
        self.add_column(Text(""), key="mark", width=4)
        self.add_column(Text("\nPrecision"), key="label", width=LABEL)
        for column in self._shown():
            unit = column.unit.format(disk=units.disk.name, memory=units.memory.name)
            head = Text(f"{column.mark}\n{column.name}\n{unit}", justify="right")
            self.add_column(head, key=column.key, width=column.width + 1)
            if self._bar and column.bar is not None:
                self.add_column(Text(""), key=f"{column.key}-bar", width=self._bar + 1)
        for row in self._rows:
            self.add_row(*self._cells(row, units).values(), key=row.precision.key)
        self.move_cursor(row=self._at)
        return True

    def _shown(self) -> list[FigureColumn]:
        return [column for column in COLUMNS if column.narrow or not self._narrow]

    def _bar_cells(self, narrow: bool) -> int:
        """Return the cells of each bar: what the figures leave, up to sixteen; no bar is shorter than six."""
        columns = [column for column in COLUMNS if column.narrow or not narrow]
        figures = 4 + LABEL + sum(column.width + 1 for column in columns)
        bars = sum(column.bar is not None for column in columns)
        room = (self.size.width - figures) // max(1, bars) - 1
        return min(MOST_BAR, room) if room >= LEAST_BAR else 0

    def _bar_cell(self, row: PrecisionRow, show: Callable[[PrecisionRow], Bar]) -> Text:
        bars = [show(each) for each in self._rows]
        largest = max((each.amount for each in bars if not each.void), default=0.0)
        own = show(row)
        length = bar(own.amount / largest, self._bar) if largest else ""
        if own.void or own.estimated:
            # Another fill, not another colour alone: an estimate, or void.
            length = ("▒" if own.void else "░") * len(length)
        return Text(f" {length}", no_wrap=True)

    def _cells(self, row: PrecisionRow, units: Units) -> dict[str, Text]:
        off = "" if row.available else "dim strike"
        mark = "●" if row.marked else ("○" if row.available else "✕")
        star = "★" if row.recommended else " "
        label = row.precision.label
        if row.edited:
            label = f"{label[: LABEL - 1]}*"
        cells = {
            "mark": cell(f" {mark}{star}", "bold" if row.marked or row.recommended else "dim"),
            "label": cell(label, off or ("bold" if row.marked else "")),
        }
        for column in self._shown():
            text = column.show(row, units)
            style = "dim" if text == NOTHING else (off or STYLES[column.mark])
            cells[column.key] = cell(text, style, right=True)
            if self._bar and column.bar is not None:
                cells[f"{column.key}-bar"] = self._bar_cell(row, column.bar)
        return cells

    def on_click(self, event: events.Click) -> None:
        """A click on the mark marks; a click elsewhere on the row shows it."""
        where = event.style.meta
        row, column = where.get("row", -1), where.get("column", -1)
        event.stop()
        # DataTable itself would take every click for "choose this row".
        event.prevent_default()
        if not isinstance(row, int) or row < 0 or row >= len(self._rows):
            return
        self.move_cursor(row=row)
        if column == 0:
            self.post_message(self.MarkClicked(self, self._rows[row].precision.key))
