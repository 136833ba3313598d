"""What an engine and an endpoint have in common: a streamed chat, the whole answer of it, and a way to stop it."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

from firstlight_core.errors import JobDied
from firstlight_core.events import Event, Reply
from firstlight_core.runner import OpenJob
from firstlight_core.talk.sampling import Message


class Answering(ABC):
    """Whatever answers messages through an open job. One question at a time."""

    NAME: ClassVar[str]
    """What is blamed when no answer comes."""

    _job: OpenJob

    @abstractmethod
    def chat(self, messages: Sequence[Message]) -> AsyncIterator[Event]:
        """Stream an answer; the last event is a `Reply` with the chat document. Settings as each kind has them."""

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
