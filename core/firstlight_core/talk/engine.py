"""Talks to an artifact in a process of its own: load once, ask often, survive whatever happens to it."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from firstlight_core.errors import JobDied, OutOfMemory, UsageError
from firstlight_core.events import Event, Reply
from firstlight_core.monitor import available_memory
from firstlight_core.runner import OpenJob, open_job
from firstlight_core.talk.answering import Answering
from firstlight_core.talk.artifacts import Artifact, check_artifact
from firstlight_core.talk.sampling import (
    Message,
    Sampling,
    check_messages,
)
from firstlight_core.talk.stillness import Patience, watch
from firstlight_core.text import bytes_text

DEFAULT_CONTEXT = 2048
"""Tokens; the course's `max_length`. The KV cache for all of them is allocated up front."""


class Engine(Answering):
    """A loaded artifact. One question at a time."""

    NAME = "engine"
    FORMS = True

    def __init__(
        self, artifact: Artifact, job: OpenJob, loaded: dict[str, Any], patience: Patience
    ) -> None:
        self.artifact = artifact
        self.loaded = loaded
        """load_s (seconds), context_length, max_length (tokens), rss_bytes {baseline, loaded, peak}, stop_ids."""
        self._job = job
        self._patience = patience

    @property
    def log_path(self) -> Path | None:
        """Where the engine's output goes."""
        return self._job.log_path

    def _ask(
        self,
        messages: Sequence[Message],
        max_tokens: int,
        sampling: Sampling,
        form: Mapping[str, str] | None,
    ) -> AsyncIterator[Event]:
        asked = self._job.ask(
            "chat",
            messages=list(messages),
            max_tokens=max_tokens,
            search=sampling.search(self.artifact.search),
            guidance=form,
        )
        return watch(asked, self._job, self._patience, template=True)

    async def render(self, messages: Sequence[Message]) -> dict[str, Any]:
        return await self.request("render", template=True, messages=check_messages(messages))

    async def alternatives(
        self, messages: Sequence[Message], tokens: Sequence[int], *, count: int = 5
    ) -> list[dict[str, Any]]:
        """Probabilities before sampling settings, likeliest first."""
        found = await self.request(
            "alternatives",
            template=True,
            messages=check_messages(messages),
            tokens=list(tokens),
            count=max(1, min(count, 100)),
        )
        return list(found["alternatives"])

    async def request(self, op: str, *, template: bool = False, **values: Any) -> dict[str, Any]:
        """One operation of the engine job, watched; `template` limits the time of its first event.

        Raises:
            JobDied: the engine died, or hung and was ended.
        """
        asked = self._job.ask(op, **values)
        async with contextlib.aclosing(
            watch(asked, self._job, self._patience, template=template)
        ) as events:  # type: ignore[type-var]
            async for event in events:
                if isinstance(event, Reply):
                    return event.result
        raise JobDied("The engine gave no answer.")


@asynccontextmanager
async def open_engine(
    artifact: Path,
    *,
    max_length: int | None = None,
    threads: int | None = None,
    on_event: Callable[[Event], None] | None = None,
    started: Callable[[int], None] | None = None,
    patience: Patience | None = None,
) -> AsyncIterator[Engine]:
    """Load an artifact in a new process; leaving the block ends it and gives its memory back.

    Args:
        max_length: tokens of context, prompt and answer together; by default the artifact's own, at most 2048.
        threads: intra-op threads; by default onnxruntime's choice.
        patience: how long a silent engine is waited for.

    Raises:
        InputRefused: the folder may not or cannot be opened.
        OutOfMemory: it cannot fit into the memory that is available.
        JobDied: the engine died while loading.
    """
    patience = patience or Patience()
    checked = check_artifact(artifact)
    length = _context(checked, max_length)
    check_memory(checked, length)
    async with open_job("engine", {}) as job:
        if started is not None:
            started(job.pid)
        asked = job.ask(
            "load",
            folder=str(checked.folder.absolute()),
            context_length=checked.context_length,
            vocab_size=checked.vocab_size,
            max_length=length,
            threads=threads,
        )
        loaded: dict[str, Any] = {}
        async with contextlib.aclosing(watch(asked, job, patience)) as events:  # type: ignore[type-var]
            async for event in events:
                if isinstance(event, Reply):
                    loaded = event.result
                elif on_event is not None:
                    on_event(event)
        yield Engine(checked, job, loaded, patience)


def _context(artifact: Artifact, wanted: int | None) -> int:
    if wanted is None:
        return min(artifact.context_length, DEFAULT_CONTEXT)
    if not 2 <= wanted <= artifact.context_length:
        raise UsageError(
            f"A context of {wanted} tokens is not possible with this model.",
            hint=f"Choose between 2 and {artifact.context_length}.",
        )
    return wanted


def check_memory(
    artifact: Artifact, max_length: int, *, available: Callable[[], int] = available_memory
) -> None:
    """Refuse what cannot fit: weights and KV cache are the least that loading takes.

    Raises:
        OutOfMemory: available memory is less than that.
    """
    least = artifact.bytes + artifact.kv_bytes_per_token * max_length
    if least > (left := available()):
        raise OutOfMemory(
            f"This artifact needs at least {bytes_text(least)} of memory; {bytes_text(left)} is available.",
            hint="Close other programs, or choose a smaller precision or a shorter context.",
        )
