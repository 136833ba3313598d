"""The test conversation: turns, the engine that answers them, and what each answer cost.

Owned by the app, so that it survives a walk to another step; the chat step only paints it.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.signal import Signal

from firstlight_core.errors import FirstlightError, JobDied
from firstlight_core.events import Progress, Reply, Token
from firstlight_core.text import visible

if TYPE_CHECKING:
    from firstlight_tui.app import WizardApp

DEATHS_ALLOWED = 3
DEATH_WINDOW_SECONDS = 60.0


@dataclass(slots=True)
class Turn:
    """One message: who said it, what, and for an answer its figures (measured in the engine)."""

    role: str
    text: str
    stats: dict[str, Any] = field(default_factory=dict)
    finish_reason: str = ""
    rating: int = 0


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next answers are drawn; `temperature` 0 is greedy."""

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 0.9
    seed: int | None = None


class Conversation:
    """Turns and their engine."""

    def __init__(self, app: "WizardApp", clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._clock = clock
        self.changed: Signal[str] = Signal(app, "conversation")
        """Published with what changed: status, turn, token."""
        self.turns: list[Turn] = []
        self.system = ""
        self.sampling = Sampling()
        self.status = "closed"
        """closed, opening, ready, answering or failed."""
        self.artifact: str | None = None
        self.loaded: dict[str, Any] = {}
        self.error: FirstlightError | None = None
        self.note = ""
        self._engine: Any = None
        self._asked: asyncio.Queue[int] = asyncio.Queue()
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

    def open(self, artifact: str) -> None:
        """Load an artifact; a conversation with another one ends."""
        if artifact != self.artifact:
            self.turns.clear()
            self._deaths.clear()
        elif self.status in ("opening", "ready", "answering"):
            return
        self.artifact, self.error, self._asked = artifact, None, asyncio.Queue()
        self._app.run_worker(self._hold(artifact), name="engine", group="engine", exclusive=True)

    def close(self) -> None:
        """Unload: end the engine's process, which is the only way to get its memory back."""
        self._app.workers.cancel_group(self._app, "engine")

    def send(self, text: str) -> None:
        """Add a user turn and ask for its answer."""
        self.turns.append(Turn("user", text))
        self._ask()

    def regenerate(self) -> None:
        """Ask for the newest answer once more."""
        while self.turns and self.turns[-1].role != "user":
            self.turns.pop()
        if self.turns:
            self._ask()

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

    def messages(self) -> list[dict[str, str]]:
        """The conversation as the engine is asked."""
        said = [{"role": turn.role, "content": turn.text} for turn in self.turns if turn.text]
        system = [{"role": "system", "content": self.system}] if self.system else []
        return system + said

    def transcript(self) -> str:
        """The conversation as Markdown, with the figures of each answer."""
        lines = [f"# Conversation with {self.artifact}", ""]
        if self.system:
            lines += [f"**system:** {self.system}", ""]
        for turn in self.turns:
            lines += [f"**{turn.role}:** {turn.text}", ""]
            if turn.stats:
                lines += [f"<!-- measured: {json.dumps(turn.stats)} -->", ""]
        return visible("\n".join(lines))

    # The engine's task ----------------------------------------------------------------------------

    def _ask(self) -> None:
        self.turns.append(Turn("assistant", ""))
        if self.status in ("closed", "failed") and self.artifact is not None:
            if self._too_many_deaths():
                self.turns.pop()
                self.changed.publish("turn")
                return
            self.open(self.artifact)
        self._asked.put_nowait(len(self.turns) - 1)
        self.changed.publish("turn")

    def _too_many_deaths(self) -> bool:
        while self._deaths and self._clock() - self._deaths[0] > DEATH_WINDOW_SECONDS:
            self._deaths.popleft()
        return len(self._deaths) >= DEATHS_ALLOWED

    def _set(self, status: str) -> None:
        self.status = status
        self.changed.publish("status")

    async def _hold(self, artifact: str) -> None:
        """Load, then answer one question after another, until cancelled."""
        self._set("opening")
        try:
            async with self._app.services.open_engine(Path(artifact)) as engine:
                self._engine, self.loaded = engine, dict(engine.loaded)
                self._set("ready")
                while True:
                    await self._answer(await self._asked.get())
        except FirstlightError as error:
            self.error = error
            if isinstance(error, JobDied):
                self._deaths.append(self._clock())
            self._set("failed")
        finally:
            self._engine = None
            if self.status != "failed":
                self._set("closed")

    async def _answer(self, index: int) -> None:
        if index >= len(self.turns):
            return
        turn = self.turns[index]
        self.note = ""
        self._set("answering")
        try:
            async for event in self._engine.chat(self.messages(), **self._options()):
                match event:
                    case Token(text=text):
                        turn.text += text
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

    def _options(self) -> dict[str, Any]:
        drawn = self.sampling
        options: dict[str, Any] = {"max_tokens": drawn.max_tokens}
        if drawn.temperature <= 0:
            return options | {"greedy": True}
        options |= {"temperature": drawn.temperature, "top_p": drawn.top_p}
        return options | ({"seed": drawn.seed} if drawn.seed is not None else {})
