"""Step 7: talk to the artifact, alone or beside another one."""

import secrets
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.widgets import Button

from firstlight_core.artifact.target import artifact_target, find_target
from firstlight_core.monitor import Sample
from firstlight_core.session import Session
from firstlight_tui.state.conversation import Conversation
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.steps.chat import lanes, records
from firstlight_tui.steps.chat.commands import is_command, obey
from firstlight_tui.steps.chat.keys import HELP, KEYS
from firstlight_tui.widgets.ask import Ask
from firstlight_tui.widgets.lane import Lane
from firstlight_tui.widgets.transcript import Transcript

SUGGESTION = "What is int4 quantization?"
"""What an empty Enter asks the sample model; a model of one's own gets no suggestion."""
PAINT_SECONDS = 0.05
AFTER_A_KEY = 0.06
LONGEST_WAIT = 2
"""So long after a key an answer is not painted, and so many times in a row at most: what the key asks for comes first."""


class ChatStep(StepScreen):
    """Streaming answers, each with its figures; up to three lanes on the same questions."""

    STEP_ID = "chat"
    HELP = HELP
    BINDINGS: ClassVar[list[BindingType]] = KEYS

    def __init__(self) -> None:
        super().__init__()
        self._dirty = True
        self._waited = 0
        self.rich = True
        """Whether complete answers are drawn as Markdown."""

    @classmethod
    def missing(cls, session: Session) -> str | None:
        words = "Convert a model, adopt an artifact, or connect to a server (Ctrl+G) first."
        return None if session.target else words

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

    @property
    def answering(self) -> bool:
        """Whether an answer is being made or waited for."""
        return any(lane.asked for lane in self.lanes)

    def compose_step(self) -> ComposeResult:
        yield Container(*(Lane(lane) for lane in self.lanes), id="lanes")
        yield Ask(id="ask")

    def compose_actions(self) -> ComposeResult:
        yield Button("Stop", id="stop", compact=True)
        yield Button("More", id="more", compact=True)

    def opened(self) -> None:
        for lane in self.lanes:
            lane.changed.subscribe(self, self.changed)
        self.wizard.sampled.subscribe(self, self._sampled)
        self.set_interval(PAINT_SECONDS, self._paint_soon)
        self._open_wanted()
        self.watch(self.wizard, "session", self._open_wanted, init=False)
        self.changed("status")

    def _open_wanted(self) -> None:
        """Load what the session names; a lane that was kept on purpose stays until the session names another."""
        session, talk = self.session, self.talk
        if session.target is None:
            return
        if talk.wanted != session.target:
            talk.wanted = session.target
            find = artifact_target if session.endpoint is None else find_target
            talk.open(find(session.target), network=session.network)
        elif talk.target is not None and talk.status == "closed":
            talk.open(talk.target, network=talk.network)

    def first_focus(self) -> None:
        self.query_one("#ask", Ask).focus()

    def on_key(self, event: events.Key) -> None:
        """Letters belong to the question, whichever button or lane has the focus."""
        field = self.query_one("#ask", Ask)
        if event.is_printable and self.focused not in (None, field):
            event.stop()
            event.prevent_default()
            field.take(event)
            field.focus()

    @property
    def on_sample(self) -> bool:
        """Whether the artifact was made from the sample model."""
        return self.session.source == str(self.wizard.paths.sample)

    # Asking ---------------------------------------------------------------------------------------

    @on(Ask.Submitted)
    def _asked(self, event: Ask.Submitted) -> None:
        text = event.text.strip()
        if not text:
            if not self.on_sample or self.talk.turns:
                return
            text = SUGGESTION
        if is_command(text):
            event.ask.keep(text)
            self.clear_problem()
            obey(self, text)
        elif self.answering:
            self.notify("One answer at a time: Esc stops this one.", markup=False)
            event.ask.give_back(event.text)
        elif self.talk.target is None:
            event.ask.give_back(event.text)
        else:
            event.ask.keep(text)
            self.send(text)

    def send(self, text: str) -> None:
        """Ask every lane, one after another, so that none slows another's figures."""
        self.clear_problem()
        self.wizard.run_worker(self.send_all(text), name="asking", group="asking", exclusive=True)

    async def send_all(self, text: str) -> None:
        """Ask every lane and wait for each; all have the question at once, whatever becomes of the answers."""
        asked = self.lanes
        seed = secrets.randbelow(2**31) if len(asked) > 1 else None
        for lane in asked:
            lane.system, lane.drawing, lane.shared_seed = self.talk.system, self.talk.drawing, seed
            lane.say(text)
        for lane in asked:
            # One that was closed while another answered must not be opened again.
            if lane in self.lanes:
                await lane.ask()
        self.changed("status")

    @on(Button.Pressed, "#stop")
    async def action_stop(self) -> None:
        """Stop the answers that are being made."""
        self.wizard.workers.cancel_group(self.wizard, "asking")
        for lane in self.lanes:
            await lane.stop()

    def action_obey(self, command: str) -> None:
        """Carry out a slash command; every key of the chat has one."""
        obey(self, command)

    @on(Button.Pressed, "#more")
    def _more(self) -> None:
        obey(self, "/help")

    # Painting -------------------------------------------------------------------------------------

    @on(Transcript.Scrolled)
    def _scrolled(self, event: Transcript.Scrolled) -> None:
        for transcript in self.query(Transcript):
            if transcript is not event.transcript:
                transcript.follow(event)

    def _sampled(self, sample: Sample) -> None:
        for lane in self.lanes:
            lane.look()
        self._dirty = True

    def changed(self, what: str) -> None:
        """A lane has news: paint soon, or at once when its status changed."""
        self._dirty = True
        if what == "status":
            records.remember(self)
            self._paint_if_needed()

    def _paint_soon(self) -> None:
        """Paint now, or a moment later when a key has just come."""
        if self.wizard.since_key < AFTER_A_KEY and self._waited < LONGEST_WAIT:
            self._waited += 1
            return
        self._waited = 0
        self._paint_if_needed()

    def _paint_if_needed(self) -> None:
        if (
            self.gone
            or not self.is_attached
            or not (self._dirty or any(lane.busy for lane in self.lanes))
        ):
            return
        self._dirty = False
        # A lane that was just closed is still there for a moment, without its parts.
        shown = [lane for lane in self.query(Lane) if lane.talk in self.lanes]
        if not all(lane.composed for lane in shown):
            self._dirty = True
            return
        for lane in shown:
            differs, compared = lanes.comparison(self.lanes, lane.talk)
            lane.show(rich=self.rich, named=len(shown) > 1, differs=differs, compared=compared)
        suggested = self.on_sample and not self.talk.turns
        self.query_one("#ask", Ask).placeholder = (
            f"Enter asks: {SUGGESTION}" if suggested else "Ask something; / lists all commands"
        )
        self.query_one("#stop").display = self.answering
        for talk in self.lanes:
            if talk.error is not None:
                self.show_problem(talk.error)
                talk.error = None
