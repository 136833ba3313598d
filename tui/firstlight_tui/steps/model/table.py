"""The table of models: searched, sorted, filtered by where they come from."""

from collections.abc import Sequence
from pathlib import Path

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
        self._chosen = ""
        self._memory = 0

    def set_memory(self, memory: int) -> None:
        """The bytes that the machine has, 0 when nobody knows: what each model needs is a part of them."""
        if memory != self._memory:
            self._memory = memory
            self._paint()

    def fill(self, models: Sequence[FoundModel]) -> None:
        """Show these models."""
        extra = [model for model in self._models if str(model.path) == self._chosen]
        paths = {model.path for model in models}
        self._models = [*models, *(model for model in extra if model.path not in paths)]
        self._paint()

    def choose(self, folder: str, *, architecture: str, weight_bytes: int) -> None:
        """Mark the chosen model and put the cursor on it; a folder that is not listed gets a row."""
        self._chosen = folder
        if all(str(model.path) != folder for model in self._models):
            path = Path(folder)
            self._models = [
                *self._models,
                FoundModel(
                    name=path.name,
                    path=path,
                    origin="recent",
                    architecture=architecture,
                    weight_bytes=weight_bytes,
                ),
            ]
        self._paint()
        self.select(folder)

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
        self.show_rows(
            (
                str(model.path),
                model_cells(model, chosen=str(model.path) == self._chosen, memory=self._memory),
            )
            for model in chosen
        )
