"""A cell that is painted quickly looks as Rich would lay it out."""

from typing import Any

import pytest
from rich.console import Console
from rich.padding import Padding
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.renderables.styled import Styled
from textual.widgets import DataTable

from firstlight_tui.steps.base import StepScreen
from firstlight_tui.steps.benchmark.screen import BenchmarkStep
from firstlight_tui.steps.environment.screen import EnvironmentStep
from firstlight_tui.steps.model.screen import ModelStep
from firstlight_tui.widgets.fitted_table import Column, FittedTable
from firstlight_tui.widgets.table_cell import cell_line, is_one_line
from firstlight_tui.widgets.words import cell
from tests.support.pilot import Build, settle
from tests.support.wizard_documents import FULL

CONSOLE = Console(width=120, color_system="truecolor", force_terminal=True)
BEFORE, AFTER = Style(bgcolor="blue", meta={"row": 1}), Style(color="red")


def letters(segments: list[Segment]) -> list[tuple[str, Style | None]]:
    """Every letter with its style, however the line is cut into segments."""
    return [(letter, style) for text, style, _ in segments for letter in text]


def shown(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


TEXTS = [
    cell("short"),
    cell("12.5", right=True),
    cell("a text that is much too long for its cell", "bold green"),
    cell("a number that is too long for its cell", right=True),
    cell("漢字 and words, cut within a wide letter 漢字漢字"),
    cell("spaces at its end    "),
    cell(""),
    Text.assemble(("two", "bold"), " styles", ("!", "italic red"), justify="left"),
]


@pytest.mark.parametrize("width", [5, 12, 13, 40])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.plain)
def test_a_cell_looks_as_rich_lays_it_out(text: Text, width: int, padding: int) -> None:
    text = shown(text)
    assert is_one_line(text)
    styled = Styled(Padding(text, (0, padding)), pre_style=BEFORE, post_style=AFTER)
    options = CONSOLE.options.update_dimensions(width, 1).update(no_wrap=True)
    (expected,) = CONSOLE.render_lines(styled, options)
    line = cell_line(text, width, padding, BEFORE, AFTER, CONSOLE)
    assert letters(line) == letters(expected)


async def test_a_header_is_painted_as_quickly_as_a_row_and_looks_the_same(
    wizard: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = (Column(key="a", label="Found [1]"), Column(key="b", label="RAM peak", width=8))
    async with wizard(session=FULL).run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        table = FittedTable(columns, id="late")
        await pilot.app.screen.query_one("#content").mount(table)
        table.show_rows([("1", {"a": cell("one"), "b": cell("2", right=True)})])
        await settle(pilot)
        rows: list[int] = []
        rich = DataTable._render_cell

        def counted(part: DataTable[Text], row: int, *arguments: Any) -> list[list[Segment]]:
            rows.append(row)
            return rich(part, row, *arguments)

        monkeypatch.setattr(DataTable, "_render_cell", counted)
        style = Style(bgcolor="blue")
        for hover in (False, True):
            for row, column in ((-1, 0), (-1, 1), (0, 0), (0, 1)):
                quick = table._render_cell(row, column, style, 12, False, hover)
                assert rows == []
                table._cell_render_cache.clear()
                assert [letters(line) for line in quick] == [
                    letters(line) for line in rich(table, row, column, style, 12, False, hover)
                ]
                table._cell_render_cache.clear()
        assert "Found [1]" in "".join(
            text for text, _, _ in table._render_cell(-1, 0, style, 12)[0]
        )


@pytest.mark.parametrize(
    "text",
    [
        Text("two\nlines", justify="left"),
        Text("tab\t", justify="left"),
        Text("centred", justify="center"),
    ],
)
def test_other_shapes_are_left_to_rich(text: Text) -> None:
    assert not is_one_line(shown(text))


@pytest.mark.parametrize(
    "step", [EnvironmentStep, ModelStep, BenchmarkStep], ids=lambda step: step.STEP_ID
)
async def test_a_label_stands_on_the_side_of_its_cells(
    wizard: Build, step: type[StepScreen]
) -> None:
    app = wizard(session=FULL, first=step)
    async with app.run_test(size=(160, 40)) as pilot:
        await settle(pilot)
        tables = [table for table in app.screen.query(FittedTable) if table.row_count]
        assert tables
        for table in tables:
            cells = table.get_row_at(0)
            for column, value in zip(table.ordered_columns, cells, strict=True):
                if value.plain:
                    assert column.label.justify == value.justify, column.label.plain
