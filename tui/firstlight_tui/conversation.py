"""One lane of the test conversation: its turns, the engine that answers them, what each answer cost.

Owned by the app, so that it survives a walk to another step; the chat step only paints it.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.signal import Signal

from firstlight_core.errors import FirstlightError, JobDied
from firstlight_core.events import Progress, Reply, Token
from firstlight_core.talk.transcript import Turn
from firstlight_tui.works import begin

if TYPE_CHECKING:
    from firstlight_tui.app import WizardApp

DEATHS_ALLOWED = 3
DEATH_WINDOW_SECONDS = 60.0
CHARACTERS_A_TOKEN = 2
"""A cautious guess for when to count exactly: English text has about four."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """How answers are drawn; `temperature` 0 is greedy. None leaves a value to the artifact's own settings."""

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    seed: int | None = None

    def options(self) -> dict[str, Any]:
        """The keyword arguments of `Engine.chat`."""
        given = {
            "top_p": self.top_p,
            "top_k": self.top_k,
            "repetition_penalty": self.repetition_penalty,
            "seed": self.seed,
        }
        chosen: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
        if self.temperature <= 0:
            kept = {k: v for k, v in chosen.items() if k == "repetition_penalty"}
            return {"max_tokens": self.max_tokens, "greedy": True, **kept}
        return {"max_tokens": self.max_tokens, "temperature": self.temperature, **chosen}


