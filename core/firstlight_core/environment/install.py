"""Installs the converter's packages into the running Python, with pip in a child; only after an explicit yes.

The requirements are read from Firstlight's own metadata: asking an index for a package called `firstlight` could
bring a stranger's.
"""

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec

from packaging.requirements import Requirement

from firstlight_core.documents.environment import InstallDocument
from firstlight_core.environment.toolchain import installed_version
from firstlight_core.errors import ToolchainMissing
from firstlight_core.paths import find_paths
from firstlight_core.process.events import Event, LogLine, Stage
from firstlight_core.process.logs import LogFile
from firstlight_core.process.programs import run_program
from firstlight_core.shells import command_line
from firstlight_core.text import shown_path

PIP_OPTIONS = ("--no-input", "--no-color", "--progress-bar", "off", "--disable-pip-version-check")
_STAGES = (
    ("Installing collected packages", "install", "Installing"),
    ("Collecting", "collect", "Collecting and downloading"),
    ("Looking in indexes", "collect", "Collecting and downloading"),
)
"""How a line of pip begins, and the stage that it begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallPlan:
    """The installation command: an argument list, never a shell line."""

    command: tuple[str, ...]
    requirements: tuple[str, ...]
    missing: tuple[str, ...]
    """Names of the packages that are not installed yet."""

    @property
    def line(self) -> str:
        """The command as it can be pasted into a shell."""
        return command_line(self.command)


def plan_install(
    extra: str = "convert", *, requires: Callable[[], list[str] | None] | None = None
) -> InstallPlan:
    """Return the pip command that brings the packages of one extra into the Python that runs this.

    Raises:
        ToolchainMissing: Firstlight's own metadata, or pip, is not there.
    """
    try:
        lines = (requires or (lambda: metadata.requires("firstlight")))() or []
    except metadata.PackageNotFoundError:
        lines = []
    wanted = []
    for requirement in map(Requirement, lines):
        marker = requirement.marker
        if (
            marker is None
            or marker.evaluate({"extra": ""})
            or not marker.evaluate({"extra": extra})
        ):
            continue
        requirement.marker = None
        wanted.append(requirement)
    if not wanted:
        raise ToolchainMissing(
            f"Firstlight's own metadata names no packages for {extra}.",
            hint="Install Firstlight again, with pip, in this environment.",
        )
    if find_spec("pip") is None:
        line = ["uv", "pip", "install", "--python", sys.executable, *map(str, wanted)]
        raise ToolchainMissing(
            "This Python has no pip.",
            hint=f"With uv: {command_line(line)}",
        )
    names = tuple(str(requirement) for requirement in wanted)
    return InstallPlan(
        command=(sys.executable, "-m", "pip", "install", *PIP_OPTIONS, *names),
        requirements=names,
        missing=tuple(r.name for r in wanted if installed_version(r.name) is None),
    )


async def install(
    plan: InstallPlan,
    *,
    on_event: Callable[[Event], None] | None = None,
    started: Callable[[int], None] | None = None,
) -> InstallDocument:
    """Run the plan's command to its end; every line that pip prints becomes an event and goes to a log file.

    Raises:
        ToolchainMissing: pip failed; its last lines are the detail.
    """
    emit = on_event or (lambda event: None)
    emit(Stage("start", "Starting pip"))
    log = LogFile(find_paths().logs, "install")
    stage = "start"

    def tell(line: str) -> None:
        nonlocal stage
        if (begun := _stage(line)) is not None and begun.name != stage:
            stage = begun.name
            emit(begun)
        emit(LogLine(line))

    try:
        code = await run_program(plan.command, log=log, on_line=tell, started=started)
    finally:
        log.close()
    if code != 0:
        where = f"\nLog: {shown_path(log.path)}" if log.path else ""
        raise ToolchainMissing(
            f"pip could not install the packages (exit code {code}).",
            hint=_hint("\n".join(log.tail)),
            detail="\n".join([*log.tail][-20:]) + where,
        )
    importlib.invalidate_caches()
    return {"command": list(plan.command), "installed": list(plan.requirements)}


def _stage(line: str) -> Stage | None:
    for start, name, label in _STAGES:
        if line.startswith(start):
            return Stage(name, label)
    return None


def _hint(output: str) -> str:
    """Return the remedy for the failures that users of pip meet most, by what pip printed."""
    if "No space left" in output:
        return "The disk is full: free some space and try again."
    if "externally-managed-environment" in output:
        return "This Python belongs to the system: make a virtual environment and install there."
    if "Could not find a version" in output or "No matching distribution" in output:
        return (
            "The package index does not offer these versions for this Python, or is out of reach."
        )
    if "Connection" in output or "resolve" in output or "timed out" in output:
        return "The package index is out of reach: check the network or pip's index setting."
    return "The details show what pip said last."
