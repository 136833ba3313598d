"""Long work as the screen sees it: one record for each task, kept by the workspace, painted by the open step."""

import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from firstlight_core.errors import FirstlightError
from firstlight_core.process.events import (
    Event,
    LogLine,
    LogPath,
    Measured,
    Notice,
    Progress,
    Remaining,
    Stage,
)
from firstlight_tui.state.work_rows import CheckRow, QueueRow

ResultT = TypeVar("ResultT")

OnEvent = Callable[[Event], None]
Started = Callable[[int], None]
Run = Callable[[OnEvent, Started], Awaitable[ResultT]]
"""A long-running task: takes callbacks for events and for the process id, returns its result."""


class WorkKey(str, Generic[ResultT]):
    """The name of a kind of work; the type parameter is the type of its result."""

    __slots__ = ()


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
    alone: bool = False
    """Whether it converts or measures: of such work, one runs at a time."""
    quiet: bool = False
    """Whether whatever else computes would spoil its figures."""
    keeps: str = ""
    """A sentence: what stays of it when it is cancelled; empty where nothing does."""
    clock: Callable[[], float] = time.monotonic
    status: str = "running"
    """waiting, running, done, failed or cancelled."""
    waits_for: str = ""
    """Label of the work that comes before it while it waits."""
    stage: Stage | None = None
    stages: list[tuple[Stage, float]] = field(default_factory=list)
    """Every stage so far, with the second at which it began."""
    progress: Progress | None = None
    remaining: Remaining | None = None
    """The rest of the whole work, where it says so."""
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
    checks: list[CheckRow] = field(default_factory=list)
    """Rows of the environment check, in the order in which they came."""
    queue: list[QueueRow] = field(default_factory=list)
    """Rows of the conversion queue."""
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
        """True if it runs now."""
        return self.status == "running"

    @property
    def waiting(self) -> bool:
        """True if other work comes before it."""
        return self.status == "waiting"

    @property
    def pending(self) -> bool:
        """True if it has not ended yet: it runs, or waits."""
        return self.running or self.waiting

    @property
    def has_part(self) -> bool:
        """True if something of it was finished when it was cancelled."""
        return False

    @property
    def seconds(self) -> float:
        """Seconds for which it has run, or ran; while it waits, seconds for which it has waited."""
        return (self.ended if self.ended is not None else self.clock()) - self.begun

    @property
    def silent_seconds(self) -> float:
        """Seconds since the last event."""
        return self.clock() - self.last_event

    def wait(self) -> None:
        """Wait for other work."""
        self.status, self.dirty = "waiting", True

    def begin(self) -> None:
        """Run from now on."""
        self.status, self.waits_for, self.dirty = "running", "", True
        self.begun = self.last_event = self.clock()

    def take(self, event: Event) -> None:
        """Take in one event."""
        self.dirty = True
        self.last_event = self.clock()
        match event:
            case Stage():
                renewed = event.renews and bool(self.stages)
                begun = self.stages.pop()[1] if renewed else self.seconds
                self.stage, self.progress = event, self.progress if renewed else None
                self.stages.append((event, begun))
            case Progress():
                self.progress = event
            case Remaining():
                self.remaining = event
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

    def add_check(self, row: CheckRow) -> None:
        """Add a row of the environment check."""
        self.checks.append(row)
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


@dataclass(slots=True)
class WorkOf(Work, Generic[ResultT]):
    """Long work whose task returns a `ResultT`."""

    result: ResultT | None = None
    """Result of the task; None before it is done."""
    finished_part: ResultT | None = None
    """The part of the result that was finished when it was cancelled."""

    @property
    def has_part(self) -> bool:
        """True if something of it was finished when it was cancelled."""
        return self.finished_part is not None


def waits_words(work: Work) -> str:
    """Return when waiting work begins, as the end of a sentence."""
    before = work.waits_for
    return f"after {before[:1].lower()}{before[1:]}" if before else "at once"


class Works:
    """The newest work of each kind."""

    def __init__(self) -> None:
        # Each entry has the result type of its key: `put` and `of` take the same key.
        self._works: dict[str, WorkOf[Any]] = {}

    def put(self, key: WorkKey[ResultT], work: WorkOf[ResultT]) -> None:
        """Make `work` the newest one of its kind."""
        self._works[key] = work

    def of(self, key: WorkKey[ResultT]) -> WorkOf[ResultT] | None:
        """Return the newest work of this kind, None when there was none."""
        return self._works.get(key)

    def result(self, key: WorkKey[ResultT]) -> ResultT | None:
        """Return the result of the newest work of this kind, None while there is none."""
        work = self.of(key)
        return work.result if work is not None else None

    def get(self, name: str) -> Work | None:
        """Return the newest work of this name, with any result."""
        return self._works.get(name)

    def forget(self, name: str) -> None:
        """Forget the work of this name."""
        self._works.pop(name, None)

    def __iter__(self) -> Iterator[Work]:
        return iter(list(self._works.values()))

    def __contains__(self, name: str) -> bool:
        return name in self._works

    def __getitem__(self, name: str) -> Work:
        return self._works[name]
