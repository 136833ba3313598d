"""A key of the key bar that can do nothing yet says why."""

import pytest

from firstlight_core.session import Session
from firstlight_tui.steps import list_screens
from tests.support.pilot import Build, settle

STEP = {step.STEP_ID: step for step in list_screens()}
CASES = (
    ("environment", "ctrl+o", "first step"),
    ("convert", "m", "Choose a model"),
    ("template", "f5", "no artifact yet"),
    ("template", "f6", "no artifact yet"),
    ("template", "f9", "no artifact yet"),
    ("chat", "ctrl+r", "no question yet"),
    ("chat", "enter", "nobody to ask yet"),
    ("benchmark", "r", "nothing to measure yet"),
    ("quality", "f5", "nothing to check yet"),
)


@pytest.mark.parametrize(("step", "key", "words"), CASES, ids=[f"{s}-{k}" for s, k, _ in CASES])
async def test_a_key_that_can_do_nothing_yet_says_why(
    wizard: Build, step: str, key: str, words: str
) -> None:
    app = wizard(session=Session(), first=STEP[step])
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press(key)
        await settle(pilot)
        toasts = [toast.message for toast in app._notifications]
        assert [toast for toast in toasts if words in toast], toasts
