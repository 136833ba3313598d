"""One conversation of the chat: its turns and the backend that answers them."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TYPE_CHECKING, Literal, cast

from firstlight_core.artifact.target import Target
from firstlight_core.errors import FirstlightError, JobDied, UsageError
from firstlight_core.inference.transcript import Turn
from firstlight_core.monitor import process_rss
from firstlight_core.process.events import Progress, Reply, Token
from firstlight_tui.state.history import Turns, prompt_note
from firstlight_tui.state.sampling_settings import SamplingSettings
from firstlight_tui.state.tasks import Tasks

if TYPE_CHECKING:
    from firstlight_core.documents.inference import Alternative, ChatAnswer, RenderedPrompt
    from firstlight_core.documents.messages import Message
    from firstlight_core.inference.backend import ChatBackend

DEATHS_ALLOWED = 3
DEATH_WINDOW_SECONDS = 60.0

Change = Literal["status", "turn"]
"""The kind of a change in a conversation."""
OpenTarget = Callable[..., "AbstractAsyncContextManager[ChatBackend]"]
"""`inference.open_target.open_target`, or a double of it."""
Pending = tuple[Turn, "asyncio.Future[None]"]
"""An answer that is waited for, and the future that is done when it is there or never will be."""


class Conversation(Turns):
    """The turns of a conversation and the backend that answers: an engine, a server or the original model."""

    def __init__(
        self,
        open_target: OpenTarget,
        tasks: Tasks,
        on_change: Callable[[Change], object],
        *,
        group: str = "engine",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`group` names the background task that holds the backend; conversations side by side need one each."""
        super().__init__()
        self.group = group
        self._open_target = open_target
        self._tasks = tasks
        self._on_change = on_change
        self._clock = clock
        self.status = "closed"
        """closed, opening, ready, answering or failed."""
        self.session_target: str | None = None
        """The session's target when this conversation was opened or kept; another one opens another conversation."""
        self.network = False
        """Whether a server on another machine may be asked; true only after an explicit yes."""
        self.error: FirstlightError | None = None
        self.note = ""
        self.shared_seed: int | None = None
        """Seed of a question that several conversations answer, so that they sample alike; None for one alone."""
        self.dropped = 0
        """How many of the oldest turns the newest answer was made without."""
        self.requests = self.failures = 0
        """Answers that were asked for, and those that failed."""
        self._question_sent = 0.0
        self._backend: ChatBackend | None = None
        self._pending: asyncio.Queue[Pending] = asyncio.Queue()
        self._deaths: deque[float] = deque()

    @property
    def pid(self) -> int | None:
        """Process id of the engine, for the monitor."""
        return self._backend.pid if self._backend is not None else None

    def sample(self) -> None:
        """Read the memory of the answering process and notice its death; the memory of a server is unknown."""
        if self.status == "ready" and self._backend is not None and not self._backend.alive:
            # No request is running whose failure would report the death.
            self._died()
        pid = None if self.served else self.pid
        self.rss_now = process_rss(pid) if pid is not None else None

    @property
    def available(self) -> bool:
        """True if a model is loaded that answers."""
        return self.status in ("ready", "answering")

    @property
    def busy(self) -> bool:
        """True if a model is being loaded or an answer is being made."""
        return self.status in ("opening", "answering")

    @property
    def awaiting_answer(self) -> bool:
        """True if an answer is being made, or waits until the model is loaded."""
        return self.status == "answering" or not self._pending.empty()

    @property
    def waited(self) -> float | None:
        """Seconds since the question was sent, until the first token is there; None at other times."""
        if self.status != "answering" or not self.turns or self.turns[-1].pieces:
            return None
        return self._clock() - self._question_sent

    def open(self, target: Target, *, network: bool = False) -> None:
        """Load an artifact or the original, or connect to a server; another target begins a new conversation."""
        if target != self.target:
            self.turns.clear()
            self.saved.clear()
            self.earlier_ratings.clear()
            self._deaths.clear()
        elif self.status in ("opening", "ready", "answering"):
            return
        # A new queue: the backend before answers nothing more, and its end changes nothing here.
        self._give_up(None, self._pending)
        self.target, self.network, self.error = target, network, None
        self._pending = asyncio.Queue()
        # Before the task begins: a question in between must not open the target again.
        self._set("opening")
        self._tasks.begin(partial(self._hold, target), name=self.group, group=self.group)

    def open_again(self) -> None:
        """Load the target again, with the context length of the settings; the turns stay."""
        if self.target is not None:
            self.status = "closed"
            self.open(self.target, network=self.network)

    def close(self) -> None:
        """Unload the model: end the engine's process, the only way to get its memory back."""
        self._tasks.cancel(self.group)

    def add_question(self, text: str) -> None:
        """Append a question; `ask` asks it."""
        self.turns.append(Turn("user", text))
        self._on_change("turn")

    def take_back(self) -> str:
        """Remove the newest question and its answer; returns the question, empty when there is none."""
        while self.turns:
            turn = self.turns.pop()
            if turn.rating:
                self.earlier_ratings.append(turn.rating)
            if turn.role == "user":
                self._on_change("turn")
                return turn.text
        return ""

    def clear(self) -> None:
        """Forget all turns; the model stays loaded."""
        self.earlier_ratings = self.ratings
        self.turns.clear()
        self.saved.clear()
        self._on_change("turn")

    async def stop(self) -> None:
        """Stop the answer that is being made and keep its text; an answer that waits is not made at all."""
        if self._backend is not None and self.status == "answering":
            await self._backend.cancel()
        elif self.awaiting_answer:
            self._give_up(None, self._pending)
            self._on_change("status")

    async def alternatives(self, answer: Turn, index: int) -> "list[Alternative]":
        """Return the likeliest tokens at one place of an answer.

        Raises:
            FirstlightError: the backend does not report them, or no model is ready.
        """
        return await self._ready().alternatives(answer.prompt, answer.ids[:index])

    async def check_form(self, settings: SamplingSettings) -> None:
        """Try the form of the settings on the backend.

        Raises:
            FirstlightError: answers cannot be held to it, or no model is ready.
        """
        if form := settings.form():
            await self._ready().check_form(**form)

    def _ready(self) -> "ChatBackend":
        if self._backend is None or self.status != "ready":
            raise UsageError("The model is not ready, or is answering.", hint="Try again then.")
        return self._backend

    async def render(self, messages: "list[Message] | None" = None) -> "RenderedPrompt":
        """Return the prompt of these messages and its tokens; of none, that of the newest answer or the system prompt.

        Raises:
            FirstlightError: the backend does not show its prompts, or no model is ready.
        """
        newest = next((turn.prompt for turn in reversed(self.answers) if turn.prompt), None)
        return await self._ready().render(messages or newest or self.messages())

    def ask(self) -> "asyncio.Future[None]":
        """Ask for an answer to the turns; the future is done when the answer is there or never will be."""
        turn, answered = Turn("assistant", ""), asyncio.get_running_loop().create_future()
        if self.status in ("closed", "failed") and self.target is not None:
            if self._too_many_deaths():
                self.error = JobDied(
                    "The engine died three times within a minute.",
                    hint="Ask again in a minute, or choose another artifact; Ctrl+S saves the conversation.",
                )
                _resolve(answered)
                self._on_change("status")
                return answered
            self.open(self.target, network=self.network)
        self.turns.append(turn)
        self._pending.put_nowait((turn, answered))
        self._on_change("turn")
        return answered

    # The task that holds the backend --------------------------------------------------------------

    def _too_many_deaths(self) -> bool:
        while self._deaths and self._clock() - self._deaths[0] > DEATH_WINDOW_SECONDS:
            self._deaths.popleft()
        return len(self._deaths) >= DEATHS_ALLOWED

    def _set(self, status: str) -> None:
        self.status = status
        self._on_change("status")

    def _died(self) -> None:
        self._deaths.append(self._clock())
        self._set("failed")

    async def _hold(self, target: Target) -> None:
        """Open the target and answer one question after another, until cancelled or replaced."""
        pending = self._pending
        answered: asyncio.Future[None] | None = None
        try:
            async with self._open_target(
                target, max_length=self.settings.context, network=self.network
            ) as backend:
                self._backend, self.loaded = backend, backend.loaded
                self._set("ready")
                while True:
                    turn, answered = await pending.get()
                    await self._answer(backend, turn)
                    _resolve(answered)
        except FirstlightError as error:
            if self._pending is pending:
                self.error = error
                self._died() if isinstance(error, JobDied) else self._set("failed")
        finally:
            self._give_up(answered, pending)
            if self._pending is pending:
                self._backend, self.rss_now = None, None
                if self.status != "failed":
                    self._set("closed")

    def _give_up(
        self, answered: "asyncio.Future[None] | None", pending: "asyncio.Queue[Pending]"
    ) -> None:
        """Resolve the futures of answers that will not come, and remove their empty turns."""
        _resolve(answered)
        while not pending.empty():
            turn, waiting = pending.get_nowait()
            _resolve(waiting)
            self._remove(turn)

    def _remove(self, turn: Turn) -> None:
        """Remove this very turn; an equal one stays."""
        self.turns[:] = [other for other in self.turns if other is not turn]

    async def _answer(self, backend: "ChatBackend", turn: Turn) -> None:
        if not any(other is turn for other in self.turns):
            return
        self.note = ""
        self.requests += 1
        self._question_sent = self._clock()
        self._set("answering")
        try:
            self.dropped = await self._turns_too_many(backend)
            turn.prompt = self.messages(without=self.dropped)
            async for event in backend.chat(
                turn.prompt, **self.settings.options(shared_seed=self.shared_seed)
            ):
                match event:
                    case Token(text=text, id=number, seconds=seconds):
                        self.note = ""
                        turn.seconds = seconds
                        turn.pieces.append(text)
                        turn.ids.append(number)
                    case Progress(done=done, total=total):
                        self.note = f"reading the prompt, {done} of {total} tokens"
                    case Reply(result=result):
                        answer = cast("ChatAnswer", result)
                        turn.text = answer["text"]
                        turn.stats = answer["stats"]
                        turn.finish_reason = answer["finish_reason"]
                        turn.note = prompt_note(answer, self.dropped)
                        self.error = None
        except JobDied:
            self.failures += 1
            raise
        except FirstlightError as error:
            # The request was refused; the engine lives on and the question stays in the history.
            self.failures += 1
            self.error = error
        finally:
            # Joined once at the end: appending each piece to a string would cost more with every token.
            turn.text = turn.text or "".join(turn.pieces)
            if not turn.text and not turn.stats:
                self._remove(turn)
        self._set("ready")

    async def _turns_too_many(self, backend: "ChatBackend") -> int:
        """Return how many of the oldest turns must be left out so that the prompt and a short answer fit."""
        # A tokenizer makes at most one token of a byte, so tokens are counted only when the bytes might not fit.
        size = sum(len(turn.text.encode(errors="replace")) for turn in self.turns)
        size += len(self.system.encode(errors="replace"))
        if not self.limit or self.used + size < self.limit:
            return 0
        room = self.limit - min(self.settings.max_tokens, self.limit // 4)
        without = 0
        while len(self.messages(without)) > 1 + bool(self.system):
            try:
                rendered = await backend.render(self.messages(without))
            except UsageError:
                # The original counts for itself, and refuses what is too long.
                return 0
            if rendered["prompt_tokens"] <= room:
                break
            without += 2
        return min(without, len(self.messages()) - bool(self.system) - 1)


def _resolve(answered: "asyncio.Future[None] | None") -> None:
    """Resolve the future if nobody has."""
    if answered is not None and not answered.done():
        answered.set_result(None)
