"""Runs a program of the user's and tells every line that it prints: sanitised, logged, time-limited, cancellable."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping, Sequence

from firstlight_core.errors import ToolchainMissing
from firstlight_core.process.child import close_transport
from firstlight_core.process.logs import LogFile
from firstlight_core.process.offline import child_environment
from firstlight_core.process.tree import KILL, TERMINATE, process_trees
from firstlight_core.text import one_line

TERM_SECONDS = 0.5
_CHUNK = 64 * 1024
_LOOK_SECONDS = 0.02
_AFTER_EXIT_SECONDS = 0.2
"""How long output may still arrive after the program left: a service it started may hold the pipe for ever."""


async def run_program(
    command: Sequence[str],
    *,
    log: LogFile,
    on_line: Callable[[str], None],
    started: Callable[[int], None] | None = None,
    seconds: float | None = None,
    environ: Mapping[str, str] | None = None,
) -> int | None:
    """Run a program with an empty stdin to its end: its exit code, or None when `seconds` were not enough.

    One that fails, takes too long or is cancelled is ended with everything it started; what a successful one
    started (a service) stays.

    Raises:
        ToolchainMissing: it cannot be started.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=child_environment(environ),
            cwd=os.sep,
            **process_trees().options(),
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ToolchainMissing(
            f"{one_line(command[0], 120)} cannot be started: {one_line(reason, 80)}.",
            hint="Install it again.",
        ) from error
    process_trees().adopt(process.pid)
    if started is not None:
        started(process.pid)
    succeeded = False
    try:
        async with asyncio.timeout(seconds):
            await _read(process, log, on_line)
        succeeded = process.returncode == 0
        return process.returncode
    except TimeoutError:
        return None
    finally:
        if succeeded:
            process_trees().release(process.pid)
        else:
            await end_program(process)
        close_transport(process)


async def _read(
    process: asyncio.subprocess.Process, log: LogFile, on_line: Callable[[str], None]
) -> None:
    async def drain(stream: asyncio.StreamReader) -> None:
        while chunk := await stream.read(_CHUNK):
            for line in log.feed(chunk):
                on_line(line)

    assert process.stdout is not None
    reading = asyncio.ensure_future(drain(process.stdout))
    try:
        while process.returncode is None:
            await asyncio.wait({reading}, timeout=_LOOK_SECONDS)
            if reading.done():
                await asyncio.sleep(_LOOK_SECONDS)
        await asyncio.wait({reading}, timeout=_AFTER_EXIT_SECONDS)
        for line in log.close():
            on_line(line)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def end_program(process: asyncio.subprocess.Process) -> None:
    """End a program and its children, first with a request to terminate."""
    if process.returncode is None:
        process_trees().signal(process.pid, TERMINATE)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TERM_SECONDS):
                await _gone(process)
    process_trees().signal(process.pid, KILL)
    await _gone(process)


async def _gone(process: asyncio.subprocess.Process) -> None:
    # `process.wait()` would also wait for the pipe.
    while process.returncode is None:
        await asyncio.sleep(_LOOK_SECONDS)
