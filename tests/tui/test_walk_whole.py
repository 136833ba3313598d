"""The whole walk, from the first screen to Finish: by keys alone, and by the mouse alone."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Button

from firstlight_core.ledger import list_runs
from firstlight_tui.app import WizardApp
from firstlight_tui.steps.base import StepScreen
from tests.support.pilot import SIZES, Build, settle, until
from tests.support.wizard_services import Called

BOTH_SIZES = pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")


@dataclass
class Walker:
    """Drives the wizard by one kind of input, and asserts where it is."""

    pilot: Pilot[Any]
    app: WizardApp
    keys: list[str] = field(default_factory=list)
    """Every key that was pressed."""

    @property
    def at(self) -> str:
        """Id of the step on the screen."""
        screen = self.app.screen
        assert isinstance(screen, StepScreen), screen
        return screen.STEP_ID

    @property
    def primary(self) -> str:
        """Label of the primary button."""
        return str(self.app.screen.query_one("#primary", Button).label)

    async def press(self, *keys: str) -> None:
        """Press keys one after another; each has its whole effect before the next."""
        for key in keys:
            self.keys.append(key)
            await self.pilot.press(key)
            await settle(self.pilot)

    async def leave(self) -> None:
        """Wait until the app has left; the button that was pressed last is never painted again."""
        await until(self.pilot, lambda: self.app.return_code is not None)

    async def click(self, selector: str, offset: tuple[int, int] | None = None) -> None:
        """Click a widget where it is painted; something else that lies there fails the test."""
        if offset is None:
            widget = self.app.screen.query_one(selector)
            offset = (widget.region.width // 2, 0)
            assert widget.region.height and widget.region.width, f"{selector} is not painted"
        assert await self.pilot.click(selector, offset=offset), f"{selector} is covered"
        await settle(self.pilot)


def assert_whole(app: WizardApp, called: Called) -> None:
    """Everything was really done: in the session, in the ledger, and by the services."""
    session = app.workspace.session
    assert app.return_code == 0
    assert [made["precision"] for made in session.artifacts] == ["int8-compact", "int4"]
    assert session.template and session.deployment and session.benchmark and session.quality
    assert session.chat is not None and session.chat["turns"]
    done = {"convert", "settle_template", "deploy", "open_target", "benchmark", "check_quality"}
    assert done <= set(called.names())
    (run,) = list_runs()
    steps = {entry.step for entry in run.entries() if entry.status == "done"}
    assert steps >= {"model", "convert", "template", "deploy", "benchmark", "quality", "summary"}


@pytest.mark.slow
@BOTH_SIZES
async def test_by_keys_alone(wizard: Build, called: Called, size: tuple[int, int]) -> None:
    app = wizard()
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        walk = Walker(pilot, app)
        assert walk.at == "environment"
        await walk.press("enter")
        assert walk.at == "model"
        await walk.press("enter")
        assert app.workspace.session.model is not None
        walk.keys.clear()
        await walk.press("enter")
        assert walk.at == "precision"
        await walk.press("up", "up", "space", "ctrl+n")
        assert walk.at == "convert" and walk.primary == "Convert 2 precisions"
        await walk.press("enter", "enter")
        assert walk.at == "template" and walk.primary == "Save template"
        await walk.press("enter", "enter")
        assert walk.at == "deploy" and walk.primary == "Deploy"
        await walk.press("enter", "enter")
        assert walk.at == "chat"
        await walk.press("2")
        assert app.workspace.chat.first.turns[-1].text == called.engine.answer
        assert len(walk.keys) <= 12, walk.keys
        await walk.press("ctrl+n")
        assert walk.at == "benchmark" and walk.primary == "Measure"
        await walk.press("enter", "enter")
        assert walk.at == "quality" and walk.primary == "Run the checks"
        await walk.press("enter", "enter")
        assert walk.at == "summary" and walk.primary == "Finish"
        await pilot.press("enter")
        await walk.leave()
    assert_whole(app, called)


@pytest.mark.slow
@BOTH_SIZES
async def test_by_the_mouse_alone(wizard: Build, called: Called, size: tuple[int, int]) -> None:
    app = wizard()
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        walk = Walker(pilot, app)
        await walk.click("#primary")
        assert walk.at == "model"
        await walk.click("#models", (6, 1))
        assert app.workspace.session.model is not None
        await walk.click("#primary")
        assert walk.at == "precision"
        await walk.click("#precisions", (1, 6))
        await walk.click("#primary")
        assert walk.at == "convert" and walk.primary == "Convert 2 precisions"
        await walk.click("#primary")
        await walk.click("#primary")
        assert walk.at == "template" and walk.primary == "Save template"
        await walk.click("#primary")
        await walk.click("#primary")
        assert walk.at == "deploy" and walk.primary == "Deploy"
        await walk.click("#primary")
        await walk.click("#primary")
        assert walk.at == "chat"
        await walk.click("#starter-2")
        assert app.workspace.chat.first.turns[-1].text == called.engine.answer
        await walk.click("#primary")
        assert walk.at == "benchmark"
        await walk.click("#primary")
        await walk.click("#primary")
        assert walk.at == "quality"
        await walk.click("#primary")
        await walk.click("#primary")
        assert walk.at == "summary"
        assert await pilot.click("#primary")
        await walk.leave()
    assert_whole(app, called)
