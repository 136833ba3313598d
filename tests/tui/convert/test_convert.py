"""The convert step: the queue, time and memory, methods and editor, results, leaving and coming back, failures."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.content import Content
from textual.pilot import Pilot
from textual.widgets import Button, OptionList, TextArea

from firstlight_core.conversion.progress import HELD, PEAK
from firstlight_core.crowding import Crowding
from firstlight_core.documents.estimate import Estimates, RowEstimate
from firstlight_core.errors import FirstlightError, JobDied, JobFailed, ModelRefused
from firstlight_core.monitor import Sample
from firstlight_core.process.events import LogLine, LogPath, Measured, Progress, Stage
from firstlight_core.session import Session
from firstlight_core.text import seconds_text
from firstlight_core.workflow.services import Services
from firstlight_tui.app import WizardApp
from firstlight_tui.modals import ConfirmScreen
from firstlight_tui.state.conversion_stages import planned, progress_of
from firstlight_tui.state.work import Work
from firstlight_tui.steps.convert.board import bar_note, plan_estimate_words, work_words
from firstlight_tui.steps.convert.method_screen import MethodScreen
from firstlight_tui.steps.convert.queue import _failure
from firstlight_tui.steps.convert.screen import ConvertStep
from firstlight_tui.steps.convert.text import built_words
from firstlight_tui.steps.precision.screen import PrecisionStep
from firstlight_tui.widgets import ProblemPanel, Words
from firstlight_tui.widgets.charts.chart import Chart
from firstlight_tui.widgets.charts.lines import LinePlot
from firstlight_tui.widgets.log_view import LogView
from tests.support.pilot import SIZES, Build, age, set_age, settle
from tests.support.wizard_documents import FULL, MODEL, conversion
from tests.support.wizard_services import Called, fake_services

GIB = 2**30
MARKED = Session(source=FULL.source, model=MODEL, precisions=("int8", "int4"))
ONE = MARKED.decide(precisions=("int4",))


class Olive:
    """A conversion that goes on when the test says so."""

    def __init__(self, failing: Mapping[str, FirstlightError] | None = None) -> None:
        self.failing = failing or {}
        self.calls: list[dict[str, Any]] = []
        self.go_on = asyncio.Event()
        self.begun = asyncio.Event()
        self.wait_at = ""
        """Before this precision is finished it waits."""

    async def _one(self, key: str, options: Mapping[str, Any]) -> dict[str, Any]:
        options["started"](4711)
        options["on_event"](Stage("start", f"Converting to {key}"))
        options["on_event"](LogPath("~/state/logs/convert.log"))
        options["on_event"](Stage("quantise", "Quantising the weights"))
        options["on_event"](Progress(7, 24, "nodes"))
        options["on_event"](Measured("bytes_written", 1_000_000.0, "B"))
        if key == self.wait_at:
            self.begun.set()
            await self.go_on.wait()
        if key in self.failing:
            raise self.failing[key]
        return conversion(key)

    async def convert(self, source: Path, output: Path, *, precision: str, **options: Any) -> Any:
        self.calls.append({"outputs": {precision: output}, **options})
        return await self._one(precision, options)

    async def convert_many(self, source: Path, outputs: Mapping[str, Path], **options: Any) -> Any:
        self.calls.append({"outputs": dict(outputs), **options})
        for key in outputs:
            try:
                options["on_done"](key, await self._one(key, options))
            except FirstlightError as error:
                options["on_done"](key, {"kind": "failure", "error": error.to_json()})
        return {}


def services(called: Called, olive: Olive) -> Services:
    return fake_services(called, convert=olive.convert, convert_many=olive.convert_many)


Converting = Callable[[Session], AbstractAsyncContextManager[tuple[WizardApp, Pilot[Any], Olive]]]


@pytest.fixture
def converting(wizard: Build, called: Called) -> Converting:
    """Open a wizard that converts, and waits before INT4 is finished until `olive.go_on` is set."""

    @asynccontextmanager
    async def begun(session: Session) -> AsyncIterator[tuple[WizardApp, Pilot[Any], Olive]]:
        olive = Olive()
        olive.wait_at = "int4"
        app = wizard(session=session, first=ConvertStep, services=services(called, olive))
        async with app.run_test(size=(80, 24)) as pilot:
            await settle(pilot)
            await pilot.press("enter")
            await olive.begun.wait()
            yield app, pilot, olive

    return begun


@pytest.mark.slow
async def test_a_conversion_without_news_paints_no_plot(
    converting: Converting, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with converting(ONE) as (app, pilot, olive):
        await pilot.pause()
        set_age(app, "convert", 12.0)
        work = app.workspace.works["convert"]
        work.clock = lambda: work.begun + 12.0
        app.workspace.publish_works()
        await pilot.pause()
        drawn: list[str] = []
        original = LinePlot.draw

        def draw(plot: LinePlot, width: int, height: int) -> Content:
            drawn.append(plot.title)
            return original(plot, width, height)

        monkeypatch.setattr(LinePlot, "draw", draw)
        for _ in range(3):
            app.workspace.publish_works()
            await pilot.pause()
        assert not drawn
        work.remember_memory(float(GIB))
        app.workspace.publish_works()
        await pilot.pause()
        assert len(drawn) == 1 and "1.00 GiB" in drawn[0]
        olive.go_on.set()
        await settle(pilot)


def text(pilot: Pilot[Any], selector: str) -> str:
    return str(pilot.app.screen.query_one(selector, Words).content)


def pipeline(pilot: Pilot[Any]) -> str:
    drawing = pilot.app.screen.query_one("#pipeline", Chart).drawing
    return drawing.draw(76, 20).plain if drawing is not None else ""


def primary(pilot: Pilot[Any]) -> str:
    return str(pilot.app.screen.query_one("#primary", Button).label)


def session(pilot: Pilot[Any]) -> Session:
    value = pilot.app.workspace.session  # type: ignore[attr-defined]
    assert isinstance(value, Session)
    return value


def work(pilot: Pilot[Any]) -> Work:
    value = pilot.app.workspace.works["convert"]  # type: ignore[attr-defined]
    assert isinstance(value, Work)
    return value


async def repaint(pilot: Pilot[Any]) -> None:
    pilot.app.workspace.publish_works()  # type: ignore[attr-defined]
    await pilot.pause()
    await pilot.pause()


async def test_one_precision_is_converted_alone(wizard: Build, called: Called) -> None:
    olive = Olive()
    app = wizard(session=ONE, first=ConvertStep, services=services(called, olive))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert primary(pilot) == "Convert"
        await pilot.press("enter")
        await settle(pilot)
        assert [list(call["outputs"]) for call in olive.calls] == [["int4"]]
        assert session(pilot).artifact == "/models/out/int4"
        assert primary(pilot) == "Next: Template"
        assert "~/state/logs/convert.log" in text(pilot, "#log-path")


async def test_several_share_one_olive_and_each_counts_at_once(
    wizard: Build, called: Called
) -> None:
    olive = Olive()
    olive.wait_at = "int4"
    app = wizard(session=MARKED, first=ConvertStep, services=services(called, olive))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert primary(pilot) == "Convert 2 precisions"
        await pilot.press("enter")
        await olive.begun.wait()
        await repaint(pilot)
        assert [a["precision"] for a in session(pilot).artifacts] == ["int8"]
        words, stages = text(pilot, "#work"), pipeline(pilot)
        assert "✓ INT8" in stages and "✓ Build" in stages and "◐ Quantise" in stages
        assert "○ Compare" in stages and "○ Publish" in stages, "what is to come is shown"
        assert "left" in stages
        assert "7 of 24 nodes" in words
        assert "976.6 KiB written" in words
        assert primary(pilot) == "Stop"
        olive.go_on.set()
        await settle(pilot)
        assert len(olive.calls) == 1
        assert [a["precision"] for a in session(pilot).artifacts] == ["int8", "int4"]
        # The preselected one, although the other was ready first.
        assert session(pilot).artifact == "/models/out/int4"


@pytest.mark.slow
async def test_leaving_keeps_the_job_and_coming_back_shows_it_at_once(
    converting: Converting,
) -> None:
    async with converting(ONE) as (app, pilot, olive):
        await pilot.press("ctrl+o")
        await pilot.pause()
        assert isinstance(app.screen, PrecisionStep)
        assert work(pilot).running
        await pilot.press("ctrl+n")
        await pilot.pause()
        assert "7 of 24 nodes" in text(pilot, "#work")
        assert pilot.app.screen.query_one(LogView)._lines
        olive.go_on.set()
        await settle(pilot)
        assert session(pilot).artifact == "/models/out/int4"


async def test_cancel_says_cancelled_and_offers_to_convert_again(converting: Converting) -> None:
    async with converting(MARKED) as (app, pilot, _olive):
        age(app, "convert", 5)
        await pilot.press("escape")
        await settle(pilot)
        assert work(pilot).status == "cancelled"
        assert "Stopped after" in text(pilot, "#work")
        # The precision that was finished before stays.
        assert [a["precision"] for a in session(pilot).artifacts] == ["int8"]
        assert primary(pilot) == "Convert"
        run = await app.workspace.ledger.written()
        assert run is not None
        remaining = [e for e in run.entries() if e.step == "convert"]
        assert [(e.status, e.values["precision"]) for e in remaining] == [
            ("done", "int8"),
            ("cancelled", "int4"),
        ]


@pytest.mark.slow
async def test_a_failure_is_shown_with_its_hint_and_retry_stays(
    wizard: Build, called: Called
) -> None:
    olive = Olive({"int4": ModelRefused("The weights lack x.", hint="Download it again.")})
    app = wizard(session=ONE, first=ConvertStep, services=services(called, olive))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        panel = app.screen.query_one(ProblemPanel)
        assert panel.has_class("-shown")
        words = text(pilot, "#problem-words")
        assert "The weights lack x." in words and "Download it again." in words
        assert primary(pilot) == "Retry"
        assert session(pilot).artifact is None
        olive.failing = {}
        await pilot.press("enter")
        await settle(pilot)
        assert not panel.has_class("-shown")
        assert session(pilot).artifact == "/models/out/int4"


@pytest.mark.slow
async def test_one_failure_of_several_is_told_and_loses_nothing(
    wizard: Build, called: Called
) -> None:
    olive = Olive({"int8": JobFailed("Memory ran out.", hint="Close other programs.")})
    app = wizard(session=MARKED, first=ConvertStep, services=services(called, olive))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        words = text(pilot, "#problem-words")
        assert "1 of 2 precisions could not be converted. INT8: Memory ran out." in words
        text_on_screen = text(pilot, "#work")
        assert "✗ INT8" in pipeline(pilot) and "1 of 2 failed" in text_on_screen
        # What ran last was a good one: its stages say so.
        assert "✓ Quantise" in pipeline(pilot) and "✓ Publish" in pipeline(pilot)
        assert [a["precision"] for a in session(pilot).artifacts] == ["int4"]
        assert primary(pilot) == "Retry"


async def test_results_of_another_source_do_not_fill_this_session(converting: Converting) -> None:
    async with converting(ONE) as (app, pilot, olive):
        app.workspace.session = app.workspace.session.decide(source="/models/another")
        olive.go_on.set()
        await settle(pilot)
        assert session(pilot).artifacts == () and session(pilot).artifact is None


@pytest.mark.slow
async def test_memory_beyond_the_prediction_asks_once_and_can_stop(converting: Converting) -> None:
    async with converting(ONE) as (app, pilot, olive):

        async def sampled(rss: int, used: int) -> None:
            sample = Sample(cpu=50.0, memory_used=used, memory_total=16 * GIB, job_rss=rss)
            app.workspace.sampled.publish(sample)
            await repaint(pilot)

        await sampled(GIB // 4, 6 * GIB)
        assert "peak RAM 256.0 MiB; predicted 512.0 MiB (estimate)" in text(pilot, "#work")
        # Beyond the prediction, but memory is plenty: a warning, no question.
        await sampled(GIB, 6 * GIB)
        assert "more than predicted" in text(pilot, "#work")
        assert isinstance(app.screen, ConvertStep)
        await sampled(GIB, 15 * GIB)
        assert isinstance(app.screen, ConfirmScreen)
        question = str(app.screen.query_one(Words).content)
        assert "only 1.00 GiB of memory is left" in question
        await pilot.click("#no")
        await sampled(GIB, 15 * GIB)
        assert isinstance(app.screen, ConvertStep)
        olive.go_on.set()
        await settle(pilot)
        assert work(pilot).status == "done"
        # What the core measured, as in the result below it.
        assert "peak RAM 600.0 MiB" in text(pilot, "#work")


@pytest.mark.slow
async def test_memory_that_the_core_adds_up_is_shown_and_is_no_sign_of_life(
    converting: Converting,
) -> None:
    async with converting(ONE) as (app, pilot, olive):
        last_event = work(pilot).last_event
        tell = olive.calls[0]["on_event"]
        for held, peak in ((700, 900), (300, 900), (200, 100)):
            tell(Measured(HELD, held * 2.0**20, "B"))
            tell(Measured(PEAK, peak * 2.0**20, "B"))
        await repaint(pilot)
        assert "peak RAM 900.0 MiB" in text(pilot, "#work"), "that of the whole queue"
        assert work(pilot).last_event == last_event
        # The pane beside it shows the same processes: no child has this id.
        assert app.workspace.read_machine().job_rss == 200 * 2**20
        olive.go_on.set()
        await settle(pilot)


@pytest.mark.slow
async def test_stop_now_stops(converting: Converting) -> None:
    async with converting(ONE) as (app, pilot, _olive):
        app.workspace.sampled.publish(
            Sample(cpu=1.0, memory_used=15 * GIB, memory_total=16 * GIB, job_rss=GIB)
        )
        await repaint(pilot)
        await pilot.click("#yes")
        await settle(pilot)
        assert work(pilot).status == "cancelled"


async def test_a_result_can_be_chosen_for_the_next_steps(wizard: Build) -> None:
    full = FULL.decide(artifacts=(conversion("int8"), conversion("int4")))
    async with wizard(session=full, first=ConvertStep).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        results = pilot.app.screen.query_one(OptionList)
        rows_shown = [str(option.prompt) for option in results.options]
        assert rows_shown[0].startswith("✓ INT8") and rows_shown[1].startswith("▸ INT4")
        assert all("measured" in line for line in rows_shown)
        results.focus()
        await pilot.press("home", "enter")
        await settle(pilot)
        assert session(pilot).artifact == "/models/out/int8"
        assert session(pilot).template is None


# Methods ------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_the_methods_stand_beside_what_is_run(wizard: Build, size: tuple[int, int]) -> None:
    async with wizard(session=ONE, first=ConvertStep).run_test(size=size) as pilot:
        await settle(pilot)
        await pilot.press("m")
        await settle(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, MethodScreen)
        assert '"quantization_config"' in text(pilot, "#course-words")
        assert '"ModelBuilder"' in screen.query_one(TextArea).text
        assert "ignored by ModelBuilder" in text(pilot, "#why")
        for button in screen.query(Button):
            assert 0 < button.region.bottom <= size[1] and button.region.right <= size[0]
        await pilot.click("#command")
        await settle(pilot)
        assert text(pilot, "#course-words").startswith("olive auto-opt --model_name_or_path")
        assert screen.query_one(TextArea).read_only
        assert "deprecated" in text(pilot, "#why")
        await pilot.click("#use")
        await settle(pilot)
        assert session(pilot).method == "command" and session(pilot).configs is None
        assert "one command (course method 1)" in text(pilot, "#plan")


@pytest.mark.slow
async def test_an_edited_configuration_is_checked_kept_and_run(
    wizard: Build, called: Called
) -> None:
    olive = Olive()
    app = wizard(session=ONE, first=ConvertStep, services=services(called, olive))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("m")
        await settle(pilot)
        area = app.screen.query_one(TextArea)
        own = area.text
        area.text = own.replace("{", "{,", 1)
        await settle(pilot)
        assert "Line 1, column 2" in text(pilot, "#verdict")
        assert app.screen.query_one("#use", Button).disabled
        area.text = own.replace('"ModelBuilder"', '"MyPass"')
        await settle(pilot)
        line = own[: own.index('"type": "ModelBuilder"')].count("\n") + 1
        words = text(pilot, "#verdict")
        assert "passes.build.type must be one of" in words and words.startswith("✗ Line ")
        assert int(words.split()[2].rstrip(":")) <= line
        edited = json.loads(own)
        edited["passes"]["build"]["int4_block_size"] = 64
        area.text = json.dumps(edited)
        await settle(pilot)
        assert "It can be run" in text(pilot, "#verdict")
        # Looking at method 1 does not lose the edit.
        await pilot.click("#command")
        await settle(pilot)
        await pilot.click("#config")
        await settle(pilot)
        assert json.loads(area.text) == edited
        await pilot.click("#use")
        await settle(pilot)
        assert "edited for INT4" in text(pilot, "#plan")
        await pilot.press("enter")
        await settle(pilot)
        config = olive.calls[0]["config"]
        assert config["passes"]["build"]["int4_block_size"] == 64


async def test_method_one_runs_without_the_edit(wizard: Build, called: Called) -> None:
    olive = Olive()
    configs = {"int4": {"passes": {}}}
    app = wizard(
        session=ONE.decide(configs=configs, method="command"),
        first=ConvertStep,
        services=services(called, olive),
    )
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert olive.calls[0]["config"] is None and olive.calls[0]["method"] == "command"


@pytest.mark.parametrize("precisions", [("int4-calibrated",), ("int4", "int4-calibrated")])
async def test_a_calibration_text_reaches_the_conversion(
    wizard: Build, called: Called, precisions: tuple[str, ...]
) -> None:
    olive = Olive()
    session = ONE.decide(precisions=precisions, calibration="/mine/words.txt")
    app = wizard(session=session, first=ConvertStep, services=services(called, olive))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert "rounded on words.txt" in text(pilot, "#plan")
        await pilot.press("enter")
        await settle(pilot)
        assert olive.calls[0]["calibration"] == "/mine/words.txt"


def test_silence_and_overlong_work_are_said() -> None:
    now = [0.0]
    running = Work("convert", "The conversion", clock=lambda: now[0])
    running.queue.append({"precision": "int4", "state": "running", "begun": 0.0})
    running.take(Stage("start", "Converting"))
    estimates: Estimates = {"int4": {"seconds": 12.0}}
    for now[0], words in (
        (10.0, "10 s · about 12 s in all (estimate)"),
        (30.0, "30 s · longer than the 12 s estimated"),
    ):
        note = bar_note(running, progress_of(running, estimates))
        assert note == words, "nothing is known before Olive is loaded"
    running.take(Stage("build", "Building the graph"))
    now[0] = 160.0
    words = str(work_words(running, estimates, Crowding(12.4, 80.2, 12.4)))
    assert "No output for 2 min 10 s; the process is still running." in words
    assert "The machine gives this job 12 %: other programs take 80 % of the processor." in words
    assert "slower than estimated" in bar_note(running, progress_of(running, estimates))


def test_the_time_before_the_start_is_that_of_the_bar_after_it() -> None:
    estimates: Estimates = {"int4": {"seconds": 41.0, "check_seconds": 11.0}}
    assert "about 41 s" in str(plan_estimate_words(["int4"], estimates))
    assert planned(["int4"], estimates).expected == pytest.approx(41.0)
    both: Estimates = {**estimates, "int8": {"seconds": 20.0, "check_seconds": 5.0}}
    expected = planned(["int4", "int8"], both).expected
    assert expected < 61.0, "Olive is loaded once"
    assert f"about {seconds_text(expected)}" in str(plan_estimate_words(["int4", "int8"], both))


def test_the_disk_holds_more_while_a_calibrated_row_is_converted() -> None:
    row: RowEstimate = {"seconds": 24.0, "bytes": 80 * 2**20, "disk_bytes": 80 * 2**20}
    rounded: RowEstimate = {**row, "disk_bytes": 250 * 2**20}
    assert str(plan_estimate_words(["int8"], {"int8": row})).endswith("· 80.0 MiB on disk")
    both = str(plan_estimate_words(["int8", "int4"], {"int8": row, "int4": rounded}))
    assert both.endswith("· 160.0 MiB on disk, 330.0 MiB while it works")


def test_what_the_graph_holds_in_words() -> None:
    assert built_words({"bits": [4, 8], "block_size": [32]}) == "4 and 8 bits in blocks of 32"
    assert built_words({"bits": []}) == built_words(None) == ""


async def test_a_precision_may_begin_before_the_one_before_is_checked(
    wizard: Build, called: Called
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def convert_many(source: Path, outputs: Mapping[str, Path], **options: Any) -> Any:
        for key in outputs:
            options["on_event"](Stage("start", f"Converting to {key}"))
            options["on_event"](Stage("build", f"Building {key}"))
        begun.set()
        await go_on.wait()
        for key in outputs:
            options["on_done"](key, conversion(key))

    app = wizard(
        session=MARKED,
        first=ConvertStep,
        services=fake_services(called, convert_many=convert_many),
    )
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("enter")
        await begun.wait()
        await repaint(pilot)
        words = text(pilot, "#work")
        assert "◐ INT8" in pipeline(pilot) and "◐ Build" in pipeline(pilot)
        assert "Building int4" in words and "Building int8" not in words
        go_on.set()
        await settle(pilot)
        assert "✓ INT8" in pipeline(pilot) and "✓ Publish" in pipeline(pilot)


@pytest.mark.slow
async def test_a_wizard_that_is_killed_while_it_converts_leaves_its_first_steps(
    converting: Converting,
) -> None:
    async with converting(ONE) as (app, pilot, olive):
        # Nothing has ended yet, and the ledger knows what was decided.
        run = await app.workspace.ledger.written()
        assert run is not None
        steps = {entry.step: entry.values for entry in run.entries()}
        assert steps["precision"] == {"precisions": ["int4"], "method": "config"}
        assert ONE.model is not None and steps["model"]["path"] == ONE.source
        assert set(ONE.model) <= set(steps["model"])
        olive.go_on.set()
        await settle(pilot)


async def test_the_wizard_sweeps_what_a_killed_one_left(wizard: Build, called: Called) -> None:
    swept = asyncio.Event()
    loop = asyncio.get_running_loop()

    def sweep() -> list[Path]:
        loop.call_soon_threadsafe(swept.set)
        return []

    app = wizard(services=fake_services(called, sweep_staging=sweep))
    async with app.run_test(size=(80, 24)):
        await asyncio.wait_for(swept.wait(), 30)


def test_only_the_job_names_the_log_and_no_line_of_a_tool() -> None:
    work = Work(name="convert", label="The conversion")
    work.take(LogLine("Log file: /what/a/tool/printed.log"))
    assert work.log_path == ""
    work.take(LogPath("~/state/logs/convert.log"))
    assert work.log_path == "~/state/logs/convert.log"
    assert work.lines[-1] == "Log file: ~/state/logs/convert.log"


def test_the_error_of_a_queue_keeps_all_that_the_first_one_carries() -> None:
    first = JobDied("It was killed.", hint="Try again.", detail="log", signal="SIGKILL", line=3)
    error = _failure([("int8", first.to_json())], queued=2)
    assert type(error) is JobDied and "INT8: It was killed." in str(error)
    assert error.to_json() == {**first.to_json(), "message": str(error)}