class Conversation:
    """Turns and their engine."""

    def __init__(
        self,
        app: "WizardApp",
        *,
        group: str = "engine",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self.group = group
        self._clock = clock
        self.changed: Signal[str] = Signal(app, group)
        """Published with what changed: status, turn."""
        self.turns: list[Turn] = []
        self.system = ""
        self.drawing = Drawing()
        self.status = "closed"
        """closed, opening, ready, answering or failed."""
        self.artifact: str | None = None
        self.loaded: dict[str, Any] = {}
        self.error: FirstlightError | None = None
        self.note = ""
        self.dropped = 0
        """How many of the oldest turns the last answer was made without."""
        self._engine: Any = None
        self._asked: asyncio.Queue[tuple[Turn, asyncio.Future[None]]] = asyncio.Queue()
        self._deaths: deque[float] = deque()

    @property
    def pid(self) -> int | None:
        """Process id of the engine, for the monitor."""
        return getattr(self._engine, "pid", None)

    @property
    def decode_rate(self) -> float | None:
        """Decode tokens per second of the newest answer, as measured in the engine."""
        for turn in reversed(self.turns):
            if rate := turn.stats.get("decode_tps"):
                return float(rate)
        return None

    @property
    def busy(self) -> bool:
        """Whether an answer is being made or waited for."""
        return self.status in ("opening", "answering")

    @property
    def limit(self) -> int:
        """Tokens of context, prompt and answer together; 0 while nothing is loaded."""
        return int(self.loaded.get("max_length") or self.loaded.get("context_length") or 0)

    @property
    def used(self) -> int:
        """Tokens of context that the newest answer and its prompt took."""
        for turn in reversed(self.turns):
            if used := turn.stats.get("context_used"):
                return int(used)
        return 0

    @property
    def answers(self) -> list[Turn]:
        """The answers so far."""
        return [turn for turn in self.turns if turn.role == "assistant"]

    def open(self, artifact: str) -> None:
        """Load an artifact; a conversation with another one ends."""
        if artifact != self.artifact:
            self.turns.clear()
            self._deaths.clear()
        elif self.status in ("opening", "ready", "answering"):
            return
        self.artifact, self.error, self._asked = artifact, None, asyncio.Queue()
        # At once, and not when the worker begins: whoever asks next must not open it again.
        self._set("opening")
        begin(self._app, partial(self._hold, artifact), name=self.group, group=self.group)

    def close(self) -> None:
        """Unload: end the engine's process, which is the only way to get its memory back."""
        self._app.workers.cancel_group(self._app, self.group)

    def send(self, text: str) -> "asyncio.Future[None]":
        """Add a user turn and ask for its answer; the future is done when there is one, or never will be."""
        self.turns.append(Turn("user", text))
        return self.ask()

    def regenerate(self) -> None:
        """Ask for the newest answer once more."""
        while self.turns and self.turns[-1].role != "user":
            self.turns.pop()
        if self.turns:
            self.ask()

    def take_back(self) -> str:
        """Remove the newest question and its answer; the question is returned, to be edited."""
        while self.turns:
            turn = self.turns.pop()
            if turn.role == "user":
                self.changed.publish("turn")
                return turn.text
        return ""

    def clear(self) -> None:
        """Forget all turns; the engine stays."""
        self.turns.clear()
        self.changed.publish("turn")

    async def stop(self) -> None:
        """Stop the answer that is being made; what there is of it stays."""
        if self._engine is not None and self.status == "answering":
            await self._engine.cancel()

    async def render(self) -> dict[str, Any]:
        """The prompt as the engine renders it, with its tokens.

        Raises:
            FirstlightError: the engine refused, or is gone.
        """
        rendered: dict[str, Any] = await self._engine.render(self.messages())
        return rendered

    def messages(self, without: int = 0) -> list[dict[str, str]]:
        """The conversation as the engine is asked, the oldest `without` turns left out."""
        said = [{"role": turn.role, "content": turn.text} for turn in self.turns if turn.text]
        system = [{"role": "system", "content": self.system}] if self.system else []
        return system + said[without:]

    def ask(self) -> "asyncio.Future[None]":
        """Ask for an answer to the turns as they stand."""
        turn, answered = Turn("assistant", ""), asyncio.get_running_loop().create_future()
        if self.status in ("closed", "failed") and self.artifact is not None:
            if self._too_many_deaths():
                self.error = JobDied(
                    "The engine died three times within a minute.",
                    hint="Convert again, or choose another artifact; your conversation is kept.",
                )
                answered.set_result(None)
                self.changed.publish("status")
                return answered
            self.open(self.artifact)
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

    async def _hold(self, artifact: str) -> None:
        """Load, then answer one question after another, until cancelled."""
        asked = self._asked
        answered: asyncio.Future[None] | None = None
        try:
            async with self._app.services.open_engine(Path(artifact)) as engine:
                self._engine, self.loaded = engine, dict(engine.loaded)
                self._set("ready")
                while True:
                    turn, answered = await asked.get()
                    await self._answer(turn)
                    answered.set_result(None)
        except FirstlightError as error:
            self.error = error
            if isinstance(error, JobDied):
                self._deaths.append(self._clock())
            self._set("failed")
        finally:
            self._engine = None
            self._give_up(answered, asked)
            if self.status != "failed":
                self._set("closed")

    def _give_up(
        self,
        answered: "asyncio.Future[None] | None",
        asked: "asyncio.Queue[tuple[Turn, asyncio.Future[None]]]",
    ) -> None:
        """Nobody waits for an answer that will not come; an empty one is taken off the screen."""
        if answered is not None and not answered.done():
            answered.set_result(None)
        while not asked.empty():
            asked.get_nowait()[1].set_result(None)
        self.turns[:] = [turn for turn in self.turns if turn.text or turn.role == "user"]

    async def _answer(self, turn: Turn) -> None:
        if turn not in self.turns:
            return
        self.note = ""
        self._set("answering")
        try:
            self.dropped = await self._too_much()
            messages = self.messages(without=self.dropped)
            async for event in self._engine.chat(messages, **self.drawing.options()):
                match event:
                    case Token(text=text, id=number):
                        turn.text += text
                        turn.pieces.append(text)
                        turn.ids.append(number)
                    case Progress(done=done, total=total):
                        self.note = f"reading the prompt, {done} of {total} tokens"
                    case Reply(result=result):
                        turn.text = str(result.get("text", turn.text))
                        turn.stats = dict(result.get("stats", {}))
                        turn.finish_reason = str(result.get("finish_reason", ""))
                        self.error = None
        except JobDied:
            raise
        except FirstlightError as error:
            # The request was refused; the engine lives on and the question stays in the history.
            self.error = error
            if not turn.text and turn in self.turns:
                self.turns.remove(turn)
        self._set("ready")

    async def _too_much(self) -> int:
        """How many of the oldest turns must be left out so that the prompt and a short answer fit."""
        said = sum(len(turn.text) for turn in self.turns)
        if not self.limit or self.used + said // CHARACTERS_A_TOKEN < self.limit:
            return 0
        room = self.limit - min(self.drawing.max_tokens, self.limit // 4)
        without = 0
        while len(self.messages(without)) > 1 + bool(self.system):
            rendered = await self._engine.render(self.messages(without))
            if int(rendered.get("prompt_tokens", 0)) <= room:
                break
            without += 2
        return min(without, len([turn for turn in self.turns if turn.text]) - 1)
