"""Talks to an artifact in a process of its own: load once, ask often, survive whatever happens to it.

The engine cannot send a heartbeat, because onnxruntime-genai holds the GIL while it computes. So a silent
engine is judged by what the system says of it: suspended, or not using the processor at all.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from firstlight_core.artifacts import Artifact, check_artifact
from firstlight_core.errors import InputRefused, JobDied, OutOfMemory, TemplateRefused, UsageError
from firstlight_core.events import Event, Progress, Reply, Token, Tokens
from firstlight_core.monitor import available_memory
from firstlight_core.runner import OpenJob, open_job
from firstlight_core.text import bytes_text, visible

DEFAULT_CONTEXT = 2048
"""Tokens; the course's `max_length`. The KV cache for all of them is allocated up front."""
DEFAULT_MAX_TOKENS = 512
LOOK_SECONDS = 0.5
"""How often a silent engine is looked at."""
SUSPENDED_SECONDS = 3.0
"""Silence of a suspended engine (SIGSTOP) that is taken for its end."""
IDLE_SECONDS = 15.0
"""Silence without any processor time that is taken for its end."""
TEMPLATE_SECONDS = 10.0
"""How long a chat template may take before the first token is processed."""

Message = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the next token is chosen; None leaves what the artifact's `genai_config.json` says."""

    greedy: bool = False
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    seed: int | None = None

    def search(self, defaults: Mapping[str, Any]) -> dict[str, Any]:
        """Search options for onnxruntime-genai.

        Raises:
            UsageError: a value is out of its range (genai itself accepts a negative temperature).
        """
        self._check()
        named = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "repetition_penalty": self.repetition_penalty,
            "random_seed": self.seed,
        }
        search = {name: value for name, value in named.items() if value is not None}
        asks_for_sampling = any(
            value is not None for value in (self.temperature, self.top_p, self.top_k, self.seed)
        )
        if self.greedy or self.temperature == 0:
            kept = {k: v for k, v in search.items() if k == "repetition_penalty"}
            return {**kept, "do_sample": False}
        return {**search, "do_sample": bool(asks_for_sampling or defaults.get("do_sample", False))}

    def _check(self) -> None:
        for name, value, low, high in (
            ("temperature", self.temperature, 0.0, 10.0),
            ("top_p", self.top_p, 1e-6, 1.0),
            ("top_k", self.top_k, 1, 100_000),
            ("repetition_penalty", self.repetition_penalty, 0.1, 10.0),
            ("seed", self.seed, 0, 2**31 - 1),
        ):
            if value is not None and not low <= value <= high:
                raise UsageError(
                    f"The {name} {value!r} is out of range.",
                    hint=f"It must lie between {low} and {high}.",
                )


