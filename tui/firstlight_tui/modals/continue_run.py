"""The question at the start: go on with the run that was cut short?"""

import asyncio
import time
from typing import TYPE_CHECKING, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button

from firstlight_core.errors import FirstlightError
from firstlight_core.precision.table import find_precision
from firstlight_core.steps import find_step
from firstlight_core.text import ago_text, one_line
from firstlight_tui.modals.cancel_work import DEAF_SECONDS
from firstlight_tui.state.run_memory import RunMemory
from firstlight_tui.state.workspace import Workspace
from firstlight_tui.terminal.workers import begin
from firstlight_tui.widgets.screens import Dialog
from firstlight_tui.widgets.words import Words

if TYPE_CHECKING:
    from firstlight_core.workflow.resume import Unfinished


class ContinueScreen(Dialog[bool]):
    """Enter continues, Escape starts anew."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "start_anew", "Start anew", id="continue.anew", tooltip="Start anew"),
    ]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def on_mount(self) -> None:
        """Remember when it appeared: it comes by itself, while something else may be typed."""
        self.appeared = time.monotonic()

    def action_start_anew(self) -> None:
        """Start anew; a key of the first moment was meant for the step."""
        if time.monotonic() - self.appeared >= DEAF_SECONDS:
            self.dismiss(False)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_subtitle = Content("Enter continues · Esc starts anew")
            yield Words(self._question)
            with Horizontal(classes="dialog-buttons"):
                yield Button("Continue", id="yes", variant="primary")
                yield Button("Start anew", id="no")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")


def question_of(unfinished: "Unfinished", *, now: float | None = None) -> str:
    """Return the question: the model, what was made of it, and where and when it stopped."""
    session = unfinished.session
    made = [find_precision(document["precision"]).label for document in session.artifacts]
    marked = [find_precision(key).label for key in session.precisions]
    precisions = ", ".join(made or marked)
    step = find_step(unfinished.step)
    stopped = f"stopped at {step.title}, " if step is not None else ""
    moment = time.time() if now is None else now
    ago = ago_text(moment - unfinished.at)
    name = one_line(unfinished.name, 60)
    return f"Continue {name}: {f'{precisions}, ' if precisions else ''}{stopped}{ago}?"


async def offer_to_continue(app: App[int], workspace: Workspace, memory: RunMemory) -> None:
    """Ask whether an unfinished run goes on, unless a model has been chosen meanwhile."""
    unfinished = await asyncio.to_thread(workspace.services.find_unfinished, workspace.paths)
    if unfinished is None or workspace.session.source or workspace.session.target:
        return

    async def go_on() -> None:
        session, losses = await asyncio.to_thread(
            workspace.services.what_still_holds, unfinished.session
        )
        memory.go_on(unfinished, session)
        for sentence in losses:
            app.notify(sentence, severity="warning", markup=False)

    async def decline() -> None:
        try:
            await asyncio.to_thread(memory.decline, unfinished.run)
        except FirstlightError as error:
            app.notify(error.with_hint, severity="warning", markup=False)

    def answered(yes: bool | None) -> None:
        begin(app, go_on if yes else decline, group="continue")

    app.push_screen(ContinueScreen(question_of(unfinished)), answered)
