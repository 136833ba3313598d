"""The precision step: the table, marks by key and mouse, goals, picture, advanced options."""

from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Button, Input, Select

from firstlight_core.documents.measure import BenchResult, QualityDocument
from firstlight_core.estimate.measured_figures import Figures
from firstlight_core.precision.options import read_options
from firstlight_core.session import Session
from firstlight_tui.modals import DetailScreen
from firstlight_tui.steps.precision.options_screen import AdvancedScreen
from firstlight_tui.steps.precision.screen import PrecisionStep
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.charts.chart import PointChart
from firstlight_tui.widgets.precision_columns import drift_text, number
from firstlight_tui.widgets.precision_table import PrecisionTable
from tests.support.measured_documents import (
    bench_case,
    bench_document,
    bench_result,
    drift_document,
    figure,
    qualities_document,
    quality_document,
)
from tests.support.pilot import SIZES, Build, settle
from tests.support.wizard_documents import FULL, MODEL, conversion
from tests.support.wizard_services import Called, fake_services

OPEN = Session(source=FULL.source, model=MODEL)


def result(key: str, decode: float) -> BenchResult:
    return bench_result(f"/models/out/{key}", bench_case(decode=figure(decode)), precision=key)


def checked(key: str, kl: float, agreement: float) -> QualityDocument:
    drift = drift_document(
        top1_agreement=agreement, kl_mean=kl, kl_p95=kl, perplexity_ratio=1.0, tokens=512
    )
    return quality_document(f"/models/out/{key}", drift=drift)


MEASURED = OPEN.decide(
    precisions=("int8", "int4"),
    artifacts=({**conversion("int8"), "bytes": 5_000_000}, conversion("int4")),
    artifact="/models/out/int4",
    benchmark=bench_document(result("int8", 300.0), result("int4", 410.0)),
    quality=qualities_document(checked("int8", 0.0001, 1.0), checked("int4", 0.02, 0.9)),
)


def table(pilot: Pilot[Any]) -> PrecisionTable:
    return pilot.app.screen.query_one(PrecisionTable)


def text(pilot: Pilot[Any], selector: str) -> str:
    return str(pilot.app.screen.query_one(selector, Words).content)


def row(pilot: Pilot[Any], key: str) -> dict[str, str]:
    grid = table(pilot)
    columns = [str(column.value) for column in grid.columns]
    return dict(zip(columns, (str(cell) for cell in grid.get_row(key)), strict=True))


@pytest.mark.parametrize("size", [*SIZES, (200, 60)], ids=lambda s: f"{s[0]}x{s[1]}")
async def test_the_table_fits_and_shows_claim_estimate_and_measurement(
    wizard: Build, size: tuple[int, int]
) -> None:
    async with wizard(session=MEASURED, first=PrecisionStep).run_test(size=size) as pilot:
        await settle(pilot)
        grid = table(pilot)
        assert grid.virtual_size.width <= grid.size.width
        int4 = row(pilot, "int4")
        assert int4["claim"] == "×0.125"
        assert int4["bytes"] == "1.66" and int4["measured"] == "1.66"
        assert int4["decode"] == "410" and int4["drift"] == "0.02"
        assert row(pilot, "fp32")["measured"] == "–"
        # Few columns and their bars, until all of them and the bars fit.
        wide = size[0] >= 150
        assert ("ttft" in int4) is wide
        if wide:
            assert (int4["ttft"], int4["prefill"], int4["load"]) == ("20.0", "900", "210")
        heads = [str(column.label) for column in grid.columns.values()]
        assert {head.splitlines()[0] for head in heads if head} >= {"claim", "est.", "meas."}


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_details_say_everything_at_any_size(wizard: Build, size: tuple[int, int]) -> None:
    async with wizard(session=MEASURED, first=PrecisionStep).run_test(size=size) as pilot:
        await settle(pilot)
        table(pilot).point_at("int4")
        await pilot.press("d")
        await settle(pilot)
        assert isinstance(pilot.app.screen, DetailScreen)
        words = str(pilot.app.screen.query_one("VerticalScroll Words", Words).content)
        share = "×0.125 of FP32, Fastest, Acceptable, for: Resource-limited; this model: 19 %"
        for sentence in (
            f"{share} of FP32 (measured size / estimated FP32 size)",
            "the formulas of FACTS",
            "TTFT 20.0 ms",
            "mean KL 0.02",
        ):
            assert sentence in words


