"""Runs a job in its own process and yields its events: the one async seam to a child."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from firstlight_core.errors import JobDied
from firstlight_core.process.child import Child
from firstlight_core.process.events import Event, Failed, Finished, Reply
from firstlight_core.process.operations import Call, Empty, Job, ReplyT, RequestT


async def run_job(
    job: Job[RequestT, ReplyT],
    request: RequestT,
    *,
    network: bool = False,
    cwd: Path | None = None,
    started: Callable[[int], None] | None = None,
) -> AsyncIterator[Event]:
    """Yield a job's events until it has finished; leaving the loop early ends the whole process group.

    `started` is told the process id, for whoever watches its memory. `network=True` only after an explicit yes.

    Raises:
        FirstlightError: what the job reported, rebuilt.
        JobDied: its process ended without a result.
    """
    child = await Child.start(job, cast(Mapping[str, object], request), network=network, cwd=cwd)
    if started is not None:
        started(child.process.pid)
    try:
        while True:
            _, event = await child.next()
            if isinstance(event, Failed):
                raise child.failure(event)
            yield event
            if isinstance(event, Finished):
                return
    finally:
        await child.stop()


class OpenJob:
    """An open job: load once, request often, one request at a time."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._number = 0

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._child.process.pid

    @property
    def alive(self) -> bool:
        """True if the child still runs."""
        return self._child.process.returncode is None

    @property
    def log_path(self) -> Path | None:
        """Where the child's output goes."""
        return self._child.log.path

    async def ask(self, op: str, **values: Any) -> AsyncIterator[Event]:
        """Yield the events of one request, the last of them its `Reply`; leaving early cancels it.

        Raises:
            FirstlightError: the request failed (the job lives on), or the process died.
        """
        # A reader that leaves its loop without closing it leaves its request running.
        await self.cancel()
        self._number += 1
        number = self._number
        await self._child.send({"op": op, "re": number, **values})
        done = False
        try:
            while True:
                answers, event = await self._child.next()
                # 0 is no request: the job failed before it listened to any.
                before_all = answers == 0 and isinstance(event, Failed)
                if answers not in (number, -1) and not before_all:
                    continue
                if isinstance(event, Failed):
                    done = True
                    raise self._child.failure(event)
                done = isinstance(event, Reply)
                yield event
                if done:
                    return
        except JobDied:
            done = True
            raise
        finally:
            if not done:
                await self._child.send({"op": "cancel", "re": number})

    def stream(self, call: Call[ReplyT]) -> AsyncIterator[Event]:
        """Yield the events of one call, as `ask`."""
        return self.ask(call.op, **call.values)

    async def call(
        self, call: Call[ReplyT], *, on_event: Callable[[Event], None] | None = None
    ) -> ReplyT:
        """Return the reply to one call; its other events go to `on_event`.

        Raises:
            FirstlightError: as `ask`.
        """
        return await reply_of(self.stream(call), call, on_event=on_event)

    async def request(self, op: str, **values: object) -> dict[str, Any]:
        """Ask, ignore everything but the reply, and return its result.

        Raises:
            FirstlightError: as `ask`.
        """
        async for event in self.ask(op, **values):
            if isinstance(event, Reply):
                return dict(event.result)
        raise JobDied("The process gave no reply.")

    async def cancel(self) -> None:
        """Stop the newest request; it still replies, with what it has so far."""
        await self._child.send({"op": "cancel", "re": self._number})


async def reply_of(
    events: AsyncIterator[Event],
    call: Call[ReplyT],
    *,
    on_event: Callable[[Event], None] | None = None,
) -> ReplyT:
    """Return the reply among the events of one call; the other events go to `on_event`.

    Raises:
        JobDied: there is no reply.
    """
    async with contextlib.aclosing(events) as source:  # type: ignore[type-var]
        async for event in source:
            if isinstance(event, Reply):
                return cast(ReplyT, event.result)
            if on_event is not None:
                on_event(event)
    raise JobDied(f"The process gave no reply to {call.op}.")


@asynccontextmanager
async def open_job(
    job: Job[RequestT, Empty], request: RequestT, *, network: bool = False, cwd: Path | None = None
) -> AsyncIterator[OpenJob]:
    """A long-lived job; leaving the block ends its process group."""
    child = await Child.start(job, cast(Mapping[str, object], request), network=network, cwd=cwd)
    try:
        yield OpenJob(child)
    finally:
        await child.stop()


async def job_result(
    job: Job[RequestT, ReplyT],
    request: RequestT,
    *,
    on_event: Callable[[Event], None] | None = None,
    network: bool = False,
    cwd: Path | None = None,
    started: Callable[[int], None] | None = None,
) -> ReplyT:
    """Run a job to its end and return its result; `on_event` gets every event.

    Raises:
        FirstlightError: as `run_job`.
    """
    result: Mapping[str, object] = {}
    events = run_job(job, request, network=network, cwd=cwd, started=started)
    async with contextlib.aclosing(events):  # type: ignore[type-var]
        async for event in events:
            if on_event is not None:
                on_event(event)
            if isinstance(event, Finished):
                result = event.result
    return cast(ReplyT, result)
