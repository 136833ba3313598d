"""The summary counts what ends while it is open."""

from firstlight_tui.steps.summary.screen import SummaryStep
from firstlight_tui.widgets import Words
from tests.support.pilot import Build, settle
from tests.support.wizard_documents import FULL, QUALITY


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
        assert app.workspace.run_record is not None
        remaining = [
            e.values["session"] for e in app.workspace.run_record.entries() if e.step == "summary"
        ]
        assert remaining[0]["quality"] is None and remaining[-1]["quality"] == QUALITY
