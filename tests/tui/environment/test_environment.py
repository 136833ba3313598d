"""The environment step: live rows that fit, one row again, fix, report, course, installation."""

import asyncio
import sys
from typing import Any

import pytest
from textual.widgets import Button

from firstlight_core.environment.checks import CHECKS
from firstlight_core.environment.doctor import CheckResult, renew
from firstlight_core.environment.install import InstallPlan, install, plan_install
from firstlight_core.errors import ToolchainMissing
from firstlight_core.process.events import LogLine, Stage
from firstlight_core.session import Session
from firstlight_tui.app import WizardApp
from firstlight_tui.modals import ConfirmScreen, DetailScreen
from firstlight_tui.steps.environment.groups import GROUPS, problems
from firstlight_tui.steps.environment.screen import EnvironmentStep
from firstlight_tui.widgets import ProblemPanel, Words
from firstlight_tui.widgets.fitted_table import FittedTable
from tests.support.pilot import SIZES, Build, settle
from tests.support.wizard_services import Called, fake_services

LONG = "olive-ai 0.13.0 × onnxruntime-genai 0.18.0: " + "run together " * 15
TITLES = [("python", "Python"), ("pair", "Olive × genai"), ("torch", "torch")]


def row(key: str, status: str = "ok", finding: str = "1.0", fix: str = "") -> dict[str, Any]:
    return {
        "id": key,
        "title": dict(TITLES)[key],
        "status": status,
        "found": finding,
        "needed": "2.0",
        "why": "because",
        "fix": fix,
        "vital": True,
    }


def document(*rows: dict[str, Any]) -> dict[str, Any]:
    return {
        "verdict": "blocked" if any(r["status"] == "missing" for r in rows) else "ready",
        "checks": list(rows),
        "precisions": {},
        "course": [
            {"command": "pip install transformers -U", "satisfied": True},
            {"command": "pip install onnx onnxruntime numpy", "satisfied": False},
        ],
    }


BROKEN = document(
    row("python"),
    row("pair", finding=LONG),
    row("torch", "missing", "not installed", "pip install torch"),
)
WHOLE = document(row("python"), row("pair", finding=LONG), row("torch"))