async def test_a_row_that_cannot_run_stays_visible_and_says_why(wizard: Build) -> None:
    async with wizard(session=OPEN, first=PrecisionStep).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert "✕" in row(pilot, "fp16")["mark"]
        table(pilot).point_at("fp16")
        await pilot.press("space")
        await settle(pilot)
        assert pilot.app.workspace.session.precisions == ("int4",)  # type: ignore[attr-defined]
        assert "Not with this genai." in text(pilot, "#precision-detail")


@pytest.mark.slow
async def test_marks_by_key_and_by_mouse(wizard: Build) -> None:
    async with wizard(session=OPEN, first=PrecisionStep).run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        session = lambda: pilot.app.workspace.session.precisions  # type: ignore[attr-defined]  # noqa: E731
        assert session() == ("int4",)
        table(pilot).point_at("int8")
        await pilot.press("space")
        assert session() == ("int8", "int4")
        # Three header rows, then fp32, fp16, int8: a click on the mark.
        await pilot.click(PrecisionTable, offset=(1, 5))
        await settle(pilot)
        assert session() == ("int4",)
        # A click elsewhere on a row only shows it.
        await pilot.click(PrecisionTable, offset=(8, 3))
        await settle(pilot)
        assert session() == ("int4",)
        assert table(pilot).highlighted == "fp32"
        assert "FP32" in text(pilot, "#precision-detail")
        # Enter chooses the row alone and goes to the button.
        table(pilot).focus()
        await pilot.press("enter")
        await settle(pilot)
        assert session() == ("fp32",)
        assert isinstance(pilot.app.focused, Button)


@pytest.mark.slow
async def test_the_goal_moves_the_star_and_follows_the_measurements(wizard: Build) -> None:
    starred = lambda pilot: [  # noqa: E731
        str(k.value) for k in table(pilot).rows if "★" in row(pilot, str(k.value))["mark"]
    ]
    async with wizard(session=OPEN, first=PrecisionStep).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        # The row to start with is recommended and chosen.
        assert starred(pilot) == ["int4"]
        assert "Start with INT4: " in text(pilot, "#advice")
        assert "(estimate)" in text(pilot, "#advice")
        session = lambda: pilot.app.workspace.session  # type: ignore[attr-defined]  # noqa: E731
        assert session().precisions == ("int4",)
        await pilot.press("g")
        await settle(pilot)
        # The choice follows the recommendation that it came from.
        assert starred(pilot) == ["int4-compact"] and session().precisions == ("int4-compact",)
        assert "smallest" in text(pilot, "#advice")
        await pilot.press("space", "g", "g")
        await settle(pilot)
        assert pilot.app.workspace.session.goal == "closest"  # type: ignore[attr-defined]
        assert starred(pilot) == ["int8"] and session().precisions == ()
    async with wizard(session=MEASURED, first=PrecisionStep).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("g", "g")
        await settle(pilot)
        assert starred(pilot) == ["int4"]
        assert "410 tokens/s, before INT8 with 300" in text(pilot, "#advice")


@pytest.mark.slow
async def test_the_picture_comes_with_the_second_measured_row(wizard: Build) -> None:
    checked_once = MEASURED.decide(quality=checked("int8", 0.0001, 1.0))
    for session, visible in ((OPEN, False), (checked_once, False), (MEASURED, True)):
        async with wizard(session=session, first=PrecisionStep).run_test(size=(120, 40)) as pilot:
            await settle(pilot)
            assert pilot.app.screen.query_one(PointChart).display is visible
    async with wizard(session=MEASURED, first=PrecisionStep).run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        chart = pilot.app.screen.query_one(PointChart)
        assert "against size" in chart.render().plain
        await pilot.press("p")
        await settle(pilot)
        assert "against writing speed" in chart.render().plain
        assert "tok/s" in chart.render().plain


