"""One picture per step and size, with a fixed session, machine and clock. `make looks` renews them after a look."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from firstlight_core.model.sources import FoundModel
from firstlight_tui.app import WizardApp
from firstlight_tui.steps import list_screens
from firstlight_tui.steps.base import StepScreen
from tests.support.pilot import SIZES, settle
from tests.support.wizard_documents import FULL
from tests.support.wizard_services import Called, fake_services

STEPS = list_screens()


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("step", STEPS, ids=lambda s: s.STEP_ID)
def test_look(
    snap_compare: Any,
    wizard: Callable[..., WizardApp],
    called: Called,
    step: type[StepScreen],
    size: tuple[int, int],
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

    async def rest(pilot: Pilot[Any]) -> None:
        await settle(pilot)

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
    assert snap_compare(app, terminal_size=size, run_before=rest)
