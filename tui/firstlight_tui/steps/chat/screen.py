"""Step 7: talk to the model, alone or beside another one."""

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Button

from firstlight_core.monitor import Sample
from firstlight_core.session import Session
from firstlight_tui.state.chat import Chat
from firstlight_tui.state.chat_commands import ChatCommands, is_command
from firstlight_tui.state.conversation import Change
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.steps.chat.columns import ColumnsPanel
from firstlight_tui.steps.chat.dialogs import ChatDialogs
from firstlight_tui.steps.chat.keys import HELP, KEYS
from firstlight_tui.widgets.ask import Ask

SUGGESTION = "What is int4 quantization?"
"""Asked by an empty Enter of the sample model; other models get no suggestion."""
PAINT_SECONDS = 0.05
AFTER_A_KEY = 0.06
LONGEST_WAIT = 2
"""An answer is not painted for `AFTER_A_KEY` seconds after a key, `LONGEST_WAIT` times in a row at most: the key's own effect comes first."""


class ChatStep(StepScreen):
    """Streaming answers, each with its figures; up to three models on the same questions."""

    STEP_ID = "chat"
    HELP = HELP
    BINDINGS: ClassVar[list[BindingType]] = KEYS

    def __init__(self) -> None:
        super().__init__()
        self._dirty = True
        self._delays = 0
        self._rich = True

    @classmethod
    def missing(cls, session: Session) -> str | None:
        words = "Convert a model, adopt an artifact, or connect to a server (Ctrl+G) first."
        return None if session.target else words

    @classmethod
    def done(cls, session: Session) -> bool:
        return session.chat is not None

    @property
    def chat(self) -> Chat:
        """The conversations."""
        return self.workspace.chat

    def compose_step(self) -> ComposeResult:
        yield ColumnsPanel(self.chat)
        yield Ask(id="ask")

    def compose_actions(self) -> ComposeResult:
        yield Button("Stop", id="stop", compact=True)
        yield Button("More", id="more", compact=True)

    def opened(self) -> None:
        self._commands = ChatCommands(
            self.workspace, ChatDialogs(self, self.query_one(Ask), self.toggle_markdown)
        )
        self.chat.changed.subscribe(self, self._chat_changed)
        self.workspace.sampled.subscribe(self, self._sampled)
        self.set_interval(PAINT_SECONDS, self._paint_soon)
        self.chat.follow(self.session)
        self._chat_changed("status")

    def _session_changed(self) -> None:
        super()._session_changed()
        self.chat.follow(self.session)

    def first_focus(self) -> None:
        self.query_one(Ask).focus()

    def on_key(self, event: events.Key) -> None:
        """Give letters to the question, whichever button or column has the focus."""
        field = self.query_one(Ask)
        if event.is_printable and self.focused not in (None, field):
            event.stop()
            event.prevent_default()
            field.take(event)
            field.focus()

    @property
    def _on_sample(self) -> bool:
        """Whether the artifact was made from the sample model."""
        return self.session.source == str(self.workspace.paths.sample)

    # Asking ---------------------------------------------------------------------------------------

    @on(Ask.Submitted)
    def _submitted(self, event: Ask.Submitted) -> None:
        text = event.text.strip()
        if not text:
            if not self._on_sample or self.chat.first.turns:
                return
            text = SUGGESTION
        if is_command(text):
            event.ask.keep(text)
            self.clear_problem()
            self._commands.run(text)
        elif self.chat.answering:
            self.notify("One answer at a time: Esc stops this one.", markup=False)
            event.ask.give_back(event.text)
        elif self.chat.first.target is None:
            event.ask.give_back(event.text)
        else:
            event.ask.keep(text)
            self.clear_problem()
            self.chat.ask(text)

    @on(Button.Pressed, "#stop")
    async def action_stop(self) -> None:
        """Stop the answers that are being made."""
        await self.chat.stop()

    def action_command(self, line: str) -> None:
        """Carry out a slash command; every key of the chat has one."""
        self._commands.run(line)

    @on(Button.Pressed, "#more")
    def _more_pressed(self) -> None:
        self._commands.run("/help")

    def toggle_markdown(self) -> bool:
        """Switch between Markdown and plain text; returns whether complete answers are Markdown now."""
        self._rich = not self._rich
        self._dirty = True
        return self._rich

    # Painting -------------------------------------------------------------------------------------

    def _sampled(self, sample: Sample) -> None:
        self.chat.sample()
        self._dirty = True

    def _chat_changed(self, change: Change) -> None:
        """Paint soon, or at once when a status changed."""
        self._dirty = True
        if change == "status":
            self.paint()

    def _paint_soon(self) -> None:
        """Paint now, or a moment later when a key has just come."""
        if self.terminal.since_key < AFTER_A_KEY and self._delays < LONGEST_WAIT:
            self._delays += 1
            return
        self._delays = 0
        self.paint()

    def paint(self) -> None:
        """Paint what has changed since the last time."""
        if self.gone or not self.is_attached or not (self._dirty or self.chat.busy):
            return
        self._dirty = not self.query_one(ColumnsPanel).show(rich=self._rich)
        if self._dirty:
            return
        suggested = self._on_sample and not self.chat.first.turns
        self.query_one(Ask).placeholder = (
            f"Enter asks: {SUGGESTION}" if suggested else "Ask something; / lists all commands"
        )
        self.query_one("#stop").display = self.chat.answering
        for conversation in self.chat.conversations:
            if conversation.error is not None:
                self.show_problem(conversation.error)
                conversation.error = None
