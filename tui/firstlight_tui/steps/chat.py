"""Step 7: talk to the artifact, alone or beside another one."""

from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widgets import Button

from firstlight_core.errors import FirstlightError
from firstlight_core.session import Session
from firstlight_tui.conversation import Conversation, Drawing
from firstlight_tui.modals import DetailScreen
from firstlight_tui.modals.drawing import DrawingScreen
from firstlight_tui.steps import chat_beside
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.steps.chat_commands import COMMANDS, obey
from firstlight_tui.widgets.ask import Ask
from firstlight_tui.widgets.lane import Lane
from firstlight_tui.works import Work

SUGGESTION = "What is int4 quantization?"
"""What an empty Enter asks the sample model; a model of one's own gets no suggestion."""
PAINT_SECONDS = 0.05


class ChatStep(StepScreen):
    """Streaming answers, each with its figures; up to three lanes on the same questions."""

    STEP_ID = "chat"
    STEP_TITLE = "Chat"
    HELP = "Enter sends, Ctrl+J starts a new line. Commands: " + " ".join(COMMANDS)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape",
            "stop",
            "Stop",
            id="chat.stop",
            tooltip="Stop the answer; what there is of it stays",
        ),
        Binding(
            "ctrl+r", "retry", "Again", id="chat.retry", tooltip="Answer the last question again"
        ),
        Binding(
            "ctrl+t",
            "edit",
            "Edit",
            id="chat.edit",
            show=False,
            tooltip="Take the last question back and edit it",
        ),
        Binding(
            "ctrl+s",
            "save",
            "Save",
            id="chat.save",
            show=False,
            tooltip="Save as Markdown and JSON lines",
        ),
        Binding(
            "f3",
            "rich",
            "Markdown",
            id="chat.rich",
            show=False,
            tooltip="Answers as Markdown, or as plain text",
        ),
        Binding(
            "f4", "prompt", "Prompt", id="chat.prompt", tooltip="The rendered prompt and its tokens"
        ),
        Binding(
            "f5", "drawing", "Settings", id="chat.drawing", tooltip="Temperature, length, seed"
        ),
        Binding(
            "f6",
            "compare",
            "Beside",
            id="chat.compare",
            tooltip="Put another precision beside this one",
            priority=True,
        ),
        Binding(
            "f7",
            "keep",
            "Keep",
            id="chat.keep",
            show=False,
            tooltip="Keep one of the lanes, close the others",
            priority=True,
        ),
        Binding(
            "f8",
            "rate",
            "Rate",
            id="chat.rate",
            show=False,
            tooltip="Rate the newest answer, one star more each time",
        ),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._dirty = True
        self._rich = True

    @classmethod
    def missing(cls, session: Session) -> str | None:
        return None if session.artifact else "Convert a model, or adopt an artifact, first."

    @classmethod
    def done(cls, session: Session) -> bool:
        return session.chat is not None

    @property
    def talk(self) -> Conversation:
        """The first lane."""
        return self.wizard.conversation

    @property
    def lanes(self) -> list[Conversation]:
        """All lanes."""
        return [self.talk, *self.wizard.beside]

    def compose_step(self) -> ComposeResult:
        yield Container(*(Lane(lane) for lane in self.lanes), id="lanes")
        yield Ask(id="ask")

    def compose_actions(self) -> ComposeResult:
        yield Button("Stop", id="stop", compact=True)

    def opened(self) -> None:
        for lane in self.lanes:
            lane.changed.subscribe(self, self.changed)
        self.set_interval(PAINT_SECONDS, self._paint_if_needed)
        self.query_one("#ask", Ask).placeholder = (
            f"Enter asks: {SUGGESTION}" if self.on_sample else "Ask the model something"
        )
        if self.session.artifact is not None:
            self.talk.open(self.session.artifact)
        self.changed("status")

    def first_focus(self) -> None:
        self.query_one("#ask", Ask).focus()

    @property
    def on_sample(self) -> bool:
        """Whether the artifact was made from the sample model."""
        return self.session.source == str(self.wizard.paths.sample)

    def show_work(self, work: Work) -> None:
        """Chat has no long work of its own."""

    # Asking ---------------------------------------------------------------------------------------

    @on(Ask.Submitted)
    def _asked(self, event: Ask.Submitted) -> None:
        text = event.text.strip()
        if not text:
            if not self.on_sample or self.talk.turns:
                return
            text = SUGGESTION
        if text.startswith("/"):
            event.ask.keep("")
            obey(self, text)
        elif any(lane.status == "answering" for lane in self.lanes):
            self.notify("One answer at a time: Esc stops this one.", markup=False)
        elif self.session.artifact is not None:
            event.ask.keep(text)
            self.send(text)

    def send(self, text: str) -> None:
        """Ask every lane, one after another, so that none slows another's figures."""
        self.clear_problem()
        self.wizard.run_worker(self.send_all(text), name="asking", group="asking", exclusive=True)

    async def send_all(self, text: str) -> None:
        """Ask every lane and wait for each."""
        for lane in self.lanes:
            lane.system, lane.drawing = self.talk.system, self.talk.drawing
            await lane.send(text)
        self.changed("status")

    async def action_stop(self) -> None:
        """Stop the answers that are being made."""
        self.wizard.workers.cancel_group(self.wizard, "asking")
        for lane in self.lanes:
            await lane.stop()

    @on(Button.Pressed, "#stop")
    async def _stop_pressed(self) -> None:
        await self.action_stop()

    def action_retry(self) -> None:
        """Answer the last question again."""
        if not self.talk.busy:
            for lane in self.lanes:
                lane.regenerate()

    def action_edit(self) -> None:
        """Take the last question back into the field."""
        if not self.talk.busy:
            field = self.query_one("#ask", Ask)
            field.text = self.talk.take_back()
            for lane in self.wizard.beside:
                lane.take_back()
            field.move_cursor(field.document.end)
            field.focus()

    def action_save(self) -> None:
        """Save the conversation beside the run."""
        obey(self, "/save")

    def action_rich(self) -> None:
        """Answers as Markdown, or as plain text."""
        self._rich = not self._rich
        self.changed("turn")

    def action_drawing(self) -> None:
        """Open the settings drawer."""

        def use(drawing: Drawing | None) -> None:
            if drawing is not None:
                self.talk.drawing = drawing

        self.app.push_screen(DrawingScreen(self.talk.drawing), use)

    def action_rate(self) -> None:
        """One star more for the newest answer."""
        for turn in reversed(self.talk.answers):
            self.rate(turn.rating % 5 + 1)
            return

    def rate(self, stars: int) -> None:
        """Rate the newest answer: the course's Output Quality."""
        if self.talk.answers:
            self.talk.answers[-1].rating = stars
            self.changed("status")

    async def action_prompt(self) -> None:
        """Show the rendered prompt and its tokens."""
        if self.talk.status != "ready":
            self.notify("The model is not ready, or is answering.", markup=False)
            return
        try:
            rendered = await self.talk.render()
        except FirstlightError as error:
            self.show_problem(error)
            return
        ids, pieces = rendered.get("ids") or [], rendered.get("pieces") or []
        rows = [f"{number:6d}  {piece!r}" for number, piece in zip(ids, pieces, strict=False)]
        count = rendered.get("prompt_tokens", len(ids))
        text = f"{rendered.get('text', '')}\n\n{count} tokens\n" + "\n".join(rows)
        self.app.push_screen(DetailScreen("The rendered prompt", text))

    # Side by side ---------------------------------------------------------------------------------

    def action_compare(self) -> None:
        """Put another converted precision beside this one."""
        chat_beside.compare(self)

    def action_keep(self) -> None:
        """Choose the lane to keep."""
        chat_beside.keep(self)

    # Painting -------------------------------------------------------------------------------------

    def changed(self, what: str) -> None:
        """A lane has news: paint soon, or at once when its status changed."""
        self._dirty = True
        if what == "status":
            self._remember()
            self._paint_if_needed()

    def _remember(self) -> None:
        answers = [turn for turn in self.talk.answers if turn.stats]
        if not answers:
            return
        chat: dict[str, Any] = {
            "turns": [{"role": turn.role, "text": turn.text} for turn in self.talk.turns],
            "stats": [turn.stats for turn in answers],
            "ratings": [turn.rating for turn in answers if turn.rating],
        }
        if self.session.chat != chat:
            self.wizard.session = self.session.decide(chat=chat)
            asked = [turn.text for turn in self.talk.turns if turn.role == "user"]
            self.wizard.record("chat", "done", prompt=asked[-1] if asked else "", **chat)

    def _paint_if_needed(self) -> None:
        if not self.is_attached or not (self._dirty or any(lane.busy for lane in self.lanes)):
            return
        self._dirty = False
        # A lane that was just closed is still there for a moment, without its parts.
        shown = [lane for lane in self.query(Lane) if lane.talk in self.lanes]
        if not all(lane.composed for lane in shown):
            self._dirty = True
            return
        for lane in shown:
            lane.show(
                rich=self._rich,
                named=len(shown) > 1,
                differs_at=chat_beside.differs_at(self, lane.talk),
            )
        self.query_one("#stop").display = any(lane.status == "answering" for lane in self.lanes)
        for talk in self.lanes:
            if talk.error is not None:
                self.show_problem(talk.error)
                talk.error = None
