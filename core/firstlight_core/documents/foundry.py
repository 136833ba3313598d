"""Foundry Local: the doctor's examination, services, and the `foundry` command."""

from typing import Literal, NotRequired, TypedDict


class CommandDocument(TypedDict):
    """One command that can be typed."""

    command: str
    does: str
    runs: NotRequired[bool]
    """Whether a command of the `foundry` program ends by itself and can be run from here."""


class ReaderDocument(TypedDict):
    """A kind of program, and whether it finds the models of a cache."""

    reader: str
    sees: bool
    why: str
    here: bool
    """Whether this kind is on this machine, as far as can be seen."""


class ScannedFolder(TypedDict):
    """The verdict of the folder scan of Foundry Local's older cores on one folder."""

    folder: str
    listed: bool
    id: str | None
    reasons: list[str]
    """Why it is not listed, or what else the user should know; one sentence each."""


class CliDocument(TypedDict):
    """The `foundry` command of this machine."""

    path: str
    version: str
    """Empty when it tells none."""


class CacheChangeDocument(TypedDict):
    """A move of the cache of the `foundry` command: from where, to where."""

    before: str
    now: str


class Registration(TypedDict):
    """One model of Foundry Local's index."""

    id: str
    path: str
    there: bool
    """Whether its folder still exists."""


class ExaminationDocument(TypedDict):
    """The document of `firstlight deploy --doctor`: a cache as Foundry Local's cores see it."""

    kind: Literal["examination"]
    cache: str
    root: str
    index: str
    cli: CliDocument | None
    moved: CacheChangeDocument | None
    seen_by: list[ReaderDocument]
    folders: list[ScannedFolder]
    registered: list[Registration]
    registered_problem: str
    """Why the registrations cannot be read; empty when they can."""
    ok: NotRequired[bool]
    """Whether the named model is found by one of the two ways."""


class CommandOutput(TypedDict):
    """One command of the `foundry` program that was run."""

    command: str
    """Empty when there was nothing to run."""
    lines: list[str]
    """The last lines that it printed."""
    seconds: float
    """Measured."""


class MovedCacheDocument(CommandOutput, CacheChangeDocument):
    """The document of `firstlight deploy --put-back`, and of the move itself."""

    kind: Literal["cache-move"]


Snippets = dict[str, str]
"""Name of a client (`curl`, `python`, …) → its text, ready to copy."""


class ServiceAddress(TypedDict):
    """Where a service answers."""

    base_url: str
    model: str
    """The id that a client names in its requests."""
    pid: int


class ServiceDocument(ServiceAddress):
    """The document of `firstlight serve NAME`."""

    kind: Literal["service"]
    snippets: Snippets


class BackgroundAddress(ServiceAddress):
    """A service that runs without the process that started it."""

    target: str
    """The deployed name, or the folder, that it serves."""


class BackgroundRow(BackgroundAddress):
    """A background service with the clients that can be copied."""

    snippets: Snippets


class BackgroundDocument(BackgroundRow):
    """The document of `firstlight serve NAME --background`."""

    kind: Literal["background"]
    background: Literal[True]


class RunningDocument(TypedDict):
    """The document of `firstlight serve`: the background services that run."""

    kind: Literal["running"]
    running: list[BackgroundRow]


class StoppedDocument(TypedDict):
    """The document of `firstlight serve --stop`."""

    kind: Literal["stopped"]
    stopped: list[BackgroundAddress]


ServeDocument = ServiceDocument | BackgroundDocument | RunningDocument | StoppedDocument
"""The documents of `firstlight serve`."""


class BackgroundRecord(BackgroundAddress):
    """The record of a background service on disk."""

    born: float
    """When its process was made, in seconds since the epoch."""
