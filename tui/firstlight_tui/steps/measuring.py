"""The base class of steps that measure an artifact or a server: run, cancel, skip, show results."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.widgets import Button

from firstlight_tui.modals.cancel_work import cancel_work
from firstlight_tui.steps.base import StepScreen


class MeasuringStep(StepScreen):
    """A step whose answer is one document of the session, made by one piece of long work."""

    RUN_LABEL: ClassVar[str]
    """Label of the primary button before there is an answer."""

    @property
    def answered(self) -> bool:
        """Whether there is a document."""
        return self.done(self.session)

    def compose_actions(self) -> ComposeResult:
        yield Button("Skip", id="skip", compact=True)

    @on(Button.Pressed, "#skip")
    def _skip(self) -> None:
        self.action_next()

    @property
    def primary_cancels(self) -> bool:
        return self.work is not None and self.work.running

    def primary_label(self) -> str:
        if self.session.target is None:
            return ""
        if self.primary_cancels:
            return "Cancel"
        return self.next_label() if self.answered else self.RUN_LABEL

    def primary(self) -> None:
        if self.primary_cancels:
            cancel_work(self, self.WORK)
        elif self.answered:
            self.action_next()
        else:
            self.action_again()

    def action_again(self) -> None:
        """Begin the work, or begin it once more; override me."""
        raise NotImplementedError

    def quiet_the_chat(self) -> None:
        """End the chat's engines: one that idles beside a measurement would count in the machine's load."""
        self.workspace.chat.close()
