"""Ends an engine that will not answer any more.

An engine cannot send a heartbeat, because onnxruntime-genai holds the GIL while it computes. So a silent one is
judged by what the system says of it: suspended, or not using the processor at all.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import psutil

from firstlight_core.errors import JobDied, TemplateRefused
from firstlight_core.process.events import Event, Progress, Reply, Tokens
from firstlight_core.process.runner import OpenJob
from firstlight_core.process.tree import KILL, process_trees


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long what may last, in seconds."""

    look: float = 0.5
    """Between two looks at a silent engine."""
    suspended: float = 3.0
    """Silence of a suspended engine (SIGSTOP) that is taken for its end."""
    idle: float = 15.0
    """Silence without any processor time that is taken for its end."""
    template: float = 10.0
    """Seconds until the first event after a request that renders a chat template."""


async def watch(
    events: AsyncIterator[Event], job: OpenJob, timeouts: Timeouts, *, template: bool = False
) -> AsyncIterator[Event]:
    """Hand on a request's events; end an engine that is silent for a reason that will not pass.

    Raises:
        TemplateRefused: with `template`, the template did not come to an end.
        JobDied: the engine hung, and was ended.
    """
    began = time.monotonic()
    pending: asyncio.Future[Event] | None = None
    watchdog = Watchdog(job.pid, timeouts)
    try:
        while True:
            pending = asyncio.ensure_future(anext(events))
            while not (await asyncio.wait({pending}, timeout=timeouts.look))[0]:
                if template and time.monotonic() - began > timeouts.template:
                    kill_group(job.pid)
                    raise TemplateRefused(
                        f"The chat template did not finish within {timeouts.template:.0f} s, so the engine was ended.",
                        hint="Give it another one: firstlight template ARTIFACT --template FILE",
                    )
                if (why := watchdog.look()) is not None:
                    kill_group(job.pid)
                    raise JobDied(
                        f"The engine {why}, so it was ended.",
                        hint="Load the artifact again; the conversation is kept.",
                    )
            try:
                event = pending.result()
            except StopAsyncIteration:
                return
            watchdog.note_event()
            if isinstance(event, (Progress, Tokens, Reply)):
                template = False
            yield event
    finally:
        if pending is not None and not pending.done():
            pending.cancel()
            await asyncio.gather(pending, return_exceptions=True)
        await events.aclose()  # type: ignore[attr-defined]


class Watchdog:
    """Whether a silent process has stopped for good: suspended, or without any processor time."""

    def __init__(self, pid: int, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._process: psutil.Process | None = None
        with contextlib.suppress(psutil.Error):
            self._process = psutil.Process(pid)
        self._spent = -1.0
        self._since = time.monotonic()
        self._suspended_since: float | None = None

    def note_event(self) -> None:
        """An event came."""
        self._since = time.monotonic()
        self._suspended_since = None

    def look(self) -> str | None:
        """Return why the process will not answer any more; None while it may."""
        if self._process is None:
            return None
        try:
            status = self._process.status()
            times = self._process.cpu_times()
        except psutil.Error:
            # The process has ended: the channel reports that better.
            return None
        now = time.monotonic()
        if status != psutil.STATUS_STOPPED:
            self._suspended_since = None
        elif self._suspended_since is None:
            self._suspended_since = now
        elif now - self._suspended_since >= self._timeouts.suspended:
            return f"has been suspended for {self._timeouts.suspended:.0f} s"
        spent = times.user + times.system
        if spent > self._spent or status == psutil.STATUS_DISK_SLEEP:
            self._spent, self._since = spent, now
        elif now - self._since >= self._timeouts.idle:
            return f"has done nothing for {self._timeouts.idle:.0f} s"
        return None


def kill_group(pid: int) -> None:
    """End a child's whole process group at once, a suspended one too."""
    process_trees().signal(pid, KILL)
