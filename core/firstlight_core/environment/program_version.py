"""Ask a program on this machine for its version; a program that does anything else is reported."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from firstlight_core.counters import load_average
from firstlight_core.process.offline import child_environment
from firstlight_core.process.tree import KILL, process_trees
from firstlight_core.text import visible

PROBE_SECONDS = 5.0
"""On a machine that has a core to spare; `patient` waits longer on one that has not."""
MOST_PATIENT = 4.0
"""Times as long a probe is waited for at most."""
OUTPUT_LIMIT = 64 * 1024
"""Bytes; a program that prints more than this to a version question is stopped."""
_LOOK_SECONDS = 0.02
_END_SECONDS = 1.0
_AFTER_EXIT_SECONDS = 0.2
"""How long output may still arrive after the program left: something it started may hold the pipe for ever."""


def patient(seconds: float, *, load: float | None = None, cores: int | None = None) -> float:
    """Return the seconds to wait for a probe: longer by the programs that wait for each core in the last minute.

    A probe that is hungry for a core is slow, not broken.
    """
    busy = load_average() if load is None else load
    share = busy / (cores or psutil.cpu_count() or 1)
    return seconds * min(MOST_PATIENT, max(1.0, share))


def busy_words(*, load: float | None = None, cores: int | None = None) -> str:
    """Return the words before a silence that the machine's load explains; empty where it does not."""
    busy = load_average() if load is None else load
    if busy < 2 * (cores or psutil.cpu_count() or 1):
        return ""
    return f"your machine is very busy (load {busy:.0f}): "


@dataclass(frozen=True, slots=True)
class ProgramAnswer:
    """The answer of a program: `status` is `ok`, `missing`, `broken` or `silent`; `text` is safe to show."""

    status: str
    text: str = ""
    path: str = ""


async def ask_program(
    name: str,
    *arguments: str,
    seconds: float | None = None,
    environ: Mapping[str, str] | None = None,
) -> ProgramAnswer:
    """Run a program of the PATH with an empty stdin in a session of its own; its whole group is ended afterwards.

    Without `seconds` it may take `PROBE_SECONDS`, and longer on a busy machine.
    """
    seconds = patient(PROBE_SECONDS) if seconds is None else seconds
    environment = child_environment(environ)
    path = shutil.which(name, path=environment.get("PATH", os.defpath))
    if path is None:
        return ProgramAnswer("missing")
    try:
        process = await asyncio.create_subprocess_exec(
            path,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
            cwd=os.sep,
            **process_trees().options(),
        )
        process_trees().adopt(process.pid)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return ProgramAnswer("broken", visible(f"cannot be started: {reason}"), visible(path))
    try:
        raw = await asyncio.wait_for(_read(process), seconds)
    except TimeoutError:
        return ProgramAnswer("silent", f"gave no answer within {seconds:.2g} s", visible(path))
    finally:
        await _end(process)
    text = visible(raw.decode("utf-8", "replace")).strip()
    status = "ok" if process.returncode == 0 or len(raw) >= OUTPUT_LIMIT else "broken"
    return ProgramAnswer(status, text, visible(path))


async def _read(process: asyncio.subprocess.Process) -> bytes:
    """At most `OUTPUT_LIMIT` bytes, until the end of the output or shortly after the program has left."""
    assert process.stdout is not None
    raw = bytearray()

    async def drain(stream: asyncio.StreamReader) -> None:
        while len(raw) < OUTPUT_LIMIT and (chunk := await stream.read(OUTPUT_LIMIT)):
            raw.extend(chunk[: OUTPUT_LIMIT - len(raw)])

    reading = asyncio.ensure_future(drain(process.stdout))
    try:
        # `process.wait()` would also wait for the pipe, which a grandchild may hold open for ever.
        while process.returncode is None and len(raw) < OUTPUT_LIMIT:
            await asyncio.wait({reading}, timeout=_LOOK_SECONDS)
            if reading.done():
                await asyncio.sleep(_LOOK_SECONDS)
        if not reading.done():
            await asyncio.wait({reading}, timeout=_AFTER_EXIT_SECONDS)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    return bytes(raw)


async def _end(process: asyncio.subprocess.Process) -> None:
    process_trees().signal(process.pid, KILL)
    # An unread pipe would keep `wait` waiting: close it first.
    transport = getattr(process, "_transport", None)
    if transport is not None:
        transport.close()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), _END_SECONDS)
