"""Talks to an artifact in a process of its own: load once, ask often, survive whatever happens to it."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from firstlight_core.artifact.artifact import Artifact, check_artifact
from firstlight_core.errors import JobDied
from firstlight_core.inference.backend import ChatBackend
from firstlight_core.inference.context import choose_context
from firstlight_core.inference.sampling import (
    Message,
    Sampling,
    check_messages,
)
from firstlight_core.inference.watchdog import Timeouts, watch
from firstlight_core.process.events import Event, Reply
from firstlight_core.process.runner import OpenJob, open_job


class Engine(ChatBackend):
    """A loaded artifact. One question at a time."""

    NAME = "engine"
    FORMS = True

    def __init__(
        self, artifact: Artifact, job: OpenJob, loaded: dict[str, Any], patience: Timeouts
    ) -> None:
        self.artifact = artifact
        self.loaded = loaded
        """load_s (seconds), context_length, max_length (tokens), context (why so long, in words), kv_bytes_per_token,
        kv_bytes, rss_bytes {baseline, loaded, peak}, stop_ids."""
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
        stream = self._job.ask(
            "chat",
            messages=list(messages),
            max_tokens=max_tokens,
            search=sampling.search(self.artifact.search),
            guidance=form,
        )
        return watch(stream, self._job, self._patience, template=True)

    async def render(self, messages: Sequence[Message]) -> dict[str, Any]:
        return await self.request("render", template=True, messages=check_messages(messages))

    async def control_tokens(self) -> dict[str, list[str]]:
        """`tokens`: the artifact's control tokens; `faults`: those of them that no answer may hold as text."""
        reply = await self.request("control_tokens", template=True)
        return {key: list(reply[key]) for key in ("tokens", "faults")}

    async def alternatives(
        self, messages: Sequence[Message], tokens: Sequence[int], *, count: int = 5
    ) -> list[dict[str, Any]]:
        """Probabilities before sampling settings, likeliest first."""
        reply = await self.request(
            "alternatives",
            template=True,
            messages=check_messages(messages),
            tokens=list(tokens),
            count=max(1, min(count, 100)),
        )
        return list(reply["alternatives"])

    async def check_form(
        self, *, json_schema: Mapping[str, Any] | None = None, regex: str | None = None
    ) -> None:
        if (form := self._form(json_schema, regex)) is not None:
            await self.request("form", guidance=form)

    async def request(self, op: str, *, template: bool = False, **values: Any) -> dict[str, Any]:
        """One operation of the engine job, watched; `template` limits the time of its first event.

        Raises:
            JobDied: the engine died, or hung and was ended.
        """
        stream = self._job.ask(op, **values)
        async with contextlib.aclosing(
            watch(stream, self._job, self._patience, template=template)
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
    session: Mapping[str, Any] | None = None,
    variables: Mapping[str, Any] | None = None,
    on_event: Callable[[Event], None] | None = None,
    started: Callable[[int], None] | None = None,
    patience: Timeouts | None = None,
) -> AsyncIterator[Engine]:
    """Load an artifact in a new process; leaving the block ends it and gives its memory back.

    Args:
        max_length: tokens of context, prompt and answer together; by default the artifact's own, at most 2048
            and at most what memory affords (`talk.context`).
        session: onnxruntime session options laid over the artifact's, exactly these; by default what suits this
            machine (`talk.session_options`).
        variables: of the chat template, for every conversation: `enable_thinking`, for example.
        patience: how long a silent engine is waited for.

    Raises:
        InputRefused: the folder may not or cannot be opened.
        OutOfMemory: it cannot fit into the memory that is available.
        JobDied: the engine died while loading.
    """
    patience = patience or Timeouts()
    checked = check_artifact(artifact)
    context = choose_context(checked, max_length)
    async with open_job("engine", {}) as job:
        if started is not None:
            started(job.pid)
        stream = job.ask(
            "load",
            folder=str(checked.folder.absolute()),
            context_length=checked.context_length,
            vocab_size=checked.vocab_size,
            max_length=context.length,
            session=None if session is None else dict(session),
            variables=dict(variables or {}),
        )
        loaded: dict[str, Any] = {}
        async with contextlib.aclosing(watch(stream, job, patience)) as events:  # type: ignore[type-var]
            async for event in events:
                if isinstance(event, Reply):
                    loaded = event.result
                elif on_event is not None:
                    on_event(event)
        loaded |= {
            "kv_bytes_per_token": context.kv_bytes_per_token,
            "kv_bytes": context.kv_bytes,
            "context": context.sentence,
        }
        yield Engine(checked, job, loaded, patience)


async def ask_in_turn(
    artifact: Path, prompts: Sequence[str], *, system: str, max_tokens: int
) -> list[dict[str, Any]]:
    """Ask one question after another in one conversation, greedily; return the chat document of each with its `prompt`."""
    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    turns = []
    async with open_engine(artifact) as engine:
        for prompt in prompts:
            messages.append({"role": "user", "content": prompt})
            answer = await engine.answer(messages, max_tokens=max_tokens, greedy=True)
            messages.append({"role": "assistant", "content": str(answer["text"])})
            turns.append({"prompt": prompt, **answer})
    return turns
