"""The `foundry` command: which version is there, and what it calls things."""

import asyncio
import contextlib
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from firstlight_core.runner import child_environment
from firstlight_core.text import one_line

SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundryCli:
    """The command that was found."""

    path: str
    version: str
    """As it says itself; empty when it says nothing usable."""

    @property
    def release(self) -> tuple[int, int]:
        """Major and minor; (0, 0) when unknown."""
        found = re.search(r"(\d+)\.(\d+)", self.version)
        return (int(found[1]), int(found[2])) if found else (0, 0)


async def find_foundry_cli(
    environ: Mapping[str, str] = os.environ, *, seconds: float = SECONDS
) -> FoundryCli | None:
    """The `foundry` on the PATH and its version; one that hangs or prints garbage costs five seconds."""
    path = shutil.which("foundry", path=environ.get("PATH"))
    if path is None:
        return None
    said = b""
    with contextlib.suppress(OSError):
        process = await asyncio.create_subprocess_exec(
            path,
            "--version",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=child_environment(environ),
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(seconds):
                said = await process.stdout.read(4096)
        except TimeoutError:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    found = re.search(rb"\d+\.\d+(\.\d+)?", said)
    return FoundryCli(path=path, version=one_line(found[0].decode()) if found else "")


def cli_commands(cli: FoundryCli | None, name: str, models: str) -> list[dict[str, str]]:
    """What to type with this CLI, each `{command, does}`; with none, what the versions call it."""
    release = cli.release if cli is not None else None
    old = [
        {
            "command": f"foundry cache cd {models}",
            "does": "CLI up to 0.8: use this folder as its cache (it changes the cache for every model)",
        },
        {"command": "foundry cache ls", "does": "CLI up to 0.8: list what it sees"},
        {"command": f"foundry model run {name}", "does": "CLI up to 0.8: talk to it"},
    ]
    new = [
        {"command": "foundry cache list", "does": "CLI 0.10 and later: list what it sees"},
        {"command": f"foundry run {name}", "does": "CLI 0.10 and later: talk to it"},
        {"command": "foundry server start", "does": "CLI 0.10 and later: start its service"},
    ]
    if release is None or release == (0, 0):
        return [*old, *new]
    return new if release >= (0, 10) else old
