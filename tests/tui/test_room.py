"""Nothing is cut: not in a small terminal, not where the rail folds, not after the terminal was resized."""

import pytest

from firstlight_tui.steps import list_screens
from firstlight_tui.steps.base import StepScreen
from tests.support.cut import cut_parts
from tests.support.pilot import Build, settle
from tests.support.wizard_documents import FULL

SIZES = ((120, 40), (80, 24), (60, 18), (200, 60))


@pytest.mark.parametrize("step", list_screens(), ids=lambda step: step.STEP_ID)
async def test_nothing_is_cut(wizard: Build, step: type[StepScreen]) -> None:
    async with wizard(session=FULL, first=step).run_test(size=SIZES[0]) as pilot:
        await settle(pilot)
        faults = []
        for width, height in SIZES:
            await pilot.resize_terminal(width, height)
            await settle(pilot)
            faults += [f"{width}x{height} {fault}" for fault in cut_parts(pilot.app.screen)]
        assert not faults, "\n".join(faults)
