"""Long work as the screen sees it: one record a job, kept by the app, painted by whichever step is open."""

import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from firstlight_core.errors import FirstlightError
from firstlight_core.process.events import (
    Event,
    LogLine,
    LogPath,
    Measured,
    Notice,
    Progress,
    Stage,
)

OnEvent = Callable[[Event], None]
Started = Callable[[int], None]
Run = Callable[[OnEvent, Started], Awaitable[Any]]
"""A long-running task: takes an event callback, returns the document of its kind."""

LINES_KEPT = 2_000
MEMORY_EVERY = 0.5
"""Seconds between two points of the memory's course."""
MEMORY_POINTS = 600
PREDICTED = "predicted_peak_bytes"
"""The figure of a conversion that says how much memory it should need at most."""


@dataclass(slots=True)
class Work:
    """One long task: its name, progress, output and outcome."""

    name: str
    label: str
    only_looks: bool = False
    """Whether ending it loses nothing: leaving then asks no question."""
    clock: Callable[[], float] = time.monotonic
    status: str = "running"
    """running, done, failed or cancelled."""
    stage: Stage | None = None
    stages: list[tuple[Stage, float]] = field(default_factory=list)
    """Every stage so far, with the second at which it began."""
    progress: Progress | None = None
    measured: dict[str, float] = field(default_factory=dict)
    repetitions: deque[Measured] = field(default_factory=lambda: deque(maxlen=LINES_KEPT))
    """Figures that say of what they are, in the order in which they came."""
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=LINES_KEPT))
    lines_seen: int = 0
    log_path: str = ""
    """Path of the log file; empty until the job reports it."""
    notices: list[str] = field(default_factory=list)
    """Sentences that the user must see when it ends."""
    memory: list[tuple[float, float]] = field(default_factory=list)
    """Second of the work, and the bytes that its processes held then; coarser the longer it runs."""
    rows: list[Any] = field(default_factory=list)
    """Partial results, in the order in which they came."""
    result: Any = None
    """The document that the task returned; None before."""
    error: FirstlightError | None = None
    pid: int | None = None
    begun: float = 0.0
    ended: float | None = None
    last_event: float = 0.0
    """Time of the last event."""
    dirty: bool = False
    entered: bool = False
    """Whether its first step has run."""

    def __post_init__(self) -> None:
        self.begun = self.last_event = self.clock()

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.status == "running"

    @property
    def seconds(self) -> float:
        """How long it has run, or ran."""
        return (self.ended if self.ended is not None else self.clock()) - self.begun

    @property
    def silent_seconds(self) -> float:
        """Seconds since the last event."""
        return self.clock() - self.last_event

    def take(self, event: Event) -> None:
        """Take in one event."""
        self.dirty = True
        self.last_event = self.clock()
        match event:
            case Stage():
                self.stage, self.progress = event, None
                self.stages.append((event, self.seconds))
            case Progress():
                self.progress = event
            case LogLine(text=text):
                self.lines.append(text)
                self.lines_seen += 1
            case Notice(text=text):
                self.notices.append(text)
            case LogPath(path=path):
                self.log_path = path
                self.lines.append(f"Log file: {path}")
                self.lines_seen += 1
            case Measured(name=name, value=value):
                self.measured[name] = value
                if event.label:
                    self.repetitions.append(event)

    def add_row(self, row: Any) -> None:
        """Keep one partial result; objects are stored as their `to_json()`."""
        self.rows.append(row if isinstance(row, Mapping) else row.to_json())
        self.last_event = self.clock()
        self.dirty = True

    def remember_memory(self, held: float) -> None:
        """Keep how many bytes its processes hold now, at most twice a second."""
        if self.memory and self.seconds - self.memory[-1][0] < MEMORY_EVERY:
            return
        self.memory.append((self.seconds, held))
        if len(self.memory) > MEMORY_POINTS:
            del self.memory[1:-1:2]
        self.dirty = True

    def end(self, status: str) -> None:
        """Mark the work as ended."""
        self.status = status
        self.ended = self.clock()
        self.pid = None
        self.dirty = True
