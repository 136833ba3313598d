"""The wizard on Windows' own ground: its paths, shells and names, and drives that refuse or vanish."""

import contextlib
import ntpath
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from firstlight_core import shells
from firstlight_core.artifact import publishing
from firstlight_core.files import state_problem
from firstlight_core.foundry.service import snippets
from firstlight_core.paths import path_problem
from firstlight_core.session import Session
from firstlight_core.workflow.services import Services
from firstlight_tui.app import WizardApp
from firstlight_tui.steps.convert.screen import ConvertStep
from firstlight_tui.steps.deploy.screen import DeployStep
from firstlight_tui.steps.deploy.snippets_panel import PLACEHOLDER
from firstlight_tui.steps.model.screen import ModelStep
from firstlight_tui.steps.precision.screen import PrecisionStep
from firstlight_tui.terminal.workers import begin
from firstlight_tui.widgets import Words, path_input
from tests.support.pilot import Build, panel, settle, until
from tests.support.windows import windows_error
from tests.support.wizard_documents import FULL, MODEL
from tests.support.wizard_services import Called, fake_services

DISK = {
    "c:\\": ["Models", "Users"],
    "c:\\models\\": ["Qwen 2.5", "phi"],
    "\\\\server\\share\\": ["Größe"],
}
ONE = Session(source=FULL.source, model=MODEL, precisions=("int4",))
LOST = windows_error(64, "S:\\models")


