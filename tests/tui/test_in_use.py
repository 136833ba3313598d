"""Every screen names what the steps work on."""

import pytest

from firstlight_core.session import Session
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.steps.rail import in_use_words
from firstlight_tui.widgets import Words
from tests.support.pilot import Build, settle, steps_of_which_slow
from tests.support.wizard_documents import FULL, conversion

TWO = FULL.decide(artifacts=(conversion("int8"), conversion("int4")))


@pytest.mark.parametrize(
    ("session", "words"),
    [
        (Session(), ""),
        (Session(source="/m"), ""),
        (FULL, "INT4 in use"),
        (TWO, "INT4 in use (and 1 more made)"),
        (Session(artifact="/arts/mine"), "mine"),
        (
            FULL.decide(
                endpoint={
                    "target": "http://a/v1#phi",
                    "server": "",
                    "model": "phi",
                    "network": False,
                }
            ),
            "phi",
        ),
    ],
)
def test_what_is_in_use_in_words(session: Session, words: str) -> None:
    assert in_use_words(session) == words


@pytest.mark.parametrize(
    "step", steps_of_which_slow("deploy", "summary", "precision"), ids=lambda s: s.STEP_ID
)
async def test_every_screen_names_it(wizard: Build, step: type[StepScreen]) -> None:
    async with wizard(session=TWO, first=step).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        title = str(pilot.app.screen.query_one("#step-title", Words).render())
        assert title.startswith(step.STEP_TITLE) and "INT4 in use (and 1 more made)" in title