async def test_a_point_of_the_picture_is_a_row_of_the_table(wizard: Build) -> None:
    async with wizard(session=MEASURED, first=PrecisionStep).run_test(size=(120, 60)) as pilot:
        await settle(pilot)
        chart = pilot.app.screen.query_one(PointChart)
        assert chart.drawing is not None and chart.size.height > 15
        table(pilot).point_at("int8")
        await settle(pilot)
        assert "◉" in chart.render().plain
        chart.focus()
        await pilot.press("left")
        await settle(pilot)
        assert table(pilot).highlighted == "int4"


@pytest.mark.slow
async def test_bars_stand_beside_size_and_speed_where_there_is_room(wizard: Build) -> None:
    for size, there in (((80, 24), False), ((120, 40), True), ((200, 60), True)):
        async with wizard(session=MEASURED, first=PrecisionStep).run_test(size=size) as pilot:
            await settle(pilot)
            assert table(pilot).max_scroll_x == 0
            cells = row(pilot, "int8")
            assert ("decode-bar" in cells) is there
            if there:
                # INT4 writes faster than INT8; a size that is only estimated is drawn otherwise.
                assert len(cells["decode-bar"]) < len(row(pilot, "int4")["decode-bar"])
                assert "█" in cells["measured-bar"] and "░" in row(pilot, "fp32")["measured-bar"]


async def test_a_void_benchmark_is_marked(wizard: Build) -> None:
    session = MEASURED.decide(benchmark={**MEASURED.benchmark, "void": True})  # type: ignore[dict-item]
    async with wizard(session=session, first=PrecisionStep).run_test(size=(160, 40)) as pilot:
        await settle(pilot)
        assert row(pilot, "int4")["decode"] == "410?" and row(pilot, "int4")["load"] == "210?"
        assert row(pilot, "int4")["measured"] == "1.66"


async def test_drift_measured_before_another_choice_comes_from_the_ledger(wizard: Build) -> None:
    app = wizard(session=MEASURED.decide(quality=None), first=PrecisionStep)
    app.workspace.run_folder()
    assert app.workspace.run_record is not None
    app.workspace.run_record.record(
        "quality", "done", values={"target": "/models/out/int8", "drift": {"kl_mean": 0.5}}
    )
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert row(pilot, "int8")["drift"] == "0.5"


@pytest.mark.slow
async def test_advanced_options_become_the_rows_configuration(wizard: Build) -> None:
    async with wizard(session=MEASURED, first=PrecisionStep).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        table(pilot).point_at("int4")
        await pilot.press("a")
        await settle(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, AdvancedScreen)
        for button in screen.query(Button):
            assert button.region.bottom <= 24 and button.region.height == 1
        screen.query_one("#option-block_size", Select).value = 64
        await pilot.click("#use")
        await settle(pilot)
        session: Session = pilot.app.workspace.session  # type: ignore[attr-defined]
        assert session.configs is not None
        assert read_options(session.configs["int4"])["block_size"] == 64
        # What was made with other options is no longer this row's.
        assert session.measured("int4") is None and session.artifact == "/models/out/int8"
        assert row(pilot, "int4")["label"] == "INT4*"
        assert "block size 64 weights" in text(pilot, "#precision-detail")
        # The other estimates were those of the row's own options.
        assert row(pilot, "int4")["seconds"] == "–"
        assert float(row(pilot, "int4")["bytes"]) > 1.66
        assert "size with your options" in text(pilot, "#precision-detail")
        await pilot.press("a")
        await settle(pilot)
        await pilot.click("#own")
        await settle(pilot)
        assert pilot.app.workspace.session.configs is None  # type: ignore[attr-defined]