@contextlib.contextmanager
def scan(path: str) -> Iterator[Any]:
    names = DISK.get(ntpath.normpath(path).lower().rstrip("\\") + "\\")
    if names is None:
        raise windows_error(3, path)
    yield iter([SimpleNamespace(name=name, is_dir=lambda: True) for name in names])


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The path field believes that it is on Windows, with the drives of `DISK`."""
    monkeypatch.setattr(path_input, "WINDOWS", True)
    monkeypatch.setattr(
        path_input, "complete_folder", partial(path_input.complete_folder, scan=scan)
    )


def words(app: WizardApp, selector: str) -> str:
    """What stands there; nothing as long as nothing does."""
    return "\n".join(str(widget.visual) for widget in app.screen.query(selector).results(Words))


async def complete(pilot: Pilot[Any], begun: str) -> str:
    """Type into the field of the model step and press Tab."""
    box = pilot.app.screen.query_one("#path", Input)
    box.focus()
    box.value = begun
    box.cursor_position = len(begun)
    await until(pilot, lambda: box._suggestion)
    await pilot.press("tab")
    return box.value


@pytest.mark.usefixtures("windows")
async def test_drives_and_shares_are_completed_in_the_field(wizard: Build, called: Called) -> None:
    app = wizard(first=ModelStep, session=Session(), services=fake_services(called))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert await complete(pilot, "C:\\mo") == "C:\\Models\\"
        assert await complete(pilot, "C:\\Models\\q") == "C:\\Models\\Qwen 2.5\\"
        assert await complete(pilot, "C:/Models/Q") == "C:/Models/Qwen 2.5/"
        assert await complete(pilot, "\\\\server\\share\\g") == "\\\\server\\share\\Größe\\"
        # A finished folder lets Tab go on to the next widget.
        await pilot.press("tab")
        assert app.focused is not app.screen.query_one("#path")


@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize(
    "pasted",
    ["& 'C:\\Models\\Qwen 2.5'\r\n", "file:///C:/Models/Qwen%202.5", '"C:\\Models\\Qwen 2.5"'],
)
async def test_what_was_dragged_onto_the_terminal_is_inspected(
    wizard: Build, called: Called, pasted: str
) -> None:
    looked: list[str] = []

    def inspect(folder: Path) -> Any:
        looked.append(str(folder))
        raise state_problem(LOST, folder)

    services = fake_services(called, inspect=inspect)
    app = wizard(first=ModelStep, session=Session(), services=services)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        box = app.screen.query_one("#path", path_input.PathInput)
        box.take(pasted)
        assert box.value == "C:\\Models\\Qwen 2.5"
        await pilot.press("enter")
        await settle(pilot)
        assert [Path(path).name for path in looked] == ["C:\\Models\\Qwen 2.5"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shell", "post", "variable"),
    [
        ("cmd", "curl http://", 'set "OPENAI_BASE_URL=http://'),
        ("powershell", "| curl.exe http://", "$env:OPENAI_BASE_URL = 'http://"),
        ("posix", "curl http://", "export OPENAI_BASE_URL=http://"),
    ],
)
async def test_client_code_is_written_for_the_shell(
    wizard: Build, monkeypatch: pytest.MonkeyPatch, shell: str, post: str, variable: str
) -> None:
    monkeypatch.setenv("FIRSTLIGHT_SHELL", shell)
    shells.user_shell.cache_clear()
    try:
        app = wizard(session=FULL.decide(deployment=None), first=DeployStep)
        async with app.run_test(size=(190, 60)) as pilot:
            await settle(pilot)
            code = words(app, "#client-code")
            texts = snippets(PLACEHOLDER, "x")
        assert post in code and variable in code
        assert FULL.artifact is not None
        assert f'model="{Path(FULL.artifact).name}:1"' in code
        assert post in texts["curl"] and texts["environment"].startswith(variable)
    finally:
        shells.user_shell.cache_clear()


@pytest.mark.parametrize(
    ("runs", "says"),
    [
        ("C:\\" + "long\\" * 44, "would pass Windows' limit of 260"),
        ("C:\\models\\aux.d", "aux.d is the name of a device on Windows"),
        ("C:\\models\\end.", "ends with a dot"),
    ],
)
async def test_an_output_that_windows_cannot_hold_is_one_sentence(
    wizard: Build, called: Called, monkeypatch: pytest.MonkeyPatch, runs: str, says: str
) -> None:
    def on_windows(path: Path, *, depth: int) -> str | None:
        there = ntpath.join(runs, path.name)
        return path_problem(PureWindowsPath(there), platform="win32", depth=depth, long_paths=False)

    monkeypatch.setattr(publishing, "path_problem", on_windows)

    async def convert(source: Path, output: Path, **_: Any) -> Any:
        publishing.check_output(output)

    await refused(wizard, fake_services(called, convert=convert), says)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "says"),
    [
        (19, "read-only"),
        (32, "Another program has a file of it open"),
        (39, "The disk is full"),
        (53, "does not answer"),
        (64, "does not answer"),
        (112, "The disk is full"),
        (206, "too long"),
        (1231, "does not answer"),
    ],
)
@pytest.mark.parametrize("expected", [True, False])
async def test_media_that_refuse_and_drives_that_vanish_lose_nothing(
    wizard: Build, called: Called, code: int, says: str, expected: bool
) -> None:
    async def convert(source: Path, output: Path, **_: Any) -> Any:
        error = windows_error(code, output)
        # The error of the core, and one that nobody there expected.
        raise state_problem(error, output) if expected else error

    await refused(wizard, fake_services(called, convert=convert), says)


async def refused(wizard: Build, services: Services, says: str) -> None:
    """Convert, which fails: one sentence and a hint stand on the step, the choices stay, and it can be tried again."""
    app = wizard(first=ConvertStep, session=ONE, services=services)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert says in " ".join(panel(app).split())
        assert "Traceback" not in panel(app)
        assert app.workspace.session == ONE
        assert app.return_code is None


async def test_a_network_drive_that_vanished_is_said_in_the_model_step(
    wizard: Build, called: Called, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(_: object = None) -> Any:
        raise LOST

    app = wizard(session=FULL, first=ModelStep, services=fake_services(called, find_models=lost))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        (notice,) = [n for n in app._notifications if "does not answer" in n.message]
        assert "\n" not in notice.message
        stat = Path.stat

        def stat_there(self: Path, **options: Any) -> Any:
            return lost() if str(self).startswith("/share") else stat(self, **options)

        monkeypatch.setattr(Path, "stat", stat_there)
        box = app.screen.query_one("#path", Input)
        box.focus()
        box.value = "/share/model"
        await pilot.press("enter")
        await settle(pilot)
        assert "does not answer" in " ".join(panel(app).split())
        assert app.workspace.session == FULL and app.return_code is None


@pytest.mark.slow
async def test_a_drive_that_vanishes_during_the_looks_at_start_ends_no_wizard(
    wizard: Build, called: Called
) -> None:
    def lost(*_: object, **__: object) -> Any:
        raise LOST

    gone = {
        name: lost
        for name in (
            "find_models",
            "find_unfinished",
            "sweep_staging",
            "list_background",
            "earlier_figures",
        )
    }
    services = fake_services(called, **gone)
    app = wizard(session=FULL, first=PrecisionStep, services=services)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        begin(app, app._sweep, group="sweep")
        await settle(pilot)
        assert app.return_code is None and app.workspace.session == FULL
