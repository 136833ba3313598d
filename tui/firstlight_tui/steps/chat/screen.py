"""Step 7: talk to the model, alone or beside another one."""

from functools import partial
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widgets import Button

from firstlight_core.monitor import Sample
from firstlight_core.session import Session
from firstlight_tui.modals import ConfirmScreen
from firstlight_tui.state.chat import Chat
from firstlight_tui.state.chat_commands import ChatCommands, is_command
from firstlight_tui.state.conversation import Change
from firstlight_tui.state.question_size import QuestionSize
from firstlight_tui.state.work import Work
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.steps.chat.about import ChatAbout
from firstlight_tui.steps.chat.columns import ColumnsPanel
from firstlight_tui.steps.chat.dialogs import ChatDialogs
from firstlight_tui.steps.chat.facts import ChatFacts
from firstlight_tui.steps.chat.keys import HELP, KEYS
from firstlight_tui.steps.chat.starters import QUESTIONS, STARTER_KEYS, Starters
from firstlight_tui.terminal.workers import begin
from firstlight_tui.widgets.ask import Ask
from firstlight_tui.widgets.words import Words

ANSWERS = "answers"
PAINT_SECONDS = 0.05
AFTER_A_KEY = 0.06
COUNT_AFTER = 0.25
"""Seconds after the last key until the tokens of the question are counted."""
LONGEST_WAIT = 2
"""An answer is not painted for `AFTER_A_KEY` seconds after a key, `LONGEST_WAIT` times in a row at most: the key's own effect comes first."""