@pytest.mark.slow
async def test_a_calibration_text_is_checked_and_kept(wizard: Build, tmp_path: Path) -> None:
    text = tmp_path / "mine.txt"
    text.write_text("The words that this model will meet. " * 20)
    made = MEASURED.converted(conversion("int4-calibrated"))
    app = wizard(session=made, first=PrecisionStep)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        table(pilot).point_at("int4-calibrated")
        await pilot.press("a")
        await settle(pilot)
        field = pilot.app.screen.query_one("#calibration", Input)
        field.value = str(tmp_path / "missing.txt")
        await pilot.click("#use")
        await settle(pilot)
        fault = pilot.app.screen.query_one("#fault", Words)
        assert "missing.txt" in str(fault.content)
        assert fault.region.bottom <= 24
        field.value = str(text)
        # The line of the fault goes, and the buttons move.
        await settle(pilot)
        await pilot.click("#use")
        await settle(pilot)
        session = app.workspace.session
        assert session.calibration == str(text)
        # It was rounded on other words.
        assert session.measured("int4-calibrated") is None
        assert session.measured("int4") is None and session.measured("int8") is not None
        await pilot.press("a")
        await settle(pilot)
        assert pilot.app.screen.query_one("#calibration", Input).value == str(text)
        pilot.app.screen.query_one("#calibration", Input).value = "own-answers"
        await pilot.click("#use")
        await settle(pilot)
        assert app.workspace.session.calibration == "own-answers"
        await pilot.press("a")
        await settle(pilot)
        await pilot.click("#own")
        await settle(pilot)
        assert app.workspace.session.calibration is None


async def test_advanced_says_when_there_is_nothing_to_choose(wizard: Build) -> None:
    async with wizard(session=MEASURED, first=PrecisionStep).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        table(pilot).point_at("fp32")
        await pilot.press("a")
        await settle(pilot)
        assert isinstance(pilot.app.screen, PrecisionStep)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0341, "0.034"),
        (1.784, "1.78"),
        (2.0, "2.00"),
        (12.0, "12.0"),
        (461.2, "461"),
        (9999.0, "9999"),
        (12_730.3, "12.7k"),
        (1_234_567.0, "1.23M"),
    ],
)
def test_numbers_are_short(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0.0, "0"), (0.0123, "0.012"), (4.7073e-6, "4.7e-6")]
)
def test_drifts_are_short(value: float | None, text: str) -> None:
    assert drift_text(value) == text


async def test_arrow_keys_go_to_the_rows(wizard: Build) -> None:
    async with wizard(session=OPEN, first=PrecisionStep).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert isinstance(pilot.app.focused, Button)
        await pilot.press("down", "down", "space")
        await settle(pilot)
        assert pilot.app.workspace.session.precisions == ("int4", "int4-compact")  # type: ignore[attr-defined]


async def test_a_mark_goes_where_the_arrow_before_it_went(wizard: Build) -> None:
    app = wizard(session=FULL, first=PrecisionStep)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        # As fast as a terminal delivers them; Pilot waits after every key.
        for key in ("down", "down", "space", "down", "space"):
            app.post_message(events.Key(key, " " if key == "space" else None))
        await settle(pilot)
        assert app.workspace.session.precisions == ("int4", "int4-compact", "int4-quality")


async def test_a_row_larger_than_its_source_says_so(wizard: Build) -> None:
    async with wizard(session=OPEN, first=PrecisionStep).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        table(pilot).point_at("int8")
        await settle(pilot)
        assert "1.08 × the source" in text(pilot, "#precision-detail")
        table(pilot).point_at("int4")
        await settle(pilot)
        assert "× the source" not in text(pilot, "#precision-detail")


async def test_what_was_measured_before_the_restart_comes_back_with_its_date(
    wizard: Build,
) -> None:
    fingerprints: list[str] = []

    def earlier(fingerprint: str) -> dict[str, Figures]:
        fingerprints.append(fingerprint)
        return {
            "int8": Figures(
                precision="int8",
                artifact="/models/out/int8",
                bytes=5_000_000,
                decode_tps=321.0,
                prompt_tokens=128,
                measured_at="2026-11-02T08:00:00+00:00",
            )
        }

    fresh = Session(source=FULL.source, model=MODEL, precisions=("int8",))
    services = fake_services(Called(), earlier_figures=earlier)
    app = wizard(session=fresh, first=PrecisionStep, services=services)
    async with app.run_test(size=(140, 40)) as pilot:
        await settle(pilot)
        assert fingerprints == [MODEL["fingerprint"]]
        assert row(pilot, "int8")["decode"].startswith("321")
        assert "on 2026-11-02: " in text(pilot, "#precision-detail")
        assert "321" not in str(row(pilot, "int4"))
