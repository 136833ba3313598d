"""The table of models: searched, sorted, filtered by where they come from."""

from collections.abc import Sequence

from textual import on
from textual.widgets import DataTable

from firstlight_core.model.sources import FoundModel
from firstlight_tui.steps.model.text import COLUMNS, choose_models, model_cells
from firstlight_tui.widgets.fitted_table import FittedTable

SORTS = ("", "name", "size", "origin")
ORIGINS = ("", "sample", "recent", "folder", "cache")


class ModelTable(FittedTable):
    """Rows of `find_models`, keyed by path; the sample first until another order is asked for."""

    def __init__(self, *, id: str) -> None:
        super().__init__(COLUMNS, id=id)
        self._models: Sequence[FoundModel] = ()
        self._needle = self._order = ""
        self.origin = ""
        """Only models from there are shown; empty: all."""

    def fill(self, models: Sequence[FoundModel]) -> None:
        """Show these models."""
        self._models = models
        self._paint()

    def search(self, needle: str) -> None:
        """Keep the models that hold every word."""
        if needle != self._needle:
            self._needle = needle
            self._paint()

    def next_order(self) -> None:
        """As found, then by name, size, place; once more starts again."""
        index = SORTS.index(self._order) if self._order in SORTS else 0
        self._sort_by(SORTS[(index + 1) % len(SORTS)])

    def next_origin(self) -> None:
        """All, then the models of one place after the other."""
        self.origin = ORIGINS[(ORIGINS.index(self.origin) + 1) % len(ORIGINS)]
        self._paint()

    @on(DataTable.HeaderSelected)
    def _header(self, event: DataTable.HeaderSelected) -> None:
        key = str(event.column_key.value)
        self._sort_by("" if key == self._order else key)

    def _sort_by(self, key: str) -> None:
        self._order = key
        self.label({c.key: c.label + (" ▾" if c.key == key else "") for c in COLUMNS})
        self._paint()

    def _paint(self) -> None:
        chosen = choose_models(
            self._models, needle=self._needle, origin=self.origin, sort=self._order
        )
        self.show_rows((str(model.path), model_cells(model)) for model in chosen)