class Machine:
    """Answers like `run_checks`: with `BROKEN` until it has been mended."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.mended = False

    async def __call__(self, *, on_result: Any = None, only: Any = None) -> dict[str, Any]:
        self.requests.append(only)
        report = WHOLE if self.mended else BROKEN
        rows = [r for r in report["checks"] if only is None or r["id"] in only]
        for entry in rows:
            if on_result is not None:
                on_result(CheckResult(**entry))
        return document(*rows)


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def build(wizard: Build, called: Called, machine: Machine) -> Build:
    def made(**services: Any) -> WizardApp:
        given = {"run_checks": machine, "list_checks": lambda: TITLES, **services}
        return wizard(services=fake_services(called, **given), first=EnvironmentStep)

    return made


def texts(app: WizardApp, column: str = "found") -> list[str]:
    table = app.screen.query_one(FittedTable)
    return [str(cell) for cell in table.get_column(column)]


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_the_table_never_scrolls_sideways(build: Build, size: tuple[int, int]) -> None:
    app = build()
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        table = app.screen.query_one(FittedTable)
        assert table.virtual_size.width <= table.size.width
        assert not table.show_horizontal_scrollbar
        assert texts(app) == ["not installed"], "only the problem is open"
        await pilot.press("a")
        assert texts(app)[1].startswith("olive-ai 0.13.0")
        assert app.screen.query_one("#primary").region.bottom <= size[1]


@pytest.mark.slow
async def test_rows_come_one_by_one_and_survive_a_walk(build: Build) -> None:
    go_on = asyncio.Event()

    async def slow(*, on_result: Any, only: Any = None) -> dict[str, Any]:
        on_result(CheckResult(**row("python", finding="3.11.7")))
        await go_on.wait()
        return WHOLE

    app = build(run_checks=slow)
    async with app.run_test(size=(80, 24)) as pilot:
        while (
            "environment" not in app.workspace.works
            or len(app.workspace.works["environment"].checks) < 4
        ):
            await pilot.pause()
        app.workspace.publish_works()
        await pilot.pause()
        assert texts(app) == ["3.11.7", "…", "…"]
        await pilot.press("ctrl+n", "ctrl+o")
        await pilot.pause()
        assert texts(app) == ["3.11.7", "…", "…"]
        go_on.set()
        await settle(pilot)
        assert texts(app)[2] == "1.0"
        assert app.workspace.session.environment == WHOLE


async def test_one_row_is_looked_at_again_alone(build: Build, machine: Machine) -> None:
    app = build()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert "Blocked" in str(app.screen.query_one("#verdict", Words).content)
        app.screen.query_one(FittedTable).select("torch")
        machine.mended = True
        await pilot.press("e")
        await settle(pilot)
        assert machine.requests == [None, ["torch"]]
        assert texts(app) == ["1.0", LONG.strip(), "1.0"]
        assert app.workspace.session.environment is not None
        assert [r["id"] for r in app.workspace.session.environment["checks"]] == [
            "python",
            "pair",
            "torch",
        ]
        assert app.workspace.session.environment["verdict"] == "ready"
        await pilot.press("r")
        await settle(pilot)
        assert machine.requests[-1] is None


async def test_a_tile_opens_its_rows_and_closes_them_again(build: Build) -> None:
    app = build()
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        assert texts(app, "title") == ["torch"]
        tile = app.screen.query_one("#tile-convert")
        assert "Blocked" in str(tile.render())
        tile.focus()
        await pilot.press("enter")
        await settle(pilot)
        assert len(texts(app)) == 3
        await pilot.press("enter")
        await settle(pilot)
        assert texts(app, "title") == ["torch"]


def test_every_check_belongs_to_one_tile_and_what_blocks_comes_first() -> None:
    listed = [row for group in GROUPS for row in group.rows]
    assert sorted(listed) == sorted(check.id for check in CHECKS)
    rows: list[Any] = [
        row("python") | {"id": "cmake", "status": "missing", "vital": False},
        row("python") | {"id": "cpu", "status": "unknown", "vital": False},
        row("torch", "missing"),
        row("python"),
    ]
    assert [problem["id"] for problem in problems(rows)] == ["torch", "cpu", "cmake"]


def test_renewing_keeps_the_other_rows_and_judges_all() -> None:
    assert renew(BROKEN, document(row("torch")))["verdict"] == "ready"
    assert renew(BROKEN, document(row("python")))["verdict"] == "blocked"


async def test_the_fix_of_the_row_is_copied(build: Build) -> None:
    app = build()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert app.screen.query_one("#copy-fix").display, "the cursor is on the first problem"
        await pilot.press("c")
        assert app.clipboard == "pip install torch"


async def test_the_report_goes_to_the_clipboard_and_to_a_file_without_the_home(
    build: Build, own_home: Any
) -> None:
    async def checks(*, on_result: Any = None, only: Any = None) -> dict[str, Any]:
        return document(row("python", finding=f"{own_home}/bin/python"))

    app = build(run_checks=checks)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("y")
        await settle(pilot)
        saved = (app.workspace.paths.state / "environment-report.txt").read_text()
    assert saved == app.clipboard
    assert str(own_home) not in saved and "~/bin/python" in saved


async def test_the_course_commands_say_what_is_satisfied(build: Build) -> None:
    app = build()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("w")
        await pilot.pause()
        assert isinstance(app.screen, DetailScreen)
        text = str(app.screen.query_one(Words).content)
        assert "✓ pip install transformers -U  already satisfied" in text
        assert "pip install onnx onnxruntime numpy  not yet" in text


PLAN = InstallPlan(
    command=(sys.executable, "-m", "pip", "install", "torch>=2.10"),
    requirements=("torch>=2.10",),
    missing=("torch",),
)


@pytest.mark.slow
async def test_one_key_installs_after_the_command_was_shown(build: Build, machine: Machine) -> None:
    ran: list[InstallPlan] = []

    async def run(plan: InstallPlan, *, on_event: Any, started: Any) -> dict[str, Any]:
        ran.append(plan)
        on_event(Stage("collect", "Collecting and downloading"))
        on_event(LogLine("Collecting torch"))
        machine.mended = True
        return {"installed": ["torch"]}

    app = build(plan_install=lambda: PLAN, install=run)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert app.screen.query_one("#install", Button).display
        await pilot.press("i")
        await pilot.pause()
        assert isinstance(app.screen, ConfirmScreen)
        assert PLAN.line in str(app.screen.query_one(Words).content)
        await pilot.press("escape")
        await settle(pilot)
        assert ran == []
        await pilot.press("i")
        await pilot.pause()
        await pilot.click("#yes")
        await settle(pilot)
        assert ran == [PLAN]
        assert (
            app.workspace.session.environment is not None
            and app.workspace.session.environment["verdict"] == "ready"
        )
        assert texts(app)[2] == "1.0"
        assert not app.screen.query_one("#install", Button).display


@pytest.mark.slow
async def test_a_failed_installation_says_why_where_the_user_looks(build: Build) -> None:
    async def run(plan: InstallPlan, **_: Any) -> dict[str, Any]:
        raise ToolchainMissing("pip could not install the packages.", hint="The disk is full.")

    app = build(plan_install=lambda: PLAN, install=run)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("i")
        await pilot.pause()
        await pilot.click("#yes")
        await settle(pilot)
        assert app.screen.query_one(ProblemPanel).has_class("-shown")
        assert "disk is full" in str(app.screen.query_one("#problem-words", Words).content)


def test_the_plan_names_the_packages_and_never_firstlight_itself() -> None:
    plan = plan_install(requires=lambda: ["textual>=8", "nosuchpkg-x>=1; extra == 'convert'"])
    assert plan.requirements == ("nosuchpkg-x>=1",)
    assert plan.missing == ("nosuchpkg-x",)
    assert plan.command[:4] == (sys.executable, "-m", "pip", "install")
    assert not any("firstlight" in word for word in plan.command[4:])
    with pytest.raises(ToolchainMissing):
        plan_install(requires=lambda: [])


def child(code: str) -> InstallPlan:
    return InstallPlan(command=(sys.executable, "-c", code), requirements=("x",), missing=("x",))


async def test_pip_is_run_in_a_child_and_heard_line_by_line(clean_children: None) -> None:
    heard: list[Any] = []
    code = r"print('Collecting torch\nInstalling collected packages: torch\n\x1b]52;c;AAAA\x07')"
    done = await install(child(code), on_event=heard.append)
    assert done["installed"] == ["x"]
    assert [e.name for e in heard if isinstance(e, Stage)] == ["start", "collect", "install"]
    assert not any("\x1b" in e.text for e in heard if isinstance(e, LogLine))


async def test_a_failing_pip_is_one_sentence(clean_children: None) -> None:
    code = "import sys; print('ERROR: No matching distribution found for x'); sys.exit(1)"
    with pytest.raises(ToolchainMissing, match="exit code 1") as caught:
        await install(child(code))
    assert "package index" in caught.value.hint
    assert "No matching distribution" in caught.value.detail


async def test_a_cancelled_pip_leaves_no_process(clean_children: None) -> None:
    begun = asyncio.Event()
    code = "import time; print('Collecting x', flush=True); time.sleep(60)"
    task = asyncio.ensure_future(
        install(child(code), on_event=lambda e: begun.set() if isinstance(e, LogLine) else None)
    )
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.slow
async def test_walking_needs_no_answer_from_this_step(build: Build) -> None:
    app = build()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert EnvironmentStep.missing(Session()) is None
        await pilot.press("enter")
        await settle(pilot)
        assert type(app.screen) is not EnvironmentStep


@pytest.mark.slow
async def test_another_theme_paints_the_marks_in_its_own_colours(wizard: Build) -> None:
    app = wizard()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        table = app.screen.query_one("#checks", FittedTable)

        def marks() -> set[str]:
            return {str(cell.style) for cell in table.get_column("mark")}

        before = marks()
        app.theme = "paper"
        await settle(pilot)
        assert not before & marks()
