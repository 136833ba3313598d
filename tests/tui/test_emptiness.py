"""How much of a large terminal each step leaves empty, with data; and no table that scrolls sideways."""

from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable

from bench.emptiness import LIMIT, empty_share
from firstlight_core.documents.measure import QualitiesDocument
from firstlight_tui.steps import list_screens
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.steps.chat.about import ChatAbout
from firstlight_tui.steps.chat.screen import ChatStep
from firstlight_tui.steps.quality.screen import QualityStep
from tests.support.pilot import Build, settle, steps_of_which_slow
from tests.support.wizard_documents import FULL

STEPS = list_screens()


def content_rows(pilot: Pilot[Any]) -> list[str]:
    """The rows of the step's content as they stand on the screen, without rail, monitor and buttons."""
    screen = pilot.app.screen
    region = screen.query_one("#content").region
    strips = screen._compositor.render_strips()
    lines = ["".join(segment.text for segment in strip) for strip in strips]
    return [line[region.x : region.right] for line in lines[region.y : region.bottom]]


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.STEP_ID)
async def test_no_step_leaves_a_large_terminal_empty(wizard: Build, step: type[StepScreen]) -> None:
    app = wizard(session=FULL, first=step)
    for _ in range(30):
        app.workspace.history.take()
    async with app.run_test(size=(200, 60)) as pilot:
        await settle(pilot)
        share = empty_share(content_rows(pilot))
        assert share <= LIMIT, f"{share:.2f} of the rows are empty"


@pytest.mark.slow
async def test_the_quality_of_several_targets_fills_a_large_terminal(wizard: Build) -> None:
    first = FULL.quality
    assert first is not None and first["kind"] == "quality"
    several: QualitiesDocument = {
        "kind": "qualities",
        "ok": True,
        "artifacts": [first, {**first, "target": "/models/out/int8"}],
    }
    app = wizard(session=FULL.decide(quality=several), first=QualityStep)
    async with app.run_test(size=(200, 60)) as pilot:
        await settle(pilot)
        rows = content_rows(pilot)
        assert empty_share(rows) <= LIMIT
        titles = [check["title"] for check in first["checks"]]
        assert all(any(title in row for row in rows) for title in titles), titles


@pytest.mark.slow
@pytest.mark.parametrize("size", [(120, 40), (149, 44)])
async def test_an_untouched_chat_says_who_answers_and_what_one_can_do(
    wizard: Build, size: tuple[int, int]
) -> None:
    app = wizard(session=FULL, first=ChatStep)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        rows = content_rows(pilot)
        assert empty_share(rows) <= LIMIT
        text = "\n".join(rows)
        for words in (
            "INT4",
            "on disk",
            "template",
            "temperature",
            "what you can do",
            "1  What is",
        ):
            assert words in text, words
        await pilot.press("enter")
        await settle(pilot)
        assert not app.screen.query_one(ChatAbout).display


@pytest.mark.parametrize("step", steps_of_which_slow("deploy"), ids=lambda step: step.STEP_ID)
async def test_no_table_scrolls_sideways(wizard: Build, step: type[StepScreen]) -> None:
    async with wizard(session=FULL, first=step).run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        for table in pilot.app.screen.query(DataTable):
            assert not table.show_horizontal_scrollbar, str(table.id)
