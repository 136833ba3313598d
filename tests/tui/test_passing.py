"""Screens that come and go: what they hold back they let go, whatever becomes of them."""

import os
import subprocess
import sys
from typing import Any

import pytest
from textual._compositor import Compositor
from textual.pilot import Pilot

from firstlight_tui.app import WizardApp
from firstlight_tui.modals import ConfirmScreen, DetailScreen
from firstlight_tui.steps.base import StepScreen
from tests.support.pilot import Build, put_work, settle
from tests.support.wizard_documents import FULL


def paints(app: WizardApp) -> bool:
    """Whether the application paints at all: nobody holds it back."""
    return app._batch_count == 0


def test_the_wizard_paints_more_often_than_textual_does() -> None:
    code = "import firstlight_tui, textual.constants as c; print(c.MAX_FPS)"
    environ = {name: value for name, value in os.environ.items() if name != "TEXTUAL_FPS"}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True)
    assert done.stdout.strip() == "120", done.stderr


async def test_a_dialog_is_painted_once_and_a_step_below_a_page_not_at_all(
    wizard: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    update = Compositor.render_update

    def looking(compositor: Compositor, *rest: Any, **options: Any) -> Any:
        if (painted := update(compositor, *rest, **options)) is not None and paints(app):
            drawn.append("".join(strip.text for strip in compositor.render_strips()))
        return painted

    app = wizard(session=FULL)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        step = app.screen
        # Textual is watched, not replaced: only it knows when it paints.
        monkeypatch.setattr(Compositor, "render_update", looking)
        app.push_screen(DetailScreen("A title", "the words"))
        await settle(pilot)
        assert "the words" in drawn[0]
        assert not step.is_current
        drawn.clear()
        step.refresh(layout=True)
        await settle(pilot)
        assert not drawn
        await pilot.press("escape")
        await settle(pilot)
        assert step.is_current
        assert any(str(FULL.source)[:8] in words or "Firstlight" in words for words in drawn)


@pytest.mark.slow
@pytest.mark.parametrize("closing", ["at once", "later"])
async def test_a_dialog_that_goes_lets_the_next_one_paint(wizard: Build, closing: str) -> None:
    async def close(pilot: Pilot[Any], dialog: DetailScreen) -> None:
        if closing == "later":
            await settle(pilot)
        dialog.dismiss()
        await settle(pilot)

    app = wizard(session=FULL)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        step = app.screen
        for _ in range(2):
            dialog = DetailScreen("A title", "a text")
            app.push_screen(dialog)
            await close(pilot, dialog)
            assert app.screen is step
            assert dialog.gone
            assert paints(app)


@pytest.mark.slow
async def test_a_dialog_on_a_dialog_and_a_resize_meanwhile(wizard: Build) -> None:
    app = wizard(session=FULL)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        app.push_screen(DetailScreen("A title", "a text"))
        app.push_screen(ConfirmScreen("Really?"))
        await pilot.resize_terminal(80, 24)
        await settle(pilot)
        assert paints(app)
        assert isinstance(app.screen, ConfirmScreen)
        for _ in range(2):
            assert "-narrow" in app.screen.classes
            await pilot.press("escape")
            await settle(pilot)
            assert paints(app)
        assert isinstance(app.screen, StepScreen)
        assert "-narrow" in app.screen.classes


async def test_one_leaves_from_a_dialog_too_and_is_asked_once(wizard: Build) -> None:
    app = wizard(session=FULL)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        work = put_work(app, "long", "Something long")
        app.push_screen(DetailScreen("A title", "the words"))
        await settle(pilot)
        await pilot.press("ctrl+q", "ctrl+q")
        await settle(pilot)
        assert [type(screen) for screen in app.screen_stack[-2:]] == [DetailScreen, ConfirmScreen]
        await pilot.press("escape")
        await settle(pilot)
        assert isinstance(app.screen, DetailScreen)
        # What only looks loses nothing.
        work.only_looks = True
        await pilot.press("ctrl+q")
        await settle(pilot)
        assert app.return_code == 0
