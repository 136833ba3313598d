"""Runs the original through transformers in its own process, as a chat backend."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from firstlight_core.artifact.artifact import Artifact
from firstlight_core.documents import jobs_original
from firstlight_core.documents.inference import Guidance, LoadedModel, SearchOptions
from firstlight_core.documents.messages import Message
from firstlight_core.errors import OutOfMemory
from firstlight_core.inference.backend import ChatBackend
from firstlight_core.inference.context import DEFAULT_CONTEXT
from firstlight_core.inference.sampling import Sampling
from firstlight_core.inference.watchdog import Timeouts, watch
from firstlight_core.model.adapter import adapter_base
from firstlight_core.model.inspection import inspect_model
from firstlight_core.monitor import available_memory
from firstlight_core.process.events import Event
from firstlight_core.process.operations import Empty
from firstlight_core.process.runner import OpenJob, open_job, reply_of
from firstlight_core.text import bytes_text

LIBRARIES_BYTES = 350 * 2**20
"""Resident memory of torch and transformers (measured with the sample: 358 MiB, 9 of them its weights)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginalPlan:
    """How the original will be loaded, and what that takes at least. Sizes in bytes."""

    source: Path
    base: Path | None
    exact: bool
    """Whether it runs in float32 instead of its stored type."""
    needed: int
    available: int

    @property
    def sentence(self) -> str:
        """Both numbers in words."""
        how = "in float32" if self.exact else "as it is stored, because float32 does not fit"
        return f"needs at least {bytes_text(self.needed)} {how}; {bytes_text(self.available)} is available"


def plan_original(source: Path, *, available: Callable[[], int] = available_memory) -> OriginalPlan:
    """Return whether the original fits into memory, and in which type.

    Raises:
        OutOfMemory: not even as it is stored; both numbers are said.
        ModelRefused: it is no usable model.
    """
    base = adapter_base(source)
    inspection = inspect_model(source, base=base)
    room = available()
    exact = 4 * inspection.parameters + LIBRARIES_BYTES
    stored = inspection.weight_bytes + LIBRARIES_BYTES
    plan = OriginalPlan(
        source=source,
        base=base,
        exact=exact <= room,
        needed=exact if exact <= room else stored,
        available=room,
    )
    if plan.needed > room:
        raise OutOfMemory(
            f"The original {plan.sentence}.",
            hint="Close other programs or other columns, or compare two precisions instead.",
        )
    return plan


class Original(ChatBackend):
    """The loaded original. One question at a time."""

    NAME = "original"

    def __init__(
        self, job: OpenJob, loaded: LoadedModel, search: Mapping[str, object], timeouts: Timeouts
    ) -> None:
        self.loaded = loaded
        self._job = job
        self._search = search
        self._timeouts = timeouts

    def _ask(
        self,
        messages: list[Message],
        max_tokens: int,
        sampling: Sampling,
        form: Guidance | None,
    ) -> AsyncIterator[Event]:
        """A seed repeats, but draws other random numbers than onnxruntime-genai does."""
        # genai reads the artifact's own settings itself; transformers needs them passed.
        own = cast(SearchOptions, {k: v for k, v in self._search.items() if k in _READ})
        search: SearchOptions = {**own, **sampling.search(self._search)}
        events = self._job.stream(
            jobs_original.CHAT({"messages": messages, "max_tokens": max_tokens, "search": search})
        )
        return watch(events, self._job, self._timeouts, template=True)


_READ = ("temperature", "top_p", "top_k", "repetition_penalty")


@asynccontextmanager
async def open_original(
    source: Path,
    *,
    like: Artifact | None = None,
    max_length: int | None = None,
    on_event: Callable[[Event], None] | None = None,
    started: Callable[[int], None] | None = None,
    timeouts: Timeouts | None = None,
) -> AsyncIterator[Original]:
    """Load the original in a process of its own; leaving the block ends it and gives its memory back.

    Args:
        like: an artifact made of it: prompts are then rendered by its template and drawn by its settings, so that
            both are asked the very same.
        max_length: tokens of context, prompt and answer together; by default 2048.

    Raises:
        OutOfMemory: it cannot fit.
        ModelRefused: the source is no usable model.
        ToolchainMissing: transformers or torch is not installed.
        JobDied: the process died while loading.
    """
    timeouts = timeouts or Timeouts()
    plan = await asyncio.to_thread(plan_original, source)
    async with open_job(jobs_original.ORIGINAL, Empty()) as job:
        if started is not None:
            started(job.pid)
        call = jobs_original.LOAD(
            {
                "source": str(plan.source.absolute()),
                "base": str(plan.base.absolute()) if plan.base is not None else None,
                "exact": plan.exact,
                "template_folder": str(like.folder.absolute()) if like is not None else None,
                "stop_ids": list(like.eos_ids) if like is not None else [],
                "max_length": max_length or DEFAULT_CONTEXT,
            }
        )
        reply = await reply_of(watch(job.stream(call), job, timeouts), call, on_event=on_event)
        loaded = cast(LoadedModel, {**reply, "memory": plan.sentence})
        yield Original(job, loaded, like.search if like is not None else {}, timeouts)
