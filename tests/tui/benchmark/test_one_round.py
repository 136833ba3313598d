"""A benchmark of one round: what its rates mean, as estimates, in the room that curves would take."""

import pytest

from bench.emptiness import LIMIT, empty_share
from firstlight_core.documents.measure import BenchDocument, BenchResult
from firstlight_core.monitor import ALERT_THRESHOLDS
from firstlight_tui.steps.benchmark.answers import answer_times, expected_waits
from firstlight_tui.steps.benchmark.rows import figure_rows
from firstlight_tui.steps.benchmark.screen import BenchmarkStep
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.bench_plots import speed_bars
from firstlight_tui.widgets.charts.chart import Chart
from tests.support.measured_documents import bench_case, bench_document, bench_result, figure
from tests.support.pilot import Build, settle
from tests.support.wizard_documents import FULL
from tests.tui.test_emptiness import content_rows

VOID = "Void: other programs used 70 % of the processor."


def result(folder: str = "/models/out/int4", *, void: bool = False) -> BenchResult:
    """One measurement of each figure: 1,000 tokens a second read, 20 written, a context of 8,192."""
    case = bench_case(128, ttft=figure(0.13), prefill=figure(1000.0), decode=figure(20.0))
    for name in ("ttft_s", "prefill_tps", "decode_tps"):
        measured = case[name]  # type: ignore[literal-required]
        measured["samples"] = measured["samples"][:1]
    return {**bench_result(folder, case, void=void), "context": 8192}


def document(*results: BenchResult, void: bool = False) -> BenchDocument:
    whole = bench_document(*results or (result(void=void),), notes=[VOID] * void, void=void)
    return {**whole, "repeats": 1}


@pytest.mark.slow
@pytest.mark.parametrize(
    "measured",
    [document(), document(void=True), document(result("/models/out/int8"), result())],
    ids=["one", "void", "several"],
)
async def test_one_round_fills_a_large_terminal(wizard: Build, measured: BenchDocument) -> None:
    session = FULL.decide(benchmark=measured)
    async with wizard(session=session, first=BenchmarkStep).run_test(size=(200, 60)) as pilot:
        await settle(pilot)
        share = empty_share(content_rows(pilot))
        assert share <= LIMIT, f"{share:.2f} of the rows are empty"
        screen = pilot.app.screen
        assert screen.query_one("#plots").display is not measured["void"]
        assert screen.query_one("#ahead").display is measured["void"]
        notes = str(screen.query_one("#notes", Words).render())
        assert notes.startswith(
            "one void measure" if measured["void"] else "one measurement of each, no"
        )
        for chart in screen.query_one("#plots").query(Chart):
            assert measured["void"] or chart.render().plain.startswith("≈ ")


async def test_a_small_terminal_has_no_estimated_curves(wizard: Build) -> None:
    session = FULL.decide(benchmark=document())
    async with wizard(session=session, first=BenchmarkStep).run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        assert not pilot.app.screen.query_one("#plots").display


def test_the_first_token_reaches_its_limit_at_a_length() -> None:
    measured = document()
    first, answer = expected_waits(measured, measured["results"][0])
    assert first.reference is not None and first.reference.value == 2.0
    assert first.reference.label == "limit 2.00 s, reached at ≈ 2,000 tokens"
    line, point = first.series
    assert line.points == ((0.0, 0.0), (3000.0, 3.0))
    assert point.label == "measured" and point.points == ((128.0, 0.13),)
    assert [each.label for each in answer.series] == ["prompt of 20", "prompt of 3,000"]
    assert answer.series[1].points == ((0.0, 3.0), (400.0, 23.0))


def test_a_context_that_ends_before_the_limit_is_said() -> None:
    small = result()
    small["context"] = 200
    measured = document(small)
    first, answer = expected_waits(measured, small)
    assert first.reference is None
    assert first.title == "≈ First token by prompt length, estimate: 0.20 s with a full context"
    assert [each.label for each in answer.series] == ["prompt of 20", "prompt of 40"]
    assert answer.series[0].points[-1][0] == 180.0
    bars = answer_times(measured, small)
    assert bars is not None
    assert [bar.label for bar in bars.bars] == ["command 20→20", "question 40→120"]
    strict = ALERT_THRESHOLDS | {"response_time_ms": 100}
    first, _ = expected_waits(measured, small, strict)
    assert (
        first.reference is not None and "0.10 s, reached at ≈ 100 tokens" in first.reference.label
    )


def test_void_figures_promise_nothing() -> None:
    void = document(void=True)
    assert expected_waits(void, void["results"][0]) == ()
    assert answer_times(void, void["results"][0]) is None
    other = document(result(void=True), result("/models/out/int8"))
    assert expected_waits(other, other["results"][0]) == ()


def test_one_measurement_has_no_spread() -> None:
    row = [str(cell) for cell in next(figure_rows(document()))]
    assert row[3:6] == ["130", "1000", "20.0"]
    bars = speed_bars(document())
    assert bars is not None and bars.title == "Writing, tokens a second (128-token prompt)"
    bars = speed_bars(bench_document(bench_result("/models/out/int4")))
    assert bars is not None and bars.title.endswith("(32-token prompt, ├─┤ min–max)")
