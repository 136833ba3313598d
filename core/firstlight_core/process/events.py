"""The events of a child process and their encoding: one JSON object a line, no line over 1 MB."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

FRAME_LIMIT = 1_000_000
"""Bytes in one line of the channel; a longer one means that the child has gone wrong."""


Result = Mapping[str, object]
"""A JSON object of the channel; the operation, or the job, says what it holds."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A named part of the job begins."""

    name: str
    label: str
    renews: bool = False
    """Whether it is the part that runs already, with other words."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the current stage is: `done` of `total` `unit`s; no total means that it is not known."""

    done: int
    total: int | None = None
    unit: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Remaining:
    """The rest of a long measurement, as far as is known now; settings that drop out make it less."""

    builds: int = 0
    """Artifacts to build."""
    rounds: int = 0
    """Rounds, in each of which every setting that is left is measured once."""
    measurements: int = 0
    seconds: float | None = None
    """An estimate from what was done so far; None before anything was."""
    builds_only: bool = False
    """Whether `seconds` is that of the builds alone: nothing was measured yet."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that the child, or a library in it, printed. Already sanitised and redacted."""

    text: str


@dataclass(frozen=True, slots=True)
class LogPath:
    """The log's path, shortened for display."""

    path: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence that the user must see, about something beside the work, which goes on."""

    text: str


@dataclass(frozen=True, slots=True)
class Token:
    """One generated token: the text that became complete with it (may be empty) and its id."""

    text: str
    id: int
    index: int
    seconds: float = 0.0
    """As `Tokens.seconds`."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Generated tokens that travel together; `engine.Engine` hands them on as `Token`s. Index: of the first."""

    texts: list[str]
    ids: list[int]
    index: int
    seconds: float = 0.0
    """From the answer's first token to the last of these, measured where they are made; 0 when unknown."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure taken inside the child while it works."""

    name: str
    value: float
    unit: str = ""
    label: str = ""
    """Name of the measured thing, where there are several."""
    prompt_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one request of an open job, which stays open."""

    result: Result = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finished:
    """The job is done."""

    result: Result = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed:
    """A request, or the job, failed; the fields rebuild a `FirstlightError`."""

    code: str
    message: str
    hint: str = ""
    detail: str = ""
    field: str = ""
    line: int | None = None
    signal: str = ""


Event = (
    Stage
    | Progress
    | Remaining
    | LogLine
    | LogPath
    | Notice
    | Token
    | Tokens
    | Measured
    | Reply
    | Finished
    | Failed
)
_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        Stage,
        Progress,
        Remaining,
        LogLine,
        LogPath,
        Notice,
        Token,
        Tokens,
        Measured,
        Reply,
        Finished,
        Failed,
    )
}

_FIELDS = {kind: tuple(field.name for field in fields(kind)) for kind in _KINDS.values()}


def encode(event: Event, request: int = 0) -> str:
    """Return one line of JSON, without the newline; `request` says which request of an open job it answers."""
    frame: dict[str, object] = {"kind": type(event).__name__, "re": request}
    # `asdict` would copy every list element by element, which a fast decode loop feels.
    frame |= {name: getattr(event, name) for name in _FIELDS[type(event)]}
    return json.dumps(frame, allow_nan=False)


def decode(line: str | bytes) -> tuple[int, Event]:
    """Read one line of the channel: the number of the request it answers, and the event.

    Raises:
        ValueError: the line is not an event.
    """
    try:
        frame = json.loads(line)
        kind = _KINDS[frame.pop("kind")]
        request = int(frame.pop("re", 0))
        event: Event = kind(**frame)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not an event: {line[:80]!r}") from error
    return request, event
