"""One lane of the chat: its turns and who answers them. The app's own, so that it survives a walk to another step."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.signal import Signal

from firstlight_core.artifact.target import Target
from firstlight_core.errors import FirstlightError, JobDied, UsageError
from firstlight_core.inference.transcript import Turn
from firstlight_core.monitor import process_rss
from firstlight_core.process.events import Progress, Reply, Token
from firstlight_tui.state.history import Turns, prompt_note
from firstlight_tui.state.sampling_settings import SamplingSettings
from firstlight_tui.state.work import begin

if TYPE_CHECKING:
    from firstlight_core.inference.backend import ChatBackend
    from firstlight_tui.app import WizardApp

DEATHS_ALLOWED = 3
DEATH_WINDOW_SECONDS = 60.0


class Conversation(Turns):
    """Turns and who answers them: an engine, a server or the original."""

    def __init__(
        self,
        app: "WizardApp",
        *,
        group: str = "engine",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._app = app
        self.group = group
        self._clock = clock
        self.changed: Signal[str] = Signal(app, group)
        """Published with what changed: status, turn."""
        self.status = "closed"
        """closed, opening, ready, answering or failed."""
        self.wanted: str | None = None
        """The session's target when this was opened or kept: another one there opens another conversation."""
        self.network = False
        """Whether a server on another machine may be asked; only after an explicit yes."""
        self.error: FirstlightError | None = None
        self.note = ""
        self.shared_seed: int | None = None
        """Drawn for a question that several lanes answer, so that they draw alike; alone, one would keep no KV cache."""
        self.dropped = 0
        """How many of the oldest turns the last answer was made without."""
        self._engine: ChatBackend | None = None
        self._asked: asyncio.Queue[tuple[Turn, asyncio.Future[None]]] = asyncio.Queue()
        self._deaths: deque[float] = deque()

    @property
    def pid(self) -> int | None:
        """Process id of the engine, for the monitor."""
        return self._engine.pid if self._engine is not None else None

    def look(self) -> None:
        """See whether the process that answers still runs, and how much memory it takes; a server's is its own."""
        if self.status == "ready" and self._engine is not None and not self._engine.alive:
            # Nothing was asked of it, so nothing else tells of its end.
            self._died()
        pid = None if self.served else self.pid
        self.rss_now = process_rss(pid) if pid is not None else None

    @property
    def there(self) -> bool:
        """Whether somebody is there to answer."""
        return self.status in ("ready", "answering")

    @property
    def busy(self) -> bool:
        """Whether an answer is being made or waited for."""
        return self.status in ("opening", "answering")

    @property
    def asked(self) -> bool:
        """Whether an answer is being made, or waited for while the model loads."""
        return self.status == "answering" or not self._asked.empty()

    def open(self, target: Target, *, network: bool = False) -> None:
        """Load an artifact or the original, or connect to a server; a conversation with another one ends."""
        if target != self.target:
            self.turns.clear()
            self.saved.clear()
            self.earlier_ratings.clear()
            self._deaths.clear()
        elif self.status in ("opening", "ready", "answering"):
            return
        # Who was asked before does not answer any more, and does not speak for this one when it ends.
        self._give_up(None, self._asked)
        self.target, self.network, self.error, self._asked = target, network, None, asyncio.Queue()
        # At once, and not when the worker begins: whoever asks next must not open it again.
        self._set("opening")
        begin(self._app, partial(self._hold, target), name=self.group, group=self.group)

    def open_again(self) -> None:
        """Load anew, with the context that the settings ask for; the turns stay."""
        if self.target is not None:
            self.status = "closed"
            self.open(self.target, network=self.network)

    def close(self) -> None:
        """Unload: end the engine's process, which is the only way to get its memory back."""
        self._app.workers.cancel_group(self._app, self.group)

    def say(self, text: str) -> None:
        """Add a question, which `ask` asks."""
        self.turns.append(Turn("user", text))
        self.changed.publish("turn")

    def take_back(self) -> str:
        """Remove the newest question and its answer; the question is returned, to be edited."""
        while self.turns:
            turn = self.turns.pop()
            if turn.rating:
                self.earlier_ratings.append(turn.rating)
            if turn.role == "user":
                self.changed.publish("turn")
                return turn.text
        return ""

    def clear(self) -> None:
        """Forget all turns; the engine stays."""
        self.earlier_ratings = self.ratings
        self.turns.clear()
        self.saved.clear()
        self.changed.publish("turn")

    async def stop(self) -> None:
        """Stop the answer that is being made; what there is of it stays. One that waits is not made at all."""
        if self._engine is not None and self.status == "answering":
            await self._engine.cancel()
        elif self.asked:
            self._give_up(None, self._asked)
            self.changed.publish("status")

    async def alternatives(self, answer: Turn, place: int) -> list[dict[str, Any]]:
        """The likeliest tokens at one place of an answer.

        Raises:
            FirstlightError: whoever answers does not tell them, or is gone.
        """
        return await self._ready().alternatives(answer.prompt, answer.ids[:place])

    async def check_form(self, drawing: SamplingSettings) -> None:
        """Try the form of the settings on the engine.

        Raises:
            FirstlightError: answers cannot be held to it.
        """
        if drawing.form():
            await self._ready().check_form(**drawing.form())

    def _ready(self) -> "ChatBackend":
        if self._engine is None or self.status != "ready":
            raise UsageError("The model is not ready, or is answering.", hint="Try again then.")
        return self._engine

    async def render(self) -> dict[str, Any]:
        """The prompt of the newest answer as the model read it, with its tokens; before any, that of the system prompt.

        Raises:
            FirstlightError: whoever answers does not show it, or is gone.
        """
        asked = next((turn.prompt for turn in reversed(self.answers) if turn.prompt), None)
        return await self._ready().render(asked or self.messages())

    def ask(self) -> "asyncio.Future[None]":
        """Ask for an answer to the turns as they stand; the future is done when there is one, or never will be."""
        turn, answered = Turn("assistant", ""), asyncio.get_running_loop().create_future()
        if self.status in ("closed", "failed") and self.target is not None:
            if self._too_many_deaths():
                self.error = JobDied(
                    "The engine died three times within a minute.",
                    hint="Ask again in a minute, or choose another artifact; Ctrl+S saves the conversation.",
                )
                _tell(answered)
                self.changed.publish("status")
                return answered
            self.open(self.target, network=self.network)
        self.turns.append(turn)
        self._asked.put_nowait((turn, answered))
        self.changed.publish("turn")
        return answered

    # The engine's task ----------------------------------------------------------------------------

    def _too_many_deaths(self) -> bool:
        while self._deaths and self._clock() - self._deaths[0] > DEATH_WINDOW_SECONDS:
            self._deaths.popleft()
        return len(self._deaths) >= DEATHS_ALLOWED

    def _set(self, status: str) -> None:
        self.status = status
        self.changed.publish("status")

    def _died(self) -> None:
        self._deaths.append(self._clock())
        self._set("failed")

    async def _hold(self, target: Target) -> None:
        """Load, then answer one question after another, until cancelled or until another one holds."""
        asked = self._asked
        answered: asyncio.Future[None] | None = None
        try:
            async with self._app.services.open_target(
                target, max_length=self.drawing.context, network=self.network
            ) as engine:
                self._engine, self.loaded = engine, dict(engine.loaded)
                self._set("ready")
                while True:
                    turn, answered = await asked.get()
                    await self._answer(engine, turn)
                    _tell(answered)
        except FirstlightError as error:
            if self._asked is asked:
                self.error = error
                self._died() if isinstance(error, JobDied) else self._set("failed")
        finally:
            self._give_up(answered, asked)
            if self._asked is asked:
                self._engine, self.rss_now = None, None
                if self.status != "failed":
                    self._set("closed")

    def _give_up(
        self,
        answered: "asyncio.Future[None] | None",
        asked: "asyncio.Queue[tuple[Turn, asyncio.Future[None]]]",
    ) -> None:
        """Nobody waits for an answer that will not come; an empty one is taken off the screen."""
        _tell(answered)
        while not asked.empty():
            turn, waiting = asked.get_nowait()
            _tell(waiting)
            self._take_off(turn)

    def _take_off(self, turn: Turn) -> None:
        """An answer that never came is not shown; one that is equal to it stays."""
        self.turns[:] = [kept for kept in self.turns if kept is not turn]

    async def _answer(self, engine: "ChatBackend", turn: Turn) -> None:
        if not any(kept is turn for kept in self.turns):
            return
        self.note = ""
        self._set("answering")
        try:
            self.dropped = await self._too_much(engine)
            turn.prompt = self.messages(without=self.dropped)
            async for event in engine.chat(
                turn.prompt, **self.drawing.options(shared_seed=self.shared_seed)
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
                        turn.text = str(result.get("text", ""))
                        turn.stats = dict(result.get("stats", {}))
                        turn.finish_reason = str(result.get("finish_reason", ""))
                        turn.note = prompt_note(result, self.dropped)
                        self.error = None
        except JobDied:
            raise
        except FirstlightError as error:
            # The request was refused; the engine lives on and the question stays in the history.
            self.error = error
        finally:
            # One text at the end: adding each piece to it would cost more with every token.
            turn.text = turn.text or "".join(turn.pieces)
            if not turn.text and not turn.stats:
                self._take_off(turn)
        self._set("ready")

    async def _too_much(self, engine: "ChatBackend") -> int:
        """How many of the oldest turns must be left out so that the prompt and a short answer fit."""
        # A tokenizer makes no more tokens than there are bytes; fewer are counted only when that may be too much.
        said = sum(len(turn.text.encode(errors="replace")) for turn in self.turns)
        if (
            not self.limit
            or self.used + len(self.system.encode(errors="replace")) + said < self.limit
        ):
            return 0
        room = self.limit - min(self.drawing.max_tokens, self.limit // 4)
        without = 0
        while len(self.messages(without)) > 1 + bool(self.system):
            try:
                rendered = await engine.render(self.messages(without))
            except UsageError:
                # The original counts for itself; what is too long is refused there.
                return 0
            if int(rendered.get("prompt_tokens", 0)) <= room:
                break
            without += 2
        return min(without, len(self.messages()) - bool(self.system) - 1)


def _tell(answered: "asyncio.Future[None] | None") -> None:
    """Whoever waits for an answer need not any more; who was stopped has left already."""
    if answered is not None and not answered.done():
        answered.set_result(None)
