"""The result on the Summary screen: the sentence, the tiles, the claims, and the buttons that go on from there."""

import pytest
from textual.widgets import Button

from firstlight_tui.steps.chat.screen import ChatStep
from firstlight_tui.steps.summary.result_panel import ResultPanel
from firstlight_tui.steps.summary.screen import SummaryStep
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.charts.chart import Chart
from firstlight_tui.widgets.charts.tile import TilePane, TileRow
from tests.support.pilot import SIZES, Build, settle
from tests.support.wizard_documents import FULL


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_the_result_comes_first(wizard: Build, size: tuple[int, int]) -> None:
    app = wizard(session=FULL, first=SummaryStep)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        panel = app.screen.query_one(ResultPanel)
        text = str(panel.query_one("#result", Words).render())
        assert text.startswith("☼ ") and "runs on this machine." in text and "INT4" in text
        assert "410 tok/s" in panel.query_one("#tile-speed", TilePane).render().plain
        assert "size ×0.125" in panel.query_one("#claims", Chart).render().plain
        assert panel.region.y < app.screen.query_one("#closing").region.y
        for button in app.screen.query("#actions Button").results(Button):
            assert button.region.right <= size[0]


async def test_without_a_model_there_is_no_result(wizard: Build) -> None:
    app = wizard(session=FULL.decide(artifact=None, artifacts=()), first=SummaryStep)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert not app.screen.query_one(ResultPanel).display


async def test_an_adopted_artifact_has_a_sentence_and_no_comparison(wizard: Build) -> None:
    session = FULL.decide(artifacts=()).decide(artifact="/models/mine")
    app = wizard(session=session, first=SummaryStep)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        panel = app.screen.query_one(ResultPanel)
        assert panel.display and not panel.query_one(TileRow).display


@pytest.mark.slow
async def test_the_buttons_open_the_report_and_the_chat(
    wizard: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = wizard(session=FULL, first=SummaryStep)
    opened: list[str] = []
    monkeypatch.setattr(app, "open_url", lambda url, **options: opened.append(url))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        work = app.workspace.works["report"]
        work.result = {**work.result, "html": "/tmp/report.html"}
        await pilot.press("o")
        assert opened == ["file:///tmp/report.html"]
        await pilot.click("#talk")
        await settle(pilot)
        assert isinstance(app.screen, ChatStep)
