"""A row of the benchmark's table, opened, and the bars against the memory of the machine."""

import pytest
from textual.widgets import DataTable

from firstlight_core.documents.measure import BenchDocument
from firstlight_tui.modals.detail import DetailScreen
from firstlight_tui.steps.benchmark.ceiling import ceiling_of
from firstlight_tui.steps.benchmark.opened_row import opened_row, opened_title
from firstlight_tui.steps.benchmark.screen import BenchmarkStep
from tests.support.chart_gallery import text_of
from tests.support.pilot import Build, settle
from tests.support.wizard_documents import FULL
from tests.tui.benchmark.test_dials import document, result


def measured(share: float = 0.71, *, void: bool = False) -> BenchDocument:
    artifact = result("int4", 50, void=void)
    artifact["token_bytes"] = 80 * 2**20
    for case in artifact["cases"]:
        case["roofline_share"] = share
        case["ttft_s"] = {
            "median": 0.1,
            "min": 0.1,
            "max": 0.3,
            "samples": [0.1] * 18 + [0.2, 0.3],
        }
    whole = document(artifact)
    whole["memory_bandwidth"] = {
        "triad_bytes_per_s": 7e9,
        "read_bytes_per_s": 8e9,
        "threads": 2,
        "array_bytes": 2**27,
    }
    return whole


def test_an_opened_row_has_percentiles_of_times_only() -> None:
    whole = measured()
    artifact = whole["results"][0]
    assert opened_title(artifact, artifact["cases"][1]) == "INT4 · 128-token prompt"
    rows = opened_row(whole, artifact, artifact["cases"][1]).plain.splitlines()
    head = next(row for row in rows if "p95" in row)
    assert head.split() == ["median", "min", "max", "p50", "p95", "p99"]
    first = next(row for row in rows if row.startswith("first token"))
    assert first.split()[3:] == ["100.0", "100.0", "300.0", "100.0", "205.0", "281.0"]
    writing = next(row for row in rows if row.startswith("writing, tokens/s"))
    assert len(writing.split()) == 2 + 3
    text = "\n".join(rows)
    assert "reaches 71 % of what this machine's memory can do" in text and "(measured)" in text
    assert "VOID" not in text
    whole["void"] = True
    assert "✗ VOID" in opened_row(whole, artifact, artifact["cases"][1]).plain


def test_bars_against_the_memory_name_share_and_bandwidth() -> None:
    ceiling = ceiling_of(measured())
    assert ceiling is not None
    title, row = text_of(ceiling, 100)
    assert title.startswith("Of what this machine's memory can do  7.45 GiB/s, measured")
    assert "71 %" in row and "5.29 GiB/s read" in row
    assert len(text_of(ceiling, 40)[1]) <= 40 and "71 %" in text_of(ceiling, 40)[1]
    above = ceiling_of(measured(1.2))
    assert above is not None and "the caches hold a part" in text_of(above, 100)[1]
    void = ceiling_of(measured(void=True))
    assert void is not None and "✗ VOID" in text_of(void, 100)[1]
    assert ceiling_of(document(result("int4", 50))) is None


@pytest.mark.slow
async def test_enter_on_a_row_opens_it(wizard: Build) -> None:
    app = wizard(session=FULL.decide(benchmark=measured()), first=BenchmarkStep)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        table = app.screen.query_one("#figures", DataTable)
        table.focus()
        await pilot.press("down", "enter")
        await settle(pilot)
        assert isinstance(app.screen, DetailScreen)
        await pilot.press("escape")
        await settle(pilot)
        assert isinstance(app.screen, BenchmarkStep)
