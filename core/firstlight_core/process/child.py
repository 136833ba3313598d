"""One worker process: its channel, its log, its exit, and how to end it."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firstlight_core.cgroups import oom_kills
from firstlight_core.errors import JobDied, OutOfMemory, error_from_code
from firstlight_core.paths import find_paths
from firstlight_core.process.events import FRAME_LIMIT, Event, Failed, LogLine, decode
from firstlight_core.process.exit_codes import explain_exit
from firstlight_core.process.large_pages import with_large_pages
from firstlight_core.process.logs import LogFile, last_words
from firstlight_core.process.offline import child_environment
from firstlight_core.process.operations import Job
from firstlight_core.process.priority import beside_a_screen
from firstlight_core.process.tree import KILL, TERMINATE, process_trees
from firstlight_core.text import shown_path

TERM_SECONDS = 0.5
"""How long a cancelled child may take to leave before it is killed."""
_ENDINGS = ((TERMINATE, TERM_SECONDS), (KILL, 5.0), (KILL, 5.0), (KILL, None))
"""Signal and seconds to wait for its effect, one after another."""
LOG_BACKLOG = 2_000
"""Events that may wait before log lines are kept in the file only."""


class Child:
    """One worker process with its channel, its log and the events that wait to be read."""

    def __init__(self, job: str, process: asyncio.subprocess.Process, log: LogFile) -> None:
        self.job = job
        self.process = process
        self.log = log
        self._events: asyncio.Queue[tuple[int, Event] | JobDied | None] = asyncio.Queue()
        self._kills_before = oom_kills()
        self._readers = [
            asyncio.create_task(self._read_channel()),
            asyncio.create_task(self._read_log()),
        ]

    @classmethod
    async def start(
        cls,
        job: Job[Any, Any],
        request: Mapping[str, object],
        *,
        network: bool,
        cwd: Path | None,
    ) -> "Child":
        environment = child_environment(network=network)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "firstlight_core.jobs",
            job.name,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=with_large_pages(environment) if job.large_pages else environment,
            cwd=str(cwd) if cwd is not None else _neutral_folder(),
            **process_trees().options(same_session=beside_a_screen()),
        )
        process_trees().adopt(process.pid)
        child = cls(job.name, process, LogFile(find_paths().logs, job.name))
        await child.send(dict(request))
        return child

    async def send(self, message: Mapping[str, object]) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(ConnectionError):
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            await self.process.stdin.drain()

    async def _read_channel(self) -> None:
        assert self.process.stdout is not None
        rest = b""
        while chunk := await self.process.stdout.read(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                try:
                    self._events.put_nowait(decode(line))
                except ValueError as error:
                    self._events.put_nowait(self._died(f"sent garbage ({error})"))
                    return
            if len(rest) > FRAME_LIMIT:
                self._events.put_nowait(self._died("sent a line without end"))
                return
        await self.process.wait()
        # The last stderr output explains the child's end; wait for it, but never for a grandchild.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._readers[1]), 1.0)
        self._events.put_nowait(None)

    async def _read_log(self) -> None:
        assert self.process.stderr is not None
        while chunk := await self.process.stderr.read(65536):
            self._publish(self.log.feed(chunk))
        self._publish(self.log.close())

    def _publish(self, lines: list[str]) -> None:
        for line in lines:
            if self._events.qsize() < LOG_BACKLOG:
                self._events.put_nowait((-1, LogLine(line)))

    def _log_detail(self) -> str:
        where = f"\nLog: {shown_path(self.log.path)}" if self.log.path else ""
        return "\n".join(last_words([*self.log.tail])) + where

    def _died(self, how: str, *, signal: str = "") -> JobDied:
        return JobDied(
            f"The {self.job} process {how}.",
            hint="Try again; if it happens again, the log says what it did last.",
            detail=self._log_detail(),
            signal=signal,
        )

    def _how_it_ended(self) -> JobDied | OutOfMemory:
        ending = explain_exit(self.process.returncode or 0)
        killed = ending.signal == "SIGKILL" and oom_kills() > self._kills_before
        if killed or ending.out_of_memory:
            return OutOfMemory(
                f"The {self.job} process was ended by the system because memory ran out.",
                hint="Close other programs, choose a smaller precision or a smaller model.",
                detail=self._log_detail(),
                signal=ending.signal,
            )
        return self._died(ending.words, signal=ending.signal)

    async def next(self) -> tuple[int, Event]:
        """Return the next event.

        Raises:
            JobDied: the process ended, or sent garbage.
        """
        item = await self._events.get()
        if item is None:
            self._events.put_nowait(None)
            raise self._how_it_ended()
        if isinstance(item, JobDied):
            raise item
        return item

    def failure(self, event: Failed) -> Exception:
        detail = event.detail or self._log_detail()
        return error_from_code(
            event.code,
            event.message,
            hint=event.hint,
            detail=detail,
            field=event.field,
            line=event.line,
            signal=event.signal,
        )

    async def stop(self) -> None:
        """End the whole process group, gently first; the process is waited for, also when cancelled meanwhile."""
        hurry: asyncio.CancelledError | None = None
        for number, patience in _ENDINGS:
            if self.process.returncode is None:
                process_trees().signal(self.process.pid, KILL if hurry is not None else number)
            try:
                await asyncio.wait_for(self.process.wait(), patience)
                break
            except TimeoutError:
                continue
            except asyncio.CancelledError as error:
                # A caller in a hurry does not wait for a clean end.
                hurry = error
        # The leader may have ended while its children live on in its group.
        process_trees().signal(self.process.pid, KILL)
        for reader in self._readers:
            reader.cancel()
        self.log.close()
        close_transport(self.process)
        await asyncio.gather(*self._readers, return_exceptions=True)
        if hurry is not None:
            raise hurry


def close_transport(process: asyncio.subprocess.Process) -> None:
    """Close the pipes of a program that has ended."""
    transport = getattr(process, "_transport", None)
    if transport is not None:
        transport.close()


def _neutral_folder() -> str:
    """Return a folder that is not the model's and not the user's: nothing in it can shadow a module."""
    folder = find_paths().work
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(os.sep).absolute().as_posix()
    return str(folder)
