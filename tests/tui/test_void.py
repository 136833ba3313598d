"""A void benchmark shows no speed as if it were one, and the tiles are of the artifact in use."""

import pytest
from textual.widgets import Button

from firstlight_core.documents.bench_parts import ClientsLevel
from firstlight_core.documents.measure import BenchDocument, BenchResult
from firstlight_tui.steps.benchmark.rows import client_rows, figure_rows
from firstlight_tui.steps.benchmark.screen import BenchmarkStep
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.charts.tile import TilePane
from tests.support.measured_documents import bench_case, bench_document, bench_result, figure
from tests.support.pilot import Build, settle
from tests.support.wizard_documents import FULL

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
