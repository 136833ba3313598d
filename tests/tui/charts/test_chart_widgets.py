"""The widgets of the charts: what the mouse and the keys do, and that nothing is painted twice."""

from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from firstlight_tui.widgets.charts.bars import Bar, Bars
from firstlight_tui.widgets.charts.chart import Chart, PointChart
from firstlight_tui.widgets.charts.tile import TilePane, TileRow
from tests.support.chart_gallery import SCATTER, TILES, GalleryApp


class Charts(App[None]):
    """One of each widget that answers."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def compose(self) -> ComposeResult:
        with TileRow():
            for tile in TILES:
                yield TilePane(tile, id=tile.title.split()[0], choosable=True)
        yield Chart(id="bars")
        yield PointChart(SCATTER, id="points")

    def on_point_chart_point_selected(self, event: PointChart.PointSelected) -> None:
        self.heard.append(event.key)

    def on_tile_pane_chosen(self, event: TilePane.Chosen) -> None:
        self.heard.append(f"tile {event.pane.id}")


async def test_a_click_selects_the_nearest_point() -> None:
    app = Charts()
    async with app.run_test(size=(90, 40)) as pilot:
        await pilot.pause()
        chart = app.query_one("#points", PointChart)
        column, row = SCATTER.positions(chart.size.width, chart.size.height)["int8"]
        await pilot.click(chart, offset=(column - 2, row + 1))
        assert app.heard == ["int8"]
        await pilot.press("right")
        # From the selected point, int4, to its right neighbour.
        assert app.heard == ["int8", "int4-calibrated"]
        await pilot.press("left")
        assert app.heard[-1] == "int4-compact"


async def test_a_tile_is_chosen_by_enter_and_by_the_mouse() -> None:
    app = Charts()
    async with app.run_test(size=(90, 40)) as pilot:
        app.query_one("#writing").focus()
        await pilot.press("enter")
        await pilot.click("#memory")
        assert app.heard == ["tile writing", "tile memory"]
        pane = app.query_one("#memory", TilePane)
        assert pane.has_focus and "┏" in pane.render().plain


@pytest.mark.parametrize(("width", "rows"), [(120, 1), (60, 2), (30, 4)])
async def test_tiles_break_into_rows(width: int, rows: int) -> None:
    app = Charts()
    async with app.run_test(size=(width, 60)) as pilot:
        await pilot.pause()
        panes = list(app.query(TilePane))
        assert len({pane.region.y for pane in panes}) == rows
        assert all(pane.region.x >= 0 and pane.region.right <= width for pane in panes)
        assert all(pane.size.height >= 4 for pane in panes)


async def test_a_chart_takes_the_room_of_its_drawing() -> None:
    app = Charts()
    async with app.run_test(size=(80, 50)) as pilot:
        chart = app.query_one("#bars", Chart)
        assert chart.size.height == 0
        drawing = Bars(title="x", bars=(Bar(label="a", median=1.0), Bar(label="b", median=2.0)))
        chart.show(drawing)
        await pilot.pause()
        assert chart.size.height == 3 and "★" in chart.render().plain
        painted: list[object] = []
        chart.refresh = lambda *a, **k: painted.append(a) or chart  # type: ignore[method-assign,func-returns-value]
        chart.show(Bars(title="x", bars=(Bar(label="a", median=1.0), Bar(label="b", median=2.0))))
        assert not painted


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize(
    ("theme", "ascii"), [("firstlight", False), ("paper", False), ("firstlight", True)]
)
def test_the_gallery(snap_compare: Any, size: tuple[int, int], theme: str, ascii: bool) -> None:
    async def rest(pilot: Pilot[Any]) -> None:
        await pilot.pause()

    app = GalleryApp(theme=theme, wide=size[0] >= 100, ascii=ascii)
    assert snap_compare(app, terminal_size=size, run_before=rest)