class Engine:
    """A loaded artifact. One question at a time."""

    def __init__(self, artifact: Artifact, job: OpenJob, loaded: dict[str, Any]) -> None:
        self.artifact = artifact
        self.loaded = loaded
        """load_s (seconds), context_length, max_length (tokens), rss_bytes {baseline, loaded, peak}, stop_ids."""
        self._job = job

    @property
    def pid(self) -> int:
        """Process id of the engine."""
        return self._job.pid

    @property
    def alive(self) -> bool:
        """Whether its process still runs."""
        return self._job.alive

    @property
    def log_path(self) -> Path | None:
        """Where the engine's output goes."""
        return self._job.log_path

    async def chat(
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
        """Stream an answer: `Progress` of the prefill, `Token`s, last a `Reply` with the chat document.

        The document: text, tokens (ids without the stop token), finish_reason (stop, length or cancelled), stats
        {prompt_tokens, reused_tokens, new_tokens, ttft_s, prefill_tps, decode_tps, context_used, context_limit}.

        Raises:
            UsageError: a setting is out of range, or a message has no role and content.
            InputRefused: the prompt holds a NUL or does not fit in the context.
            TemplateRefused: the artifact has no usable chat template.
            JobDied: the engine died, or hung and was ended.
        """
        sampling = Sampling(
            greedy=greedy,
            temperature=temperature,
            top_p=top_p,
            top_k=top_k,
            repetition_penalty=repetition_penalty,
            seed=seed,
        )
        if max_tokens < 1:
            raise UsageError(
                "An answer needs at least one token.", hint="Set max-tokens to 1 or more."
            )
        asked = self._job.ask(
            "chat",
            messages=check_messages(messages),
            max_tokens=max_tokens,
            search=sampling.search(self.artifact.search),
        )
        async with contextlib.aclosing(_watch(asked, self._job, template=True)) as events:  # type: ignore[type-var]
            async for event in events:
                if isinstance(event, Tokens):
                    for number, (text, token) in enumerate(
                        zip(event.texts, event.ids, strict=True)
                    ):
                        yield Token(visible(text), token, event.index + number)
                else:
                    yield event

    async def answer(self, messages: Sequence[Message], **settings: Any) -> dict[str, Any]:
        """The chat document of one answer, without the stream; settings and errors as for `chat`."""
        async with contextlib.aclosing(self.chat(messages, **settings)) as events:  # type: ignore[type-var]
            async for event in events:
                if isinstance(event, Reply):
                    return event.result
        raise JobDied("The engine gave no answer.")

    async def cancel(self) -> None:
        """Stop the running answer; its `Reply` comes with finish_reason `cancelled`."""
        await self._job.cancel()

    async def render(self, messages: Sequence[Message]) -> dict[str, Any]:
        """The prompt that a conversation becomes: text, ids, pieces (text of each token), prompt_tokens.

        Raises:
            FirstlightError: as `chat`.
        """
        return await self.request("render", template=True, messages=check_messages(messages))

    async def request(self, op: str, *, template: bool = False, **values: Any) -> dict[str, Any]:
        """One operation of the engine job, watched; `template` limits the time of its first event.

        Raises:
            JobDied: the engine died, or hung and was ended.
        """
        asked = self._job.ask(op, **values)
        async with contextlib.aclosing(_watch(asked, self._job, template=template)) as events:  # type: ignore[type-var]
            async for event in events:
                if isinstance(event, Reply):
                    return event.result
        raise JobDied("The engine gave no answer.")


def check_messages(messages: Sequence[Message]) -> list[dict[str, str]]:
    """The messages as plain objects with a role and a content.

    Raises:
        UsageError: a message is none, or there is none.
        InputRefused: a content holds a NUL or half a character.
    """
    if not messages:
        raise UsageError("There is nothing to ask.", hint="Give at least one message.")
    checked = []
    for message in messages:
        role, content = message.get("role"), message.get("content")
        if not isinstance(role, str) or not isinstance(content, str):
            raise UsageError("Every message needs a role and a content, both text.")
        check_text(content)
        checked.append({"role": role, "content": content})
    return checked


def check_text(text: str) -> None:
    """Refuse what a tokenizer would silently cut or cannot take.

    Raises:
        InputRefused: the text holds a NUL character or a lone surrogate.
    """
    if "\0" in text:
        raise InputRefused(
            "The prompt holds a NUL character.", hint="Remove it; it may come from a binary file."
        )
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputRefused(
            "The prompt holds bytes that are no UTF-8 text.", hint="Save or type it as UTF-8."
        ) from None


@asynccontextmanager
async def open_engine(
    artifact: Path,
    *,
    max_length: int | None = None,
    threads: int | None = None,
    on_event: Callable[[Event], None] | None = None,
    started: Callable[[int], None] | None = None,
) -> AsyncIterator[Engine]:
    """Load an artifact in a new process; leaving the block ends it and gives its memory back.

    Args:
        max_length: tokens of context, prompt and answer together; by default the artifact's own, at most 2048.
        threads: intra-op threads; by default onnxruntime's choice.

    Raises:
        InputRefused: the folder may not or cannot be opened.
        OutOfMemory: it cannot fit into the memory that is available.
        JobDied: the engine died while loading.
    """
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
        async with contextlib.aclosing(_watch(asked, job)) as events:  # type: ignore[type-var]
            async for event in events:
                if isinstance(event, Reply):
                    loaded = event.result
                elif on_event is not None:
                    on_event(event)
        yield Engine(checked, job, loaded)


def _context(artifact: Artifact, wanted: int | None) -> int:
    if wanted is None:
        return min(artifact.context_length, DEFAULT_CONTEXT)
    if not 2 <= wanted <= artifact.context_length:
        raise UsageError(
            f"A context of {wanted} tokens is not possible with this model.",
            hint=f"Choose between 2 and {artifact.context_length}.",
        )
    return wanted


def check_memory(artifact: Artifact, max_length: int) -> None:
    """Refuse what cannot fit: weights and KV cache are the least that loading takes.

    Raises:
        OutOfMemory: available memory is less than that.
    """
    least = artifact.bytes + artifact.kv_bytes_per_token * max_length
    if least > (available := available_memory()):
        raise OutOfMemory(
            f"This artifact needs at least {bytes_text(least)} of memory; {bytes_text(available)} is available.",
            hint="Close other programs, or choose a smaller precision or a shorter context.",
        )


async def _watch(
    events: AsyncIterator[Event], job: OpenJob, *, template: bool = False
) -> AsyncIterator[Event]:
    """Hand on a request's events; end an engine that is silent for a reason that will not pass."""
    began = time.monotonic()
    pending: asyncio.Future[Event] | None = None
    stillness = _Stillness(job.pid)
    try:
        while True:
            pending = asyncio.ensure_future(anext(events))
            while not (await asyncio.wait({pending}, timeout=LOOK_SECONDS))[0]:
                if template and time.monotonic() - began > TEMPLATE_SECONDS:
                    kill_group(job.pid)
                    raise TemplateRefused(
                        f"The chat template did not finish within {TEMPLATE_SECONDS:.0f} s, so the engine was ended.",
                        hint="Set another template: firstlight template ARTIFACT --set FILE",
                    )
                if (why := stillness.look()) is not None:
                    kill_group(job.pid)
                    raise JobDied(
                        f"The engine {why}, so it was ended.",
                        hint="Load the artifact again; the conversation is kept.",
                    )
            try:
                event = pending.result()
            except StopAsyncIteration:
                return
            stillness.heard()
            if isinstance(event, (Progress, Tokens, Reply)):
                template = False
            yield event
    finally:
        if pending is not None and not pending.done():
            pending.cancel()
            await asyncio.gather(pending, return_exceptions=True)
        await events.aclose()  # type: ignore[attr-defined]


class _Stillness:
    """Whether a silent process has stopped for good: suspended, or without any processor time."""

    def __init__(self, pid: int) -> None:
        self._process: psutil.Process | None = None
        with contextlib.suppress(psutil.Error):
            self._process = psutil.Process(pid)
        self._spent = -1.0
        self._since = time.monotonic()
        self._suspended_since: float | None = None

    def heard(self) -> None:
        """An event came."""
        self._since = time.monotonic()
        self._suspended_since = None

    def look(self) -> str | None:
        """Why the process will not answer any more; None while it may."""
        if self._process is None:
            return None
        try:
            status = self._process.status()
            times = self._process.cpu_times()
        except psutil.Error:
            # It is gone: the channel says so better.
            return None
        now = time.monotonic()
        if status != psutil.STATUS_STOPPED:
            self._suspended_since = None
        elif self._suspended_since is None:
            self._suspended_since = now
        elif now - self._suspended_since >= SUSPENDED_SECONDS:
            return f"has been suspended for {SUSPENDED_SECONDS:.0f} s"
        spent = times.user + times.system
        if spent > self._spent or status == psutil.STATUS_DISK_SLEEP:
            self._spent, self._since = spent, now
        elif now - self._since >= IDLE_SECONDS:
            return f"has done nothing for {IDLE_SECONDS:.0f} s"
        return None


def kill_group(pid: int) -> None:
    """End a child's whole process group at once, a suspended one too."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(pid, signal.SIGKILL)
        else:
            psutil.Process(pid).kill()
