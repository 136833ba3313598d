"""Adding a precision, a step, an export, a verb or a theme: one row or one module, and it arrives everywhere; so does a
changed sampling range or alert threshold."""

import importlib
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from textual.widgets import RadioButton
from typer.testing import CliRunner

import firstlight_themes
from firstlight_core import steps as step_table
from firstlight_core.artifact.inference_model import validate_inference_model
from firstlight_core.artifact.sampling_ranges import SAMPLING_RANGES
from firstlight_core.conversion.olive_config import course_config, run_config
from firstlight_core.conversion.verdict import kind_of
from firstlight_core.deploy.targets import deploy_targets
from firstlight_core.documents.deploy import WrittenExport
from firstlight_core.errors import TemplateRefused, UsageError
from firstlight_core.estimate.estimates import inspect_and_estimate
from firstlight_core.exports.export import export, export_place, undo_export
from firstlight_core.exports.table import EXPORTS
from firstlight_core.exports.target import Export, ExportRequest
from firstlight_core.inference.sampling import Sampling
from firstlight_core.ledger import Run
from firstlight_core.machine import find_alerts
from firstlight_core.monitor import ALERT_THRESHOLDS, EMPTY_SAMPLE, History, Sample
from firstlight_core.precision import table as precision_table
from firstlight_core.precision.table import Precision, closer_precisions, is_quantised
from firstlight_core.process.events import Event, Stage
from firstlight_core.report.checklists import service_metrics
from firstlight_core.report.document import report_document
from firstlight_core.session import Session
from firstlight_core.settings import load_settings
from firstlight_core.steps import Step
from firstlight_core.workflow import steps as walk_steps
from firstlight_core.workflow.plan import Plan
from firstlight_core.workflow.run_file import read_run_toml
from firstlight_core.workflow.walk import walk
from firstlight_tui import commands
from firstlight_tui import steps as step_screens
from firstlight_tui.__main__ import _named_folder
from firstlight_tui.app import WizardApp
from firstlight_tui.state.sampling_settings import read_setting
from firstlight_tui.steps.deploy.screen import DeployStep
from firstlight_tui.steps.precision.screen import PrecisionStep
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.precision_table import PrecisionTable
from firstlight_tui.widgets.step_rail import StepRail
from tests.support import documents
from tests.support.pilot import settle
from tests.support.wizard_documents import FULL
from tests.support.wizard_services import Called, fake_services

AddRow = Callable[[tuple[Any, ...], Any, int], None]
AddModule = Callable[[ModuleType, str, str], None]


@contextmanager
def imported_anew(name: str) -> Iterator[None]:
    """Let a module be imported anew inside the block, and leave the one of before, or none, behind it."""
    parent, _, short = name.rpartition(".")
    before = sys.modules.pop(name, None)
    try:
        yield
    finally:
        sys.modules.pop(name, None)
        if before is None:
            vars(sys.modules[parent]).pop(short, None)
        else:
            sys.modules[name] = before
            setattr(sys.modules[parent], short, before)


@pytest.fixture
def add_row(monkeypatch: pytest.MonkeyPatch) -> AddRow:
    """Put a row into a table, as every module sees it that has imported the table."""

    def add(table: tuple[Any, ...], row: Any, index: int) -> None:
        longer = (*table[:index], row, *table[index:])
        for module in list(sys.modules.values()):
            if module.__name__.startswith("firstlight_"):
                for name, value in list(vars(module).items()):
                    if value is table:
                        monkeypatch.setattr(module, name, longer)

    return add


