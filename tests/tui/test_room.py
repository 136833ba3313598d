"""Nothing is cut: not in a small terminal, not where the rail folds, not after the terminal was resized."""

import pytest

from firstlight_core.monitor import History, Sample
from firstlight_tui.steps import list_screens
from firstlight_tui.steps.base import StepScreen
from tests.support.cut import cut_parts
from tests.support.pilot import Build, settle
from tests.support.wizard_documents import FULL, GIB

SIZES = ((120, 40), (80, 24), (60, 18), (200, 60))


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("step", list_screens(), ids=lambda step: step.STEP_ID)
async def test_a_resized_step_looks_as_if_it_had_started_so(
    wizard: Build, step: type[StepScreen]
) -> None:
    pictures = []
    for first in ((80, 24), (200, 60)):
        quiet = History(read=lambda: Sample(cpu=37.0, memory_used=6 * GIB, memory_total=16 * GIB))
        app = wizard(session=FULL, first=step, history=quiet)
        async with app.run_test(size=first) as pilot:
            await settle(pilot)
            await pilot.resize_terminal(200, 60)
            await settle(pilot)
            # The only sample may have been painted while the step's work ran.
            await app.workspace.take_sample()
            await settle(pilot)
            strips = pilot.app.screen._compositor.render_strips()
            pictures.append(["".join(piece.text for piece in strip) for strip in strips])
    assert pictures[0] == pictures[1]
