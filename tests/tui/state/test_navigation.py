"""The row of steps without a screen: forward, back, past what has nothing to ask, and why not further."""

from dataclasses import dataclass
from typing import Any

from firstlight_core.session import Session
from firstlight_tui.state.navigation import Navigation


@dataclass
class FakeStep:
    """A step; `needs` is what it says while the session has no source."""

    STEP_ID: str
    needs: str = ""
    ABOUT_A_MODEL: bool = False
    WORK: str = ""

    @property
    def STEP_TITLE(self) -> str:
        return self.STEP_ID.capitalize()

    def passed_by(self, session: Session) -> bool:
        return self.ABOUT_A_MODEL and session.endpoint is not None

    def missing(self, session: Session) -> str | None:
        return self.needs if self.needs and session.source is None else None

    def done(self, session: Session) -> bool:
        return False


STEPS: Any = (
    FakeStep("model", needs="Choose a model."),
    FakeStep("convert", ABOUT_A_MODEL=True),
    FakeStep("chat"),
)
SERVER = Session().decide(
    endpoint={"target": "http://h/v1#m", "server": "", "model": "m", "network": False}
)


def test_every_move_shows_the_step_and_ends_at_the_ends() -> None:
    positions: list[int] = []
    navigation = Navigation(STEPS, show=lambda: positions.append(navigation.position))
    for _ in range(3):
        navigation.go(+1, Session())
    navigation.go(-1, Session())
    assert positions == [1, 2, 1], "after the last step nothing is shown"
    assert navigation.is_after("model") and not navigation.is_after("convert")
    assert not navigation.is_after("nowhere")


def test_a_connected_server_leads_past_the_steps_of_an_own_model() -> None:
    navigation = Navigation(STEPS, first=STEPS[0])
    assert navigation.following(STEPS[0], SERVER) is STEPS[2]
    navigation.go(+1, SERVER)
    assert navigation.position == 2
    assert "Ctrl+G disconnects" in navigation.hindrance(1, SERVER)
    navigation.go(-1, SERVER)
    assert navigation.position == 0


def test_a_later_step_says_which_answer_is_missing() -> None:
    navigation = Navigation(STEPS)
    assert navigation.hindrance(2, Session()) == "Model: Choose a model."
    assert navigation.hindrance(2, Session(source="/m")) == ""
    assert navigation.following(STEPS[2], Session()) is None
