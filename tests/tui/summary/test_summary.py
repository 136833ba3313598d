"""The summary counts what ends while it is open."""

import threading

import pytest
from textual.widgets import Button

from bench.emptiness import empty_share
from firstlight_core.ledger import Run
from firstlight_tui.state.workspace import REPORT
from firstlight_tui.steps.quality.screen import QualityStep
from firstlight_tui.steps.summary.screen import SummaryStep
from firstlight_tui.widgets import Words
from tests.support.pilot import Build, settle, until
from tests.support.wizard_documents import FULL, QUALITY
from tests.support.wizard_services import Called, fake_services
from tests.tui.test_emptiness import content_rows


async def test_a_check_that_ends_while_the_summary_is_open_is_counted(wizard: Build) -> None:
    app = wizard(session=FULL.decide(quality=None), first=SummaryStep)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)

        def said() -> str:
            return str(app.screen.query_one("#closing", Words).render())

        assert "Quality checked" in said()
        app.workspace.session = app.workspace.session.decide(quality=QUALITY)
        await settle(pilot)
        assert "Validated against the original" in said()
        run = await app.workspace.ledger.written()
        assert run is not None
        remaining = [e.values["session"] for e in run.entries() if e.step == "summary"]
        assert remaining[0]["quality"] is None and remaining[-1]["quality"] == QUALITY


async def test_finish_waits_for_the_report_and_asks_nothing(wizard: Build, called: Called) -> None:
    go_on = threading.Event()

    def write_report(run: Run) -> dict[str, str]:
        go_on.wait(30)
        return {"markdown": "/r.md", "json": "/r.json", "html": "/r.html"}

    services = fake_services(called, write_report=write_report)
    app = wizard(session=FULL, first=SummaryStep, services=services)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(
            pilot, lambda: REPORT in app.workspace.works and app.workspace.works[REPORT].running
        )
        app.screen.query_one("#primary", Button).press()
        await pilot.pause()
        assert isinstance(app.screen, SummaryStep), "no question"
        assert app.is_running
        go_on.set()
        await until(pilot, lambda: not app.is_running)
    assert app.return_code == 0


async def test_the_files_stand_in_one_column(wizard: Build) -> None:
    app = wizard(session=FULL, first=SummaryStep)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        lines = str(app.screen.query_one("#files", Words).render()).split("\n")
        assert lines[-1].startswith("Run again  firstlight run ")
        assert len({line.rindex("  ") for line in lines}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("left", ["all", "quality"])
async def test_what_is_open_stands_there_with_the_key_that_goes_there(
    wizard: Build, left: str
) -> None:
    session = FULL.decide(quality=None)
    if left == "all":
        session = session.decide(benchmark=None)
    app = wizard(session=session, first=SummaryStep)
    async with app.run_test(size=(200, 60)) as pilot:
        await settle(pilot)
        closing = str(app.screen.query_one("#closing", Words).render())
        assert "not yet; u goes there" in closing
        assert ("b goes there" in closing) is (left == "all")
        rows = content_rows(pilot)
        assert empty_share(rows) < 0.4
        assert any("check the quality" in row for row in rows)
        assert any("Run again" in row for row in rows), "the files are in sight"
        await pilot.press("u")
        await settle(pilot)
        assert isinstance(app.screen, QualityStep)


async def test_a_step_that_is_done_has_no_key(wizard: Build) -> None:
    app = wizard(session=FULL, first=SummaryStep)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press("u")
        await settle(pilot)
        assert isinstance(app.screen, SummaryStep)


async def test_the_verdict_stands_below_the_title_that_it_belongs_to(wizard: Build) -> None:
    verdict = "Not good enough. " + "No question says what a right answer is. " * 5
    session = FULL.decide(quality={**QUALITY, "verdict": verdict})
    app = wizard(session=session, first=SummaryStep)
    async with app.run_test(size=(120, 60)) as pilot:
        await settle(pilot)
        rows = [row for row in content_rows(pilot) if row.strip()]
        begin = next(i for i, row in enumerate(rows) if "Not good enough." in row)
        title = rows[begin - 1].index("Validated")
        below = rows[begin : begin + 3]
        assert all("answer" in row for row in below), "it takes three lines"
        assert [len(row) - len(row.lstrip()) for row in below] == [title] * 3
