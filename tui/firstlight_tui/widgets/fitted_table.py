"""A table that always fits: fixed columns, the others share what is left; nothing scrolls sideways."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import JustifyMethod
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.geometry import Size
from textual.reactive import Reactive
from textual.widgets import DataTable
from textual.widgets._data_table import CellCacheKey

from firstlight_tui.widgets.table_cell import cell_line, is_one_line

Cells = Mapping[str, Text]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column; widths in terminal cells."""

    key: str
    label: str = ""
    width: int = 0
    """0: it takes a share of what the fixed columns leave."""
    share: int = 1
    from_width: int = 0
    """The table must be at least this wide for the column to be shown."""
    right: bool = False
    """Whether its cells, and so its label, stand at the right: figures do."""


class FittedTable(DataTable[Text]):
    """Rows by key; a cell that is too long ends in an ellipsis, and is whole again when there is room."""

    DEFAULT_CSS = """
    FittedTable { overflow-x: hidden; scrollbar-gutter: stable; }
    """

    virtual_size: Reactive[Size] = Reactive(Size(0, 0))

    def __init__(self, columns: Sequence[Column], *, id: str) -> None:
        super().__init__(cursor_type="row", id=id)
        self._spec = tuple(columns)
        self._labels = {column.key: column.label for column in columns}
        self._shown: dict[str, Cells] = {}
        self._fitted_to = 0

    def on_mount(self) -> None:
        self._rebuild()

    def watch_virtual_size(self, before: Size, size: Size) -> None:
        """Only another height moves anything: how wide the columns are never does."""
        if before.height != size.height:
            self.refresh(layout=True)

    def _render_cell(
        self,
        row_index: int,
        column_index: int,
        base_style: Style,
        width: int,
        cursor: bool = False,
        hover: bool = False,
    ) -> list[list[Segment]]:
        if column_index < 0 or width <= 2 * self.cell_padding:
            return super()._render_cell(row_index, column_index, base_style, width, cursor, hover)
        is_header = row_index < 0
        row_key = self._header_row_key if is_header else self._row_locations.get_key(row_index)
        column_key = self._column_locations.get_key(column_index)
        if row_key is None or column_key is None:
            return super()._render_cell(row_index, column_index, base_style, width, cursor, hover)
        key: CellCacheKey = (
            row_key,
            column_key,
            base_style,
            cursor,
            hover,
            self._show_hover_cursor,
            self._update_count,
            self._pseudo_class_state,
        )
        if (lines := self._cell_render_cache.get(key)) is not None:
            return lines
        text = self._get_row_renderables(row_index).cells[column_index]
        height = self.header_height if is_header else self.rows[row_key].height
        if height != 1 or not (isinstance(text, Text) and is_one_line(text)):
            return super()._render_cell(row_index, column_index, base_style, width, cursor, hover)
        is_fixed = row_index < self.fixed_rows or column_index < self.fixed_columns
        own, after = self._get_styles_to_render_cell(
            is_header,
            False,
            is_fixed and not is_header,
            hover,
            cursor,
            self.show_cursor,
            self._show_hover_cursor,
            self.cursor_foreground_priority == "css",
            self.cursor_background_priority == "css",
        )
        before = base_style + Style.from_meta({"row": row_index, "column": column_index}) + own
        lines = [cell_line(text, width, self.cell_padding, before, after, self.app.console)]
        self._cell_render_cache[key] = lines
        return lines

    def on_resize(self, event: events.Resize) -> None:
        """Fit the columns to the new width."""
        if self._room() != self._fitted_to:
            self._rebuild()

    def _room(self) -> int:
        return self.scrollable_content_region.width

    @property
    def current(self) -> str | None:
        """Key of the row under the cursor."""
        keys = list(self._shown)
        return keys[self.cursor_row] if 0 <= self.cursor_row < len(keys) else None

    def show_row(self, key: str, cells: Cells) -> None:
        """Add a row at the end, or paint one again."""
        known = key in self._shown
        self._shown[key] = cells
        if not known:
            self.add_row(*self._row(cells), key=key)
            return
        for column in self._visible():
            self.update_cell(key, column.key, self._row(cells, only=column.key)[0])

    def show_rows(self, rows: Iterable[tuple[str, Cells]]) -> None:
        """Show these rows instead of those before; the cursor stays on its row if that is still there."""
        current = self.current
        self._shown = dict(rows)
        self._rebuild(current)

    def label(self, labels: Mapping[str, str]) -> None:
        """Show other words in the header."""
        self._labels |= labels
        self._rebuild()

    def select(self, key: str) -> None:
        """Put the cursor on a row, if it is there."""
        if key in self._shown:
            self.move_cursor(row=list(self._shown).index(key))

    def _visible(self) -> list[Column]:
        return [c for c in self._spec if self._fitted_to >= c.from_width or not self._fitted_to]

    def _row(self, cells: Cells, only: str | None = None) -> list[Text]:
        row = []
        for column in self._visible():
            if only is None or column.key == only:
                text = cells.get(column.key, Text()).copy()
                text.no_wrap, text.overflow = True, "ellipsis"
                row.append(text)
        return row

    def _rebuild(self, current: str | None = None) -> None:
        current = current or self.current
        focused_row = self.scroll_y
        self._fitted_to = self._room()
        columns = self._visible()
        left = (
            self._fitted_to
            - sum(column.width for column in columns)
            - 2 * self.cell_padding * len(columns)
        )
        shares = sum(column.share for column in columns if not column.width) or 1
        self.clear(columns=True)
        for column in columns:
            width = column.width or max(4, left * column.share // shares)
            label = self._labels[column.key]
            side: JustifyMethod = "right" if column.right else "left"
            words = Text(label, no_wrap=True, overflow="ellipsis", justify=side)
            self.add_column(words, key=column.key, width=width)
        for key, cells in self._shown.items():
            self.add_row(*self._row(cells), key=key)
        if current is not None and current in self._shown:
            self.move_cursor(row=list(self._shown).index(current))
        else:
            self.scroll_y = min(focused_row, self.max_scroll_y)
