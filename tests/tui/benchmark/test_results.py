"""The panel of the benchmark's results on the screen: nothing is cut, dots fall while it measures."""

import asyncio
from typing import Any

import pytest
from textual.widgets import DataTable

from firstlight_core.documents.measure import BenchDocument
from firstlight_core.process.events import Measured
from firstlight_tui.steps.benchmark.results import BenchResults, setup_words
from firstlight_tui.steps.benchmark.screen import BenchmarkStep
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.charts.chart import Chart
from firstlight_tui.widgets.charts.tile import TilePane
from tests.support.measured_documents import bench_case, bench_document, bench_result
from tests.support.pilot import SIZES, Build, settle, until
from tests.support.wizard_documents import FULL
from tests.support.wizard_services import Called, fake_services
from tests.tui.benchmark.test_dials import document, result

BOTH = document(result("int4", 12_740), result("int8", 9_250))


def test_what_was_measured_is_said_in_a_line() -> None:
    assert (
        setup_words(BOTH).plain
        == "INT4 vs INT8 · 2 cores · 32/128 → 32 tokens · 5 rounds · machine quiet ✓"
    )
    assert "busy ✗" in setup_words({**BOTH, "void": True}).plain


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda s: f"{s[0]}x{s[1]}")
async def test_nothing_is_cut_and_charts_take_the_room(
    wizard: Build, size: tuple[int, int]
) -> None:
    app = wizard(session=FULL.decide(benchmark=BOTH), first=BenchmarkStep)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        results = app.screen.query_one(BenchResults)
        for table in results.query(DataTable):
            assert not table.display or table.max_scroll_x == 0
        panes = list(results.query(TilePane))
        rows = {pane.region.y for pane in panes}
        assert len(rows) == (4 if size[1] < 30 else 1)
        assert all(pane.size.height == (1 if size[1] < 30 else pane.size.height) for pane in panes)
        assert "★" in results.query_one("#speeds", Chart).render().plain
        assert results.query_one("#plot-writing", Chart).size.height >= 7
        if size == (200, 60):
            assert results.query_one("#plot-writing", Chart).size.height > 15


@pytest.mark.slow
async def test_a_short_benchmark_says_what_it_means_and_what_else_can_be_measured(
    wizard: Build,
) -> None:
    short = bench_document(bench_result("/models/out/int4", bench_case()))
    short["repeats"] = 1
    for figure in (short["results"][0]["cases"][0][name] for name in ("ttft_s", "decode_tps")):
        figure["samples"] = figure["samples"][:1]
    app = wizard(session=FULL.decide(benchmark=short), first=BenchmarkStep)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        results = app.screen.query_one(BenchResults)
        assert "1 round " in results.query_one("#setup", Words).render().plain
        answers = results.query_one("#answers", Chart).render().plain
        # 40 tokens at 900, and 120 at 410 a second; a page is more than the model holds.
        assert "question 40→120" in answers and "≈ 0.34 s" in answers
        assert "page" not in answers
        assert "measure in full" in results.query_one("#more", Chart).render().plain
        results.show(BOTH, None)
        await settle(pilot)
        assert not results.query_one("#more").display


@pytest.mark.slow
async def test_dots_fall_while_it_measures(wizard: Build, called: Called) -> None:
    ends = asyncio.Event()

    async def benchmark(targets: Any, *, on_event: Any, **options: Any) -> BenchDocument:
        for rate in (100.0, 110.0):
            on_event(Measured("decode_tps", rate, "tokens/s", "int4", 128))
        await ends.wait()
        return BOTH

    app = wizard(
        session=FULL.decide(benchmark=None),
        first=BenchmarkStep,
        services=fake_services(called, benchmark=benchmark),
    )
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await pilot.press("r")
        speeds = app.screen.query_one("#speeds", Chart)
        await until(pilot, lambda: speeds.render().plain.count("●") == 2)
        assert "110 tok/s" in app.screen.query_one("#writing", TilePane).render().plain
        ends.set()
        await settle(pilot)
        assert "●" not in speeds.render().plain and "★" in speeds.render().plain


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_what_is_measured_stands_there_until_there_is_a_figure(
    wizard: Build, size: tuple[int, int]
) -> None:
    app = wizard(session=FULL.decide(benchmark=None), first=BenchmarkStep)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        ahead = app.screen.query_one("#ahead", Chart)
        assert ahead.display is (size[1] >= 30)
        if ahead.display:
            assert "after prompts of 32, 128 and 512 tokens" in ahead.render().plain
        results = app.screen.query_one(BenchResults)
        results.show(BOTH, "/models/out/int4")
        await settle(pilot)
        assert not ahead.display
