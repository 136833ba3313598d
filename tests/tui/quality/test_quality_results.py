"""The results of the quality check on the screen: verdict first, tiles that open their evidence, no room for what is done."""

import pytest
from textual.widgets import Input

from bench.emptiness import LIMIT, empty_share
from firstlight_core.documents.measure import PromptAnswer
from firstlight_core.measure.quality_verdict import give_verdict
from firstlight_tui.modals import DetailScreen
from firstlight_tui.steps.quality.results import QualityResults
from firstlight_tui.steps.quality.screen import QualityStep
from firstlight_tui.steps.quality.text import check_words, evidence_text
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.charts.chart import Chart
from firstlight_tui.widgets.charts.tile import TilePane
from tests.support.pilot import SIZES, Build, settle
from tests.support.wizard_documents import FULL
from tests.tui.quality.test_scorecard import CHECKS, DRIFT, quality
from tests.tui.test_emptiness import content_rows

INT4 = "/models/out/int4"


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_the_verdict_comes_first(wizard: Build, size: tuple[int, int]) -> None:
    session = FULL.decide(quality=quality(*CHECKS[:4], target=INT4))
    app = wizard(session=session, first=QualityStep)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        results = app.screen.query_one(QualityResults)
        verdict = results.query_one("#verdict", Words)
        assert "USABLE WITH CAUTION" in str(verdict.render())
        assert verdict.region.y < app.screen.query_one("#prompts", Input).region.y
        panes = [pane for pane in results.query(TilePane) if pane.display]
        assert len(panes) == 4 and len({pane.region.y for pane in panes}) == (
            4 if size[1] < 30 else 1
        )
        # The name of the precision, not of the folder.
        assert "▲INT4 0.0048" in results.query_one("#gauge", Chart).render().plain
        assert not app.screen.query_one("#work").display


@pytest.mark.slow
async def test_a_tile_opens_the_evidence_of_its_check(wizard: Build) -> None:
    session = FULL.decide(quality=quality(*CHECKS, ok=False, target=INT4))
    app = wizard(session=session, first=QualityStep)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.click("#tile-4")
        await settle(pilot)
        assert isinstance(app.screen, DetailScreen)
        assert "✗ b: failed" in "\n".join(str(w.render()) for w in app.screen.query(Words))
        await pilot.press("escape")
        await settle(pilot)
        app.screen.query_one("#tile-3").focus()
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, DetailScreen)


async def test_of_several_targets_the_one_in_use_is_on_the_tiles(wizard: Build) -> None:
    several = [quality(*CHECKS[:2]), quality(*CHECKS[:3], target=INT4)]
    session = FULL.decide(quality={"kind": "qualities", "ok": True, "artifacts": several})
    app = wizard(session=session, first=QualityStep)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        results = app.screen.query_one(QualityResults)
        assert str(results.query_one("#verdict", Words).render()).endswith("INT4")
        assert sum(pane.display for pane in results.query(TilePane)) == 3
        assert results.query_one("#gauge", Chart).render().plain.count("0.0048") == 2


WORDS = [
    "It",
    "stores",
    "every",
    "weight",
    "in",
    "four",
    "bits",
    "and",
    "keeps",
    "a",
    "scale",
    "for",
    "each",
    "block",
    "of",
    "32",
    "of",
    "them.",
]
LONG = f"{' '.join(WORDS)} " * 3


async def test_the_drift_is_said_once_and_further_lines_are_indented(wizard: Build) -> None:
    document = quality(*CHECKS[:3], target=INT4)
    example = document["drift"]["worst"][0]
    example = {**example, "original": LONG, "artifact": LONG.replace("four", "4")}
    document["drift"] = {
        **document["drift"],
        "worst": [example, example],
        "top1_interval": [0.9, 0.98],
    }
    document["checks"] = [{**row, "evidence": {"summary": LONG}} for row in document["checks"]]
    document["verdict"], document["ok"] = give_verdict([], document["drift"])
    session = FULL.decide(quality=document)
    async with wizard(session=session, first=QualityStep).run_test(size=(200, 60)) as pilot:
        await settle(pilot)
        screen = pilot.app.screen
        card = str(screen.query_one("#drift", Words).render())
        assert card.count("mean KL") == card.count("perplexity") == card.count("96.4%") == 1
        assert "90.0 to 98.0%" in card and "KL below 0.02" in card
        for name, begin in (
            ("worst", "           │ "),
            ("further", "           │ "),
            ("checks", " " * 14),
        ):
            chart = screen.query_one(f"#{name}", Chart)
            lines = chart.render().plain.split("\n")
            assert any(line.startswith(f"{begin}{word}") for line in lines for word in WORDS), lines
            assert len(lines) == chart.size.height


@pytest.mark.slow
@pytest.mark.parametrize("size", [(120, 40), (200, 60)])
async def test_without_a_drift_the_room_is_that_of_the_evidence(
    wizard: Build, size: tuple[int, int]
) -> None:
    document = quality(*CHECKS, ok=False, target=INT4)
    del document["drift"]
    document["verdict"] = "Not good enough. 3 of 5 checks that ran passed."
    document["checks"] = [
        {**row, "evidence": {**row["evidence"], "summary": " ".join(WORDS)}}
        for row in document["checks"]
    ]
    answers: list[PromptAnswer] = [{"prompt": f"Question {n}?", "answer": LONG} for n in range(9)]
    document["checks"][0]["evidence"]["answers"] = answers
    session = FULL.decide(quality=document)
    async with wizard(session=session, first=QualityStep).run_test(size=size) as pilot:
        await settle(pilot)
        screen = pilot.app.screen
        assert not screen.query_one("#examples").display
        checks = screen.query_one("#checks", Chart).render().plain
        tall = size[1] >= 45
        assert ("? Question 4?" in checks) is tall and "Question 5?" not in checks
        assert ("✗ b: failed" in checks) is tall
        if tall:
            share = empty_share(content_rows(pilot))
            assert share <= LIMIT, f"{share:.2f} of the rows are empty"
        else:
            await pilot.resize_terminal(200, 60)
            await settle(pilot)
            assert "? Question 4?" in screen.query_one("#checks", Chart).render().plain


def test_of_several_targets_each_drift_is_said_once() -> None:
    checked_artifact = quality(*CHECKS[:2], target=INT4)
    checked_artifact["verdict"], _ = give_verdict([], DRIFT)
    words = check_words(
        {"kind": "qualities", "ok": True, "artifacts": [checked_artifact, checked_artifact]}
    ).plain
    assert words.count("mean KL") == words.count("perplexity") == words.count("int4 ") == 2


def test_evidence_in_words() -> None:
    assert evidence_text(CHECKS[3]).endswith("128 tokens of prompt: 90.0 tokens/s")
    assert "✓ a: answered." in evidence_text(CHECKS[4])


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_what_is_going_to_be_checked_stands_there_until_there_is_a_result(
    wizard: Build, size: tuple[int, int]
) -> None:
    app = wizard(session=FULL.decide(quality=None), first=QualityStep)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        ahead = app.screen.query_one("#ahead", Chart)
        assert ahead.display is (size[1] >= 30)
        if ahead.display:
            lines = ahead.render().plain.split("\n")
            assert [line[2:13].strip() for line in lines if line.startswith("○")] == [
                *("answers", "format", "memory", "speed", "edge cases", "drift")
            ]
            assert max(map(len, lines)) <= 100
        assert isinstance(app.screen, QualityStep)
        app.screen._show_document(quality(*CHECKS, target=INT4))
        await settle(pilot)
        assert not ahead.display
