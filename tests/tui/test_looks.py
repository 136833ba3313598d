"""One picture per step, size and theme, with a fixed session, machine and clock; `--snapshot-update` renews them after a look.

A step is started once: it is resized and given the other theme, and looks as if it had started so.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_textual_snapshot import SVGImageExtension
from syrupy.assertion import SnapshotAssertion

from firstlight_core.model.sources import FoundModel
from firstlight_tui.app import WizardApp
from firstlight_tui.steps import list_screens
from firstlight_tui.steps.base import StepScreen
from tests.support.pilot import SIZES, settle, steps_of_which_slow
from tests.support.wizard_documents import FULL
from tests.support.wizard_services import Called, fake_services

SLOW = {screen.STEP_ID for screen in list_screens()} - {"chat", "model"}
THEMES = ("firstlight", "paper")
"""A dark one and a light one."""


@pytest.mark.parametrize("step", steps_of_which_slow(*SLOW), ids=lambda s: s.STEP_ID)
async def test_look(
    snapshot: SnapshotAssertion,
    wizard: Callable[..., WizardApp],
    called: Called,
    step: type[StepScreen],
) -> None:
    session = FULL.decide(source="/home/ada/models/mine").decide(
        **{
            name: getattr(FULL, name)
            for name in (
                "model",
                "precisions",
                "artifacts",
                "artifact",
                "template",
                "deployment",
                "benchmark",
                "quality",
            )
        }
    )

    there = FoundModel(
        name="sample",
        path=Path("/home/ada/firstlight/sample"),
        origin="sample",
        architecture="Qwen2ForCausalLM",
        weight_bytes=4_598_232,
    )
    app = wizard(
        session=session, first=step, services=fake_services(called, find_models=lambda: [there])
    )
    app.workspace.record = lambda *a, **k: None  # type: ignore[method-assign]
    other_looks = []
    async with app.run_test(size=SIZES[0]) as pilot:
        for theme in THEMES:
            app.theme = theme
            for width, height in SIZES:
                await pilot.resize_terminal(width, height)
                await settle(pilot)
                name = f"{width}x{height}-{theme}"
                picture = app.export_screenshot(title=f"{step.STEP_TITLE} {name}")
                if picture != snapshot(name=name, extension_class=SVGImageExtension):
                    other_looks.append(name)
    assert not other_looks, "look at the pictures, then --snapshot-update"
