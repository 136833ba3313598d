"""A void benchmark shows no speed as if it were one, and the tiles are of the artifact in use."""

import pytest
from textual.widgets import Button

from bench.emptiness import LIMIT, empty_share
from firstlight_core.documents.bench_parts import ClientsLevel
from firstlight_core.documents.measure import BenchDocument, BenchResult
from firstlight_core.monitor import ALERT_THRESHOLDS, AlertThresholds
from firstlight_tui.steps.benchmark.limits import limits_chart, limits_of, over_words
from firstlight_tui.steps.benchmark.results import BenchResults
from firstlight_tui.steps.benchmark.rows import client_rows, figure_rows
from firstlight_tui.steps.benchmark.screen import BenchmarkStep
from firstlight_tui.steps.summary.screen import SummaryStep
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.charts.chart import Chart
from firstlight_tui.widgets.charts.tile import TilePane
from tests.support.measured_documents import bench_case, bench_document, bench_result, figure
from tests.support.pilot import Build, settle
from tests.support.wizard_documents import FULL
from tests.tui.test_emptiness import content_rows

VOID = "Void: other programs used 70 % of the processor."


def result(folder: str, decode: float, *, void: bool) -> BenchResult:
    return bench_result(folder, bench_case(decode=figure(decode)), void=void)


def document(*, void: bool) -> BenchDocument:
    return bench_document(
        result("/models/out/int8", 11.0, void=void),
        result("/models/out/int4", 22.0, void=void),
        notes=[VOID] if void else [],
        void=void,
    )


@pytest.mark.parametrize("void", [True, False])
async def test_the_tiles_are_of_the_artifact_in_use(wizard: Build, void: bool) -> None:
    session = FULL.decide(benchmark=document(void=void))
    assert session.artifact == "/models/out/int4"
    async with wizard(session=session, first=BenchmarkStep).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        screen = pilot.app.screen
        writing = screen.query_one("#writing", TilePane).render().plain
        assert "22 tok/s" in writing and ("✗ VOID" in writing) is void
        banner = screen.query_one("#banner", Words)
        assert banner.display is void and ("✗ VOID" in str(banner.render())) is void
        assert BenchmarkStep.done(session) is not void
        primary = str(screen.query_one("#primary", Button).label)
        assert primary.startswith("Measure again" if void else "Next")
        assert screen.query_one("#skip").display is void, "what has its answer is not skipped"
        notes = str(screen.query_one("#notes", Words).render())
        assert notes.startswith("median (min–max) of void" if void else "median (min–max);")


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_rounds_that_are_void_are_drawn_where_there_is_room(
    wizard: Build, size: tuple[int, int]
) -> None:
    document = bench_document(result("/models/out/int4", 22.0, void=True), notes=[VOID], void=True)
    session = FULL.decide(benchmark=document)
    async with wizard(session=session, first=BenchmarkStep).run_test(size=size) as pilot:
        await settle(pilot)
        tall = size[1] >= 45
        screen = pilot.app.screen
        assert screen.query_one("#plots").display is tall
        plot = screen.query_one("#plot-writing", Chart).render().plain if tall else ""
        assert plot.startswith("✗ VOID  Writing each round" if tall else "")
        if tall:
            share = empty_share(content_rows(pilot))
            assert share <= LIMIT, f"{share:.2f} of the rows are empty"
        screen.query_one(BenchResults).show(
            bench_document(result("/a/int4", 22.0, void=False)), None
        )
        await settle(pilot)
        assert screen.query_one("#plots").display
        assert screen.query_one("#plot-writing", Chart).render().plain.startswith("Writing each")


async def test_the_summary_of_a_void_benchmark_leaves_no_room_empty(wizard: Build) -> None:
    document = bench_document(result("/models/out/int4", 22.0, void=True), notes=[VOID], void=True)
    session = FULL.decide(benchmark=document)
    async with wizard(session=session, first=SummaryStep).run_test(size=(200, 60)) as pilot:
        await settle(pilot)
        plots = pilot.app.screen.query_one("#curves").query(Chart)
        assert [plot.render().plain.startswith("✗ VOID") for plot in plots] == [True, True]
        share = empty_share(content_rows(pilot))
        assert share <= LIMIT, f"{share:.2f} of the rows are empty"


def test_a_void_figure_keeps_no_limit_and_breaks_none() -> None:
    void = document(void=True)
    void["machine"]["memory_bytes"] = 24 * 2**30
    strict: AlertThresholds = {**ALERT_THRESHOLDS, "response_time_ms": 1}
    limits = limits_of(void, void["results"][0], strict)
    assert [limit.name for limit in limits if limit.void] == ["first token", "processor"]
    assert over_words(limits) == ""
    drawn = limits_chart(limits)
    assert drawn is not None
    rows = drawn.draw(100, 9).plain.splitlines()
    assert ["✗ VOID" in row for row in rows] == [False, True, False, True]
    assert "✓ within" in rows[2], "memory is what it is"


def test_a_row_of_a_void_result_says_so() -> None:
    assert str(next(figure_rows(document(void=True)))[0]) == "VOID int8"
    assert str(next(figure_rows(document(void=False)))[0]) == "int8"
    level: ClientsLevel = {
        "clients": 1,
        "requests": 1,
        "errors": 1,
        "error_rate": 1.0,
        "seconds": 0.5,
    }
    served = result("/a/int4", 1.0, void=True)
    served["clients"] = [level]
    (row,) = client_rows(bench_document(served))
    assert str(row[0]) == "VOID int4"
