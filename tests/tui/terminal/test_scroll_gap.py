"""No text touches a scrollbar."""

import pytest
from rich.segment import Segment
from textual.scrollbar import ScrollBarRender

from firstlight_tui.steps.base import StepScreen
from firstlight_tui.steps.precision.screen import PrecisionStep
from firstlight_tui.steps.quality.screen import QualityStep
from firstlight_tui.terminal.scroll_gap import GappedBar
from tests.support.pilot import Build, settle
from tests.support.wizard_documents import FULL

PLACE = {"size": 10, "virtual_size": 100, "window_size": 10, "position": 37}


def lines(bar: list[Segment]) -> list[str]:
    return "".join(segment.text for segment in bar).split("\n")


def test_an_upright_bar_of_two_cells_leaves_the_first_one_empty() -> None:
    own = ScrollBarRender.render_bar(**PLACE).segments
    gapped = lines(GappedBar.render_bar(**PLACE, thickness=2).segments)
    assert [line for line in gapped if line] == [f" {segment.text}" for segment in own]
    drawn = [part for part in GappedBar.render_bar(**PLACE, thickness=2).segments if part.style]
    assert drawn == own, "the bar itself is Textual's, colours and mouse included"


@pytest.mark.parametrize("vertical", [True, False])
def test_other_bars_are_textuals_own(vertical: bool) -> None:
    thickness = 1 if vertical else 2
    bars = [
        kind.render_bar(**PLACE, thickness=thickness, vertical=vertical).segments
        for kind in (GappedBar, ScrollBarRender)
    ]
    assert bars[0] == bars[1]


@pytest.mark.parametrize("step", [PrecisionStep, QualityStep], ids=lambda step: step.STEP_ID)
async def test_the_cell_before_the_bar_of_a_step_stays_empty(
    wizard: Build, step: type[StepScreen]
) -> None:
    app = wizard(session=FULL, first=step)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        content = app.screen.query_one("#content")
        assert content.show_vertical_scrollbar
        bar = content.vertical_scrollbar.region
        strips = app.screen._compositor.render_strips()
        rows = ["".join(segment.text for segment in strips[y]) for y in bar.line_range]
        assert {row[bar.x] for row in rows} == {" "}
        assert bar.width == 2
