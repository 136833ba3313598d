"""The list of runs in the wizard."""

import pytest

from firstlight_core.ledger import Run
from firstlight_core.paths import find_paths
from firstlight_core.workflow.earlier_runs import DELETED
from firstlight_tui.modals.detail import DetailScreen
from firstlight_tui.modals.runs import RunsScreen
from firstlight_tui.steps.summary.screen import SummaryStep
from firstlight_tui.widgets.fitted_table import FittedTable
from tests.support.pilot import SIZES, Build, settle
from tests.support.wizard_documents import FULL
from tests.support.wizard_services import Called, fake_services


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
async def test_runs_are_compared_deleted_put_back_and_opened(
    wizard: Build, called: Called, size: tuple[int, int]
) -> None:
    runs = [Run.create("sample", now=1e9 + day * 86_400) for day in range(2)]
    for run in runs:
        run.record("summary", "done", values={"session": FULL.to_json()})
    services = fake_services(called).replaced(what_still_holds=lambda session: (session, []))
    app = wizard(services=services)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await pilot.press("f10")
        await settle(pilot)
        assert isinstance(app.screen, RunsScreen)
        table = app.screen.query_one(FittedTable)
        assert table.row_count == 2 and table.max_scroll_x == 0
        await pilot.press("space", "down", "f6")
        await settle(pilot)
        assert isinstance(app.screen, DetailScreen)
        await pilot.press("escape", "delete", "tab", "enter")
        await settle(pilot)
        assert table.row_count == 1 and not runs[0].folder.exists()
        await pilot.press("f8")
        await settle(pilot)
        assert table.row_count == 2 and runs[0].folder.exists()
        await pilot.press("delete", "tab", "enter")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        await settle(pilot)
        assert isinstance(app.screen, SummaryStep) and app.workspace.session == FULL
        assert app.workspace.run_record == runs[1]
        assert not (find_paths().runs / DELETED).exists()


@pytest.mark.slow
async def test_a_run_is_found_in_the_palette(wizard: Build) -> None:
    run = Run.create("sample")
    run.record("summary", "done", values={"session": FULL.to_json()})
    app = wizard()
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press("ctrl+p", *"run of sample")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, RunsScreen)
        assert app.screen.query_one(FittedTable).current == run.id
