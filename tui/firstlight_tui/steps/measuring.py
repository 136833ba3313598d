"""The base class of steps that measure an artifact or a server: run, cancel, skip, show results."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.widgets import Button

from firstlight_tui.steps.base import StepScreen


class MeasuringStep(StepScreen):
    """A step whose answer is one document of the session, made by one piece of long work."""

    RUN_LABEL: ClassVar[str]
    """Label of the primary button before there is an answer."""

    @property
    def answered(self) -> bool:
        """True if there is a document."""
        return self.done(self.session)

    def compose_actions(self) -> ComposeResult:
        yield Button("Skip", id="skip", compact=True)

    def refresh_actions(self) -> None:
        """Paint the buttons again; what has its answer is not skipped."""
        super().refresh_actions()
        self.query_one("#skip").display = not self.answered

    @on(Button.Pressed, "#skip")
    def _skip(self) -> None:
        self.action_next()

    @property
    def primary_cancels(self) -> bool:
        return self.work is not None and self.work.pending

    def primary_label(self) -> str:
        if self.session.target is None:
            return ""
        if self.primary_cancels:
            return "Stop"
        return self.next_label() if self.answered else self.RUN_LABEL

    def primary(self) -> None:
        if self.primary_cancels:
            self.action_stop_work()
        elif self.answered:
            self.action_next()
        else:
            self.action_again()

    def action_again(self) -> None:
        """Begin the work, or begin it once more; override me."""
        raise NotImplementedError

    async def quiet_the_chat(self) -> None:
        """Wait for the answer that is being made, then unload the chat: it would count in the machine's load."""
        await self.workspace.chat.rest()
        self.workspace.chat.close()