class ChatStep(StepScreen):
    """Streaming answers, each with its figures; up to three models on the same questions."""

    STEP_ID = "chat"
    HELP = HELP
    BINDINGS: ClassVar[list[BindingType]] = [*KEYS]

    def __init__(self) -> None:
        super().__init__()
        self._dirty = True
        self._delays = 0
        self._rich = True
        self._rest: Timer | None = None

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
        with Horizontal(id="chat-room"):
            with Vertical(id="talk"):
                yield ColumnsPanel(self.chat)
                yield ChatAbout(self.chat.first, self.session)
                yield Starters()
                yield Ask(id="ask")
                yield Words(id="question-size")
            yield ChatFacts()

    def compose_actions(self) -> ComposeResult:
        yield Button("Stop", id="stop", compact=True)
        yield Button("More", id="more", compact=True)

    def opened(self) -> None:
        self._commands = ChatCommands(
            self.workspace, ChatDialogs(self, self.query_one(Ask), self.toggle_markdown)
        )
        self.chat.changed.subscribe(self, self._chat_changed)
        self.workspace.sampled.subscribe(self, self._sampled)
        self._question_size = QuestionSize(self.chat, self._show_size)
        self.set_interval(PAINT_SECONDS, self._paint_soon)
        self.chat.follow(self.session)
        self._chat_changed("status")

    def on_unmount(self) -> None:
        # Nobody else subscribes to the chat: it would hold this step, with all its parts, until another one opens.
        self.chat.changed.unsubscribe(self)

    def on_resize(self) -> None:
        """Paint the panel that a wider terminal shows; Textual calls the handler of the base class, too."""
        self._dirty = True

    def _session_changed(self) -> None:
        super()._session_changed()
        self.chat.follow(self.session)

    def first_focus(self) -> None:
        self.set_focus(self.query_one(Ask), scroll_visible=False)

    def on_key(self, event: events.Key) -> None:
        """Give letters to the question, whichever button or column has the focus."""
        field = self.query_one(Ask)
        if event.is_printable and self.focused not in (None, field):
            event.stop()
            event.prevent_default()
            field.take(event)
            field.focus()

    # Asking ---------------------------------------------------------------------------------------

    @on(Ask.Submitted)
    def _submitted(self, event: Ask.Submitted) -> None:
        text = event.text.strip()
        if not text:
            if self.chat.first.turns:
                return
            text = QUESTIONS[0]
        if is_command(text):
            event.ask.keep(text)
            self.clear_problem()
            self._commands.run(text)
        elif self.chat.first.target is None:
            event.ask.give_back(event.text)
            self.say_why_not("There is nobody to ask yet: convert a model, or connect with Ctrl+G.")
        elif (measuring := self._measuring()) is not None:
            event.ask.give_back(event.text)
            question = f"{measuring.label} is measuring; an answer beside it would spoil its figures. Ask all the same?"
            self.app.push_screen(
                ConfirmScreen(question, yes="Ask now", no="Wait"),
                lambda yes: self._ask(text) if yes else None,
            )
        else:
            self._ask(text)

    def _measuring(self) -> Work | None:
        """Return the work whose figures an answer would spoil; None where an answer is being made already."""
        running = (work for work in self.workspace.busy if work.quiet)
        return None if self.chat.answering else next(running, None)

    def _ask(self, text: str) -> None:
        self.query_one(Ask).keep(text)
        self.clear_problem()
        self.chat.ask(text)

    @property
    def stoppable(self) -> str:
        """The answers that are being made; what there is of them stays, so nobody is asked."""
        return ANSWERS if self.chat.answering else ""

    @on(Button.Pressed, "#stop")
    def action_stop_work(self) -> None:
        """Stop the answers that are being made; questions that wait go back into the field."""
        begin(self, self._stop, group="stop")

    async def _stop(self) -> None:
        if waiting := self.chat.take_queued():
            self.query_one(Ask).give_back(waiting)
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

    @on(Starters.Chosen)
    def _starter_chosen(self, event: Starters.Chosen) -> None:
        field = self.query_one(Ask)
        field.post_message(Ask.Submitted(field, event.question))

    @on(Ask.Changed)
    def _typed(self) -> None:
        """Count the tokens once the keys rest."""
        if self._rest is not None:
            self._rest.stop()
        self._rest = self.set_timer(COUNT_AFTER, self._count)

    def _count(self) -> None:
        work = partial(self._question_size.measure, self.query_one(Ask).text)
        begin(self, work, group="question-size")

    def _show_size(self) -> None:
        """Show the size of the typed question, the waiting questions, and the effect of Enter."""
        words = []
        if queued := len(self.chat.queued):
            words.append(f"{queued} question{'s' * (queued != 1)} waiting, Esc takes back")
        if self._question_size.size is not None:
            words.append(self._question_size.size.words)
            words.append("Enter queues it" if self.chat.answering else "Enter sends")
        line = self.query_one("#question-size", Words)
        while len(words) > 1 and len(" · ".join(words)) > line.size.width:
            words.pop()
        line.update(" · ".join(words))

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

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """Back from another screen, perhaps the settings, where keys can be changed."""
        for panel in self.query(ChatFacts):
            panel.show_keys()

    def paint(self) -> None:
        """Paint what has changed since the last time."""
        if self.gone or not self.is_attached:
            return
        # The heights of what was painted are known only now.
        self.query_one(ColumnsPanel).align()
        if not (self._dirty or self.chat.busy):
            return
        self._dirty = not self.query_one(ColumnsPanel).show(self.session, rich=self._rich)
        if self._dirty:
            return
        self.query_one(ChatFacts).show(self.chat.conversations, self.session)
        untouched = not self.chat.first.turns
        self.query_one(ChatAbout).show(self.chat.first, self.session)
        self.query_one(Starters).display = untouched
        field = self.query_one(Ask)
        field.shortcuts = STARTER_KEYS if untouched else {}
        field.placeholder = (
            f"Enter asks: {QUESTIONS[0]}"
            if untouched
            else "Ask something; / and Enter: all commands"
        )
        self._show_size()
        self.query_one("#stop").display = self.chat.answering
        self.show_stop()
        for conversation in self.chat.conversations:
            if conversation.error is not None:
                self.show_problem(conversation.error)
                conversation.error = None
