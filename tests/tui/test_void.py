"""A void benchmark shows no speed as if it were one, and the gauges are of the artifact in use."""

from typing import Any

import pytest

from firstlight_tui.steps.benchmark.rows import client_rows, figure_rows
from firstlight_tui.steps.benchmark.screen import BenchmarkStep
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.gauge import Gauge
from tests.core.report.test_report_claims import bench
from tests.support.pilot import Build, settle
from tests.support.wizard_documents import FULL

VOID = "Void: other programs used 70 % of the processor."


def of(target: str, decode: float, **over: Any) -> dict[str, Any]:
    (result,) = bench()["results"]
    speed = {"median": decode, "min": decode, "max": decode}
    case = {**result["cases"][0], "decode_tps": speed}
    return {**result, "target": target, "cases": [case], **over}


def document(*, void: bool) -> dict[str, Any]:
    mark = {"void": True} if void else {}
    results = [of("/models/out/int8", 11.0, **mark), of("/models/out/int4", 22.0, **mark)]
    return {"results": results, "notes": [VOID] if void else [], "void": void}


@pytest.mark.parametrize("void", [True, False])
async def test_the_gauges_are_of_the_artifact_in_use(wizard: Build, void: bool) -> None:
    session = FULL.decide(benchmark=document(void=void))
    assert session.artifact == "/models/out/int4"
    async with wizard(session=session, first=BenchmarkStep).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        screen = pilot.app.screen
        assert screen.query_one("#gauge-decode", Gauge).text == ("void" if void else "22 tok/s")
        notes = str(screen.query_one("#notes", Words).render())
        assert notes.startswith("Void: measure again" if void else "median")


def test_a_row_of_a_void_result_says_so() -> None:
    assert str(next(figure_rows(document(void=True)))[0]) == "int8, void"
    assert str(next(figure_rows(document(void=False)))[0]) == "int8"
    level = {"clients": 1, "error_rate": 0.0}
    (row,) = client_rows({"results": [of("/a/int4", 1.0, void=True, clients=[level])]})
    assert str(row[0]) == "int4, void"
