"""What an engine and an endpoint have in common: a streamed chat, the whole answer of it, and a way to stop it."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

from firstlight_core.errors import JobDied
from firstlight_core.events import Event, Reply
from firstlight_core.runner import OpenJob
from firstlight_core.talk.sampling import Message

DEFAULT_MAX_TOKENS = 512


class Answering(ABC):
    """Whatever answers messages through an open job. One question at a time."""

    NAME: ClassVar[str]
    """What is blamed when no answer comes."""

    loaded: dict[str, Any]
    """What opening it found out: `load_s` (seconds) always, the rest as each kind has it."""
    _job: OpenJob

    @property
    def pid(self) -> int:
        """Process id of the job: the engine itself, or what speaks to the server."""
        return self._job.pid

    @property
    def alive(self) -> bool:
        """Whether that process still runs."""
        return self._job.alive

    @abstractmethod
    def chat(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int = DEFAULT_MAX_TOKENS,
        greedy: bool = False,
        temperature: float | None = None,
        top_p: float | None = None,
        top_k: int | None = None,
        repetition_penalty: float | None = None,
        seed: int | None = None,
    ) -> AsyncIterator[Event]:
        """Stream an answer; the last event is a `Reply` with the chat document. An engine has more settings."""

    async def answer(self, messages: Sequence[Message], **settings: Any) -> dict[str, Any]:
        """The chat document of one answer, without the stream; settings and errors as for `chat`."""
        async with contextlib.aclosing(self.chat(messages, **settings)) as events:  # type: ignore[type-var]
            async for event in events:
                if isinstance(event, Reply):
                    return event.result
        raise JobDied(f"The {self.NAME} gave no answer.")

    async def cancel(self) -> None:
        """Stop the running answer; its `Reply` comes with finish_reason `cancelled`."""
        await self._job.cancel()
