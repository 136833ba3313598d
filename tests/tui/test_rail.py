"""The step rail draws itself: a line is lit under the mouse, and a click on it opens its step."""

import pytest

from firstlight_tui.widgets import StepRail
from firstlight_tui.widgets.step_rail import STEPS_AT
from tests.support.pilot import Build, settle
from tests.support.wizard_documents import FULL


def _lit(rail: StepRail) -> list[int]:
    """Rows whose ground is not that of the rail."""
    ground = rail.styles.background.rich_color
    return [
        row
        for row, strip in enumerate(rail.render_lines(rail.size.region))
        if any(piece.style and piece.style.bgcolor != ground for piece in strip)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("size", "row"), [((120, 40), STEPS_AT + 2), ((80, 24), STEPS_AT + 2)])
async def test_a_line_is_lit_under_the_mouse_and_opens_its_step(
    wizard: Build, size: tuple[int, int], row: int
) -> None:
    app = wizard(session=FULL)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        rail = app.screen.query_one(StepRail)
        left, top = rail.content_region.offset
        assert not _lit(rail)
        await pilot.hover(offset=(left, top + row))
        assert _lit(rail) == [rail.content_region.y - rail.region.y + row]
        await pilot.hover(offset=(left, top))
        assert not _lit(rail), "the name of the program opens nothing"
        await pilot.hover(offset=(left, top + row))
        await pilot.hover("#content")
        assert not _lit(rail)
        await pilot.click(offset=(left, top))
        assert app.workspace.navigation.position == 0
        await pilot.click(offset=(left + 4, top + row))
        await settle(pilot)
        assert app.workspace.navigation.position == row - STEPS_AT


async def test_a_mark_of_the_folded_rail_opens_its_step(wizard: Build) -> None:
    app = wizard(session=FULL)
    async with app.run_test(size=(60, 18)) as pilot:
        await settle(pilot)
        rail = app.screen.query_one(StepRail)
        words = str(rail.render())
        assert "\n" not in words and "1/10 Environment" in words
        left, top = rail.content_region.offset
        await pilot.click(offset=(left + 12, top))
        assert app.workspace.navigation.position == 0
        await pilot.click(offset=(left + 2, top))
        await settle(pilot)
        assert app.workspace.navigation.position == 2
