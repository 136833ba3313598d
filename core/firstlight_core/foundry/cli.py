"""The `foundry` command: which version is there, what it calls things, and running one of its commands on request."""

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from firstlight_core.documents.foundry import CommandDocument, CommandOutput
from firstlight_core.environment.program_version import ask_program
from firstlight_core.errors import JobFailed, ToolchainMissing
from firstlight_core.paths import find_paths
from firstlight_core.process.events import Event, LogLine, Stage
from firstlight_core.process.logs import LogFile
from firstlight_core.process.programs import run_program
from firstlight_core.shells import command_line
from firstlight_core.text import one_line, seconds_text, shown_path

COMMAND_SECONDS = 120.0
"""How long a command may take; starting the service loads execution providers first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundryCli:
    """The command that was found."""

    path: str
    version: str
    """As it says itself; empty when it says nothing usable."""

    @property
    def release(self) -> tuple[int, int]:
        """Major and minor; (0, 0) when unknown."""
        match = re.search(r"(\d+)\.(\d+)", self.version)
        return (int(match[1]), int(match[2])) if match else (0, 0)

    @property
    def old(self) -> bool:
        """True if its core scans folders and has `cache cd` (up to 0.8); an unknown version counts as old."""
        return self.release < (0, 10)


async def find_foundry_cli(
    environ: Mapping[str, str] = os.environ, *, seconds: float | None = None
) -> FoundryCli | None:
    """Return the `foundry` on the PATH and its version; one that hangs or prints garbage costs five seconds."""
    answer = await ask_program("foundry", "--version", seconds=seconds, environ=environ)
    if not answer.path:
        return None
    match = re.search(r"\d+\.\d+(\.\d+)?", answer.text) if answer.status == "ok" else None
    return FoundryCli(path=answer.path, version=match[0] if match else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class CliCommand:
    """One command of the CLI: what to type, what it does, and whether it can be run from here."""

    arguments: tuple[str, ...]
    does: str
    ends: bool = True
    """False for a conversation: it wants a terminal of its own."""

    @property
    def line(self) -> str:
        """As it is typed into a shell."""
        return command_line(("foundry", *self.arguments))

    @property
    def moves_cache(self) -> bool:
        """True if it changes where the CLI keeps every model."""
        return self.arguments[:2] == ("cache", "cd")

    def to_json(self) -> CommandDocument:
        """Return one element of `commands`."""
        return {"command": self.line, "does": self.does, "runs": self.ends}


def cli_commands(cli: FoundryCli | None, name: str, root: Path | None) -> list[CliCommand]:
    """Return the commands of this CLI for a model; with none, or an unknown version, those of all of them.

    `root` is the folder that the CLI's cache has to be moved to; None when the model is in that cache already.
    """
    old = _commands(
        (
            ("cache", "cd", str(root)),
            "use this folder as the model cache; this affects all your models",
        )
        if root is not None
        else None,
        (("cache", "ls"), "list what it sees"),
        (("model", "run", name), "talk to it"),
        (("service", "status"), "is its service running"),
    )
    new = _commands(
        (("cache", "list"), "list what it sees"),
        (("run", name), "talk to it"),
        (("server", "start"), "start its service"),
        (("server", "status"), "is its service running"),
    )
    if cli is None or cli.release == (0, 0):
        return [
            replace(command, does=f"{release}: {command.does}")
            for release, commands in (("CLI up to 0.8", old), ("CLI 0.10 and later", new))
            for command in commands
        ]
    return old if cli.old else new


def _commands(*rows: tuple[tuple[str, ...], str] | None) -> list[CliCommand]:
    """A conversation (`run`) does not end by itself."""
    return [
        CliCommand(arguments=arguments, does=does, ends="run" not in arguments[:2])
        for arguments, does in filter(None, rows)
    ]


async def run_foundry(
    arguments: Sequence[str],
    *,
    environ: Mapping[str, str] = os.environ,
    seconds: float = COMMAND_SECONDS,
    on_event: Callable[[Event], None] | None = None,
    started: Callable[[int], None] | None = None,
) -> CommandOutput:
    """Run one command of the `foundry` on the PATH and tell its output line by line.

    Raises:
        ToolchainMissing: there is no such program, or it cannot be started.
        JobFailed: it ended with an error, or took longer than `seconds`.
    """
    hear = on_event or (lambda event: None)
    cli = await find_foundry_cli(environ)
    if cli is None:
        raise ToolchainMissing(
            "There is no `foundry` command on this machine.",
            hint="Firstlight does not need it: `firstlight serve` and `firstlight chat` use the SDK.",
        )
    line = command_line(("foundry", *arguments))
    hear(Stage("run", line))
    log, lines = LogFile(find_paths().logs, "foundry-cli"), list[str]()

    def tell(text: str) -> None:
        lines.append(text)
        hear(LogLine(text))

    began = time.monotonic()
    try:
        code = await run_program(
            (cli.path, *arguments),
            log=log,
            on_line=tell,
            started=started,
            seconds=seconds,
            environ=environ,
        )
    finally:
        log.close()
    if code == 0:
        return {"command": line, "lines": lines[-2_000:], "seconds": time.monotonic() - began}
    where = f"\nLog: {shown_path(log.path)}" if log.path else ""
    how = (
        f"was ended: it took longer than {seconds_text(seconds)}"
        if code is None
        else f"ended with the exit code {code}"
    )
    last = f"; it said last: {one_line(lines[-1], 160)}" if lines else "."
    raise JobFailed(
        f"`{one_line(line, 120)}` {how}{last}",
        hint="Its own words are below; try it in a terminal.",
        detail="\n".join(lines[-20:]) + where,
    )