@pytest.fixture
def add_module(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AddModule:
    """Put a module into a package, as if its file stood there."""

    def add(package: ModuleType, path: str, source: str) -> None:
        folder = tmp_path / "added" / package.__name__
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
        parts = Path(path).with_suffix("").parts
        for count in range(1, len(parts) + 1):
            name = ".".join((package.__name__, *parts[:count]))
            # Recorded as absent, so that the end of the test takes it away again.
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
            monkeypatch.delitem(sys.modules, name)
        importlib.invalidate_caches()

    return add


def build_wizard(**overrides: Any) -> WizardApp:
    history = History(read=lambda: EMPTY_SAMPLE)
    services = fake_services(Called())
    return WizardApp(services=services, history=history, sample_every=3600.0, **overrides)


def build_run_toml(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_text(text)
    return path


async def test_a_precision_is_one_row(add_row: AddRow, tmp_path: Path, sample: Path) -> None:
    row = Precision(
        key="int4-wide",
        label="INT4 wide",
        weight_bits=4.5,
        claim=None,
        course_name="int4",
        builder_precision="int4",
        builder_options={"int4_block_size": 64, "int4_accuracy_level": 4},
        expected={"bits": [4], "block_size": [64]},
        gate_limits="int4-calibrated",
    )
    add_row(precision_table.PRECISIONS, row, 5)

    model = inspect_and_estimate(sample)
    estimate = model["estimates"]["int4-wide"]
    rounded = model["nearest_estimates"]
    compact, plain = (rounded[key]["bytes"] for key in ("int4-compact", "int4"))
    assert compact < estimate["bytes"] < plain and estimate["seconds"] > 0
    assert run_config(sample, row)["passes"]["build"]["int4_block_size"] == 64
    builder = course_config(sample, tmp_path, row)["passes"]["builder"]
    assert builder["config"]["precision"] == "int4"
    plan = read_run_toml(
        build_run_toml(tmp_path, 'source = "sample"\nprecisions = ["int4-wide"]\n')
    )
    assert plan.precisions == ("int4-wide",)
    assert kind_of({"bits": [4]}, precision="int4-wide") == "int4-calibrated"
    assert kind_of({"bits": [4]}, precision="int4") == kind_of({"bits": [4]}) == "int4"
    assert kind_of({"bits": [8]}, precision="int4-wide") == "int8"
    assert is_quantised("int4-wide") and closer_precisions("int4-wide")[0] == "int8"

    run = Run.create("m", runs=tmp_path / "runs")
    run.record("model", "done", values={**model})
    report = report_document(run)
    assert "INT4 wide" in [entry["label"] for entry in report["precisions"]]

    session = Session(source=str(sample), model=model)
    async with build_wizard(session=session, first=PrecisionStep).run_test() as pilot:
        await settle(pilot)
        table = pilot.app.screen.query_one(PrecisionTable)
        assert "INT4 wide" in " ".join(map(str, table.get_row("int4-wide")))


async def test_a_step_is_a_row_and_two_modules(
    add_row: AddRow, add_module: AddModule, tmp_path: Path
) -> None:
    row = Step(id="notes", title="Notes", stage="Writing notes", needs=())
    add_row(step_table.STEPS, row, len(step_table.STEPS) - 1)
    work = (
        "from firstlight_core.workflow.walk_state import StepResult\n"
        "async def work(walk):\n"
        '    return StepResult(values={"artifact": str(walk.in_use())})\n'
    )
    add_module(walk_steps, "notes.py", work)
    screen = (
        "from firstlight_tui.steps.base import StepScreen\n"
        "from firstlight_tui.widgets import Words\n\n\n"
        "class NotesStep(StepScreen):\n"
        '    STEP_ID = "notes"\n'
        '    PURPOSE = "What is to be remembered."\n\n'
        "    def compose_step(self):\n"
        '        yield Words("Nothing yet.", id="notes")\n'
    )
    add_module(step_screens, "notes/screen.py", screen)

    heard: list[Event] = []

    async def run_checks() -> dict[str, str]:
        return {"verdict": "ready"}

    services = fake_services(Called(), run_checks=run_checks, adopt=lambda artifact: {})
    plan = Plan(artifact=tmp_path)
    document = await walk(plan, runs=tmp_path / "runs", services=services, on_event=heard.append)
    statuses = {outcome["id"]: outcome["status"] for outcome in document["steps"]}
    assert statuses["notes"] == "done" and list(statuses)[-2:] == ["notes", "summary"]
    assert Stage("notes", "Writing notes") in heard
    run = Run.open(document["run"], runs=tmp_path / "runs")
    assert ("notes", "done") in [(entry.step, entry.status) for entry in run.entries()]
    assert "Notes" in [step["title"] for step in report_document(run)["steps"]]

    screens = step_screens.list_screens()
    app = build_wizard(session=FULL, steps=screens, first=screens[-2])
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        assert str(app.screen.query_one("#notes", Words).content) == "Nothing yet."
        lines = str(app.screen.query_one(StepRail).render()).rstrip().splitlines()
        assert lines[-2].endswith("10 Notes")


@pytest.mark.slow
async def test_an_export_is_a_row_and_its_module(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def write(request: ExportRequest) -> WrittenExport:
        request.destination.parent.mkdir(parents=True)
        request.destination.write_text(request.name)
        return {"verified": True, "files": [request.destination.name], "commands": []}

    row = Export(words="A line of text.", written="the note", write=lambda: write, suffix=".txt")
    monkeypatch.setitem(EXPORTS, "note", row)

    heard: list[Event] = []
    document = await export(tmp_path, "mine", "note", {}, say=heard.append)
    written = export_place("mine", "note")
    assert written.read_text() == "mine" and document["path"] == str(written)
    assert heard == [Stage("export", "Writing the note for mine")]
    assert undo_export("mine", "note")["removed"] == [str(written)]
    with pytest.raises(UsageError, match="no export 'moon'"):
        await export(tmp_path, "mine", "moon", {}, say=heard.append)

    assert deploy_targets()[-1] == "note"
    plan = read_run_toml(
        build_run_toml(tmp_path, 'source = "sample"\n[deploy]\nname = "n"\ntarget = "note"\n')
    )
    assert plan.deploy is not None and plan.deploy.target == "note"
    # Its help would name the note for every later test of this process.
    with imported_anew("firstlight_tui.commands.deploy_"):
        help_text = CliRunner().invoke(commands.build_cli(["deploy"]), ["deploy", "--help"]).stdout
    assert "vllm or note" in help_text

    run = Run.create("m", runs=tmp_path / "runs")
    run.record("deploy", "done", values=documents.exported("mine", "note"))
    assert any("exported for note" in str(item) for item in report_document(run)["closing"])

    async with build_wizard(session=FULL, first=DeployStep).run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        button = pilot.app.screen.query_one("#target-note", RadioButton)
        button.value = True
        await settle(pilot)
        assert "A line of text." in str(pilot.app.screen.query_one("#target-words", Words).content)


def test_a_verb_is_a_row_and_its_module(
    monkeypatch: pytest.MonkeyPatch, add_module: AddModule, tmp_path: Path
) -> None:
    verb = commands.Verb("greet", "Say hello to somebody.", commands.MEASURE)
    monkeypatch.setitem(commands.VERBS, "greet", verb)
    source = 'def greet(name: str) -> None:\n    """Greet."""\n    print(f"Hello, {name}.")\n'
    add_module(commands, "greet_.py", source)

    runner = CliRunner()
    help_text = runner.invoke(commands.build_cli(["--help"]), ["--help"]).stdout
    section = help_text.partition(f"{commands.MEASURE}:\n")[2].partition("\n\n")[0]
    assert section.splitlines()[-1].split() == ["greet", "Say", "hello", "to", "somebody."]
    assert "firstlight_tui.commands.greet_" not in sys.modules
    assert runner.invoke(commands.build_cli(["greet"]), ["greet", "you"]).stdout == "Hello, you.\n"
    (tmp_path / "greet").mkdir()
    monkeypatch.chdir(tmp_path)
    assert _named_folder("greet") is None


@pytest.mark.slow
async def test_a_theme_is_one_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "themes"
    shutil.copytree(Path(firstlight_themes.__file__).parent, folder)
    text = (folder / "ember.toml").read_text().replace('name = "ember"', 'name = "dusk"')
    (folder / "dusk.toml").write_text(text)
    monkeypatch.setattr(firstlight_themes, "files", lambda package: folder)

    themes, failures = firstlight_themes.load_themes()
    assert "dusk" in [theme.name for theme in themes] and not failures
    app = build_wizard()
    async with app.run_test() as pilot:
        await settle(pilot)
        assert "dusk" in app.available_themes
        app.theme = "dusk"
        await settle(pilot)
        assert app.current_theme.name == "dusk"


def test_a_sampling_range_is_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    wider = replace(SAMPLING_RANGES["temperature"], most=3)
    monkeypatch.setitem(SAMPLING_RANGES, "temperature", wider)
    assert read_setting("temperature", "2.5") == 2.5
    assert Sampling(temperature=2.5).search({})["temperature"] == 2.5
    with pytest.raises(ValueError, match="from 0 to 3"):
        read_setting("temperature", "3.5")
    with pytest.raises(UsageError) as refused:
        Sampling(temperature=3.5).search({})
    assert "from 0 to 3" in refused.value.hint

    prompts = {"user": "{Content}", "assistant": "{Content}", "prompt": "{Content}"}
    model = {"Name": "x", "PromptTemplate": prompts, "ModelConfig": {"temperature": 2.5}}
    assert validate_inference_model(model)["ModelConfig"]["temperature"] == 2.5
    with pytest.raises(TemplateRefused, match="from 0 to 3"):
        validate_inference_model({**model, "ModelConfig": {"temperature": 3.5}})


def test_an_alert_threshold_is_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    half = [Sample(cpu=1.0, memory_used=6, memory_total=10)]
    assert not find_alerts(half) and not find_alerts([], response_ms=600.0)
    monkeypatch.setitem(ALERT_THRESHOLDS, "memory_usage_percent", 50)
    monkeypatch.setitem(ALERT_THRESHOLDS, "response_time_ms", 400)
    assert [
        alert.figure for alert in (*find_alerts(half), *find_alerts([], response_ms=600.0))
    ] == [
        "memory_usage_percent",
        "response_time_ms",
    ]
    assert load_settings()[0].thresholds["response_time_ms"] == 400
    metrics = service_metrics(documents.bench(documents.bench_result("/x")), "now")
    assert metrics is not None and metrics["alert_thresholds"]["response_time_ms"] == 400
