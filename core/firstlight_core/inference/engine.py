"""Runs an artifact in its own process: load once, ask often, survive a crash."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

from firstlight_core.artifact.artifact import Artifact, check_artifact
from firstlight_core.documents import jobs_engine
from firstlight_core.documents.inference import (
    Alternative,
    ControlTokenNames,
    Guidance,
    LoadedModel,
    PromptedAnswer,
    RenderedPrompt,
)
from firstlight_core.documents.jobs_engine import SessionOptions, TemplateVariables
from firstlight_core.documents.messages import Message
from firstlight_core.files import JsonValue
from firstlight_core.inference.backend import ChatBackend
from firstlight_core.inference.context import choose_context
from firstlight_core.inference.sampling import JsonSchema, Sampling, check_messages
from firstlight_core.inference.watchdog import Timeouts, watch
from firstlight_core.process.events import Event
from firstlight_core.process.operations import Call, Empty, ReplyT
from firstlight_core.process.runner import OpenJob, open_job, reply_of


class Engine(ChatBackend):
    """A loaded artifact. One question at a time."""

    NAME = "engine"
    FORMS = True

    def __init__(
        self, artifact: Artifact, job: OpenJob, loaded: LoadedModel, timeouts: Timeouts
    ) -> None:
        self.artifact = artifact
        self.loaded = loaded
        self._job = job
        self._timeouts = timeouts

    @property
    def log_path(self) -> Path | None:
        """Where the engine's output goes."""
        return self._job.log_path

    def _ask(
        self,
        messages: list[Message],
        max_tokens: int,
        sampling: Sampling,
        form: Guidance | None,
    ) -> AsyncIterator[Event]:
        events = self._job.stream(
            jobs_engine.CHAT(
                {
                    "messages": messages,
                    "max_tokens": max_tokens,
                    "search": sampling.search(self.artifact.search),
                    "guidance": form,
                }
            )
        )
        return watch(events, self._job, self._timeouts, template=True)

    async def render(self, messages: Sequence[Message]) -> RenderedPrompt:
        return await self.call(
            jobs_engine.RENDER({"messages": check_messages(messages)}), template=True
        )

    async def control_tokens(self) -> ControlTokenNames:
        """Return the artifact's control tokens."""
        return await self.call(jobs_engine.CONTROL_TOKENS({}), template=True)

    async def alternatives(
        self, messages: Sequence[Message], tokens: Sequence[int], *, count: int = 5
    ) -> list[Alternative]:
        reply = await self.call(
            jobs_engine.ALTERNATIVES(
                {
                    "messages": check_messages(messages),
                    "tokens": list(tokens),
                    "count": max(1, min(count, 100)),
                }
            ),
            template=True,
        )
        return reply["alternatives"]

    async def check_form(
        self, *, json_schema: JsonSchema | None = None, regex: str | None = None
    ) -> None:
        if (form := self._form(json_schema, regex)) is not None:
            await self.call(jobs_engine.FORM({"guidance": form}))

    async def call(self, call: Call[ReplyT], *, template: bool = False) -> ReplyT:
        """Return the reply to one call of the engine job; `template` limits the time until its first event.

        Raises:
            JobDied: the engine died, or hung and was ended.
        """
        events = self._job.stream(call)
        return await reply_of(watch(events, self._job, self._timeouts, template=template), call)


@asynccontextmanager
async def open_engine(
    artifact: Path,
    *,
    max_length: int | None = None,
    session: Mapping[str, str | int] | None = None,
    variables: Mapping[str, JsonValue] | None = None,
    on_event: Callable[[Event], None] | None = None,
    started: Callable[[int], None] | None = None,
    timeouts: Timeouts | None = None,
) -> AsyncIterator[Engine]:
    """Load an artifact in a new process; leaving the block ends it and gives its memory back.

    Args:
        max_length: tokens of context, prompt and answer together; by default the artifact's own, at most 2048
            and at most what memory affords (`inference.context`).
        session: onnxruntime session options laid over the artifact's, exactly these; by default what suits this
            machine (`inference.session_options`).
        variables: of the chat template, for every conversation: `enable_thinking`, for example.
        timeouts: how long a silent engine is waited for.

    Raises:
        InputRefused: the folder may not or cannot be opened.
        OutOfMemory: it cannot fit into the memory that is available.
        JobDied: the engine died while loading.
    """
    timeouts = timeouts or Timeouts()
    checked = check_artifact(artifact)
    context = choose_context(checked, max_length)
    async with open_job(jobs_engine.ENGINE, Empty()) as job:
        if started is not None:
            started(job.pid)
        own_session: SessionOptions | None = None if session is None else dict(session)
        own_variables: TemplateVariables = dict(variables or {})
        call = jobs_engine.LOAD(
            {
                "folder": str(checked.folder.absolute()),
                "context_length": checked.context_length,
                "vocab_size": checked.vocab_size,
                "max_length": context.length,
                "session": own_session,
                "variables": own_variables,
            }
        )
        reply = await reply_of(watch(job.stream(call), job, timeouts), call, on_event=on_event)
        memory = {
            "kv_bytes_per_token": context.kv_bytes_per_token,
            "kv_bytes": context.kv_bytes,
            "context": context.sentence,
        }
        loaded = cast(LoadedModel, {**reply, **memory})
        yield Engine(checked, job, loaded, timeouts)


async def ask_in_turn(
    artifact: Path, prompts: Sequence[str], *, system: str, max_tokens: int
) -> list[PromptedAnswer]:
    """Ask one question after another in one conversation, greedily; return each question with its answer."""
    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    turns: list[PromptedAnswer] = []
    async with open_engine(artifact) as engine:
        for prompt in prompts:
            messages.append({"role": "user", "content": prompt})
            answer = await engine.answer(messages, max_tokens=max_tokens, greedy=True)
            messages.append({"role": "assistant", "content": answer["text"]})
            turns.append({"prompt": prompt, **answer})
    return turns
