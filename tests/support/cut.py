"""What of a screen does not fit: parts that stick out of their parent, words that are cut, tables that scroll sideways."""

from collections.abc import Iterator

from rich.cells import cell_len
from rich.text import Text
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Button, DataTable, Static

from firstlight_tui.widgets import KeyBar
from firstlight_tui.widgets.fitted_table import FittedTable


def cut_parts(screen: Screen[object]) -> list[str]:
    """A line for each part of the screen that does not fit; what one can scroll down to fits."""
    return [
        f"{'>'.join(str(node.id or type(node).__name__) for node in reversed(widget.ancestors_with_self[:3]))}: {why}"
        for widget in screen.walk_children(Widget)
        if _is_shown(widget)
        for why in _faults(widget)
    ]


def _is_shown(widget: Widget) -> bool:
    return all(node.display for node in widget.ancestors_with_self if isinstance(node, Widget))


def _faults(widget: Widget) -> Iterator[str]:
    parent, region = widget.parent, widget.region
    if isinstance(parent, Widget) and region.area:
        room = parent.scrollable_content_region
        if parent.styles.overflow_x != "auto" and (region.x < room.x or region.right > room.right):
            yield f"columns {region.x} to {region.right} of {room.x} to {room.right}"
        if parent.id == "actions" and (region.y < room.y or region.bottom > room.bottom):
            yield "a button below its row"
    if isinstance(widget, Button):
        if (wanted := cell_len(str(widget.label))) > widget.content_size.width:
            yield f"label of {wanted} cells in {widget.content_size.width}"
    elif isinstance(widget, DataTable):
        yield from _table_faults(widget)
    elif isinstance(widget, KeyBar):
        if region.right > widget.screen.size.width or region.height != 1:
            yield "the key bar does not fit"
    elif isinstance(widget, Static):
        text, size = str(widget.visual), widget.content_size
        lines = widget.visual.get_height(widget.styles, size.width) if size.width else 0
        if text and lines > size.height:
            yield f"{lines} lines in {size.height}: {text[:60]!r}"
        if widget.styles.text_wrap == "nowrap" and cell_len(text) > size.width:
            yield f"{cell_len(text)} cells in {size.width}: {text[:60]!r}"


def _table_faults(table: DataTable[Text]) -> Iterator[str]:
    if table.show_horizontal_scrollbar or table.virtual_size.width > table.size.width:
        yield f"{table.virtual_size.width} columns in {table.size.width}"
    shared = (
        {c.key for c in table._spec if not c.width} if isinstance(table, FittedTable) else set()
    )
    for key, column in table.columns.items():
        if key.value in shared:
            continue
        for cell in table.get_column(key):
            if isinstance(cell, Text) and cell.cell_len > column.width:
                yield f"{cell.plain!r} in {column.width} cells of column {key.value}"
