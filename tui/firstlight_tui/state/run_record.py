"""The run of the wizard on disk: its folder, and its ledger, to which lines can be appended in the background."""

import asyncio
import contextlib
import shutil
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import RLock

from firstlight_core.documents.ledger import LedgerValues
from firstlight_core.errors import FirstlightError
from firstlight_core.ledger import ANSWERS, LOCK, Run
from firstlight_core.locks import Lock, try_lock
from firstlight_tui.state.tasks import Tasks


@dataclass(frozen=True, slots=True)
class Line:
    """An entry that waits to be written."""

    step: str
    status: str
    values: LedgerValues
    seconds: float


@dataclass(frozen=True, slots=True)
class _Drop:
    """The end of a run, in the order of its lines."""

    whole: bool
    """Whether its folder goes, too."""


class RunRecord:
    """The record of one run; nothing is on disk before the first line or file. A full disk is reported, never fatal."""

    def __init__(
        self, create: Callable[[], Run], tasks: Tasks, report: Callable[[FirstlightError], None]
    ) -> None:
        """`create` makes the run's folder; `report` is called on the UI loop with what could not be written."""
        self._create = create
        self._tasks = tasks
        self._report = report
        self._waiting: deque[Line | _Drop] = deque()
        self._writing = False
        self._lock = RLock()
        self.run: Run | None = None
        self.guarded = False
        """Whether a lock says that a living wizard works on the run."""
        self.made = False
        """Whether the run holds more than the answers of a walk."""
        self._guard: Lock | None = None

    def folder(self) -> Path:
        """Return the folder of this run, made when there is none; blocks until the lines that wait are written.

        Raises:
            StateProblem: it cannot be made.
        """
        self.flush()
        return self._open().folder

    async def make_folder(self) -> Path:
        """Return the folder of this run, made beside the UI loop when there is none.

        Raises:
            StateProblem: it cannot be made.
        """
        await self.written()
        return (await asyncio.to_thread(self._open)).folder

    def _open(self) -> Run:
        with self._lock:
            if self.run is None:
                self.run = self._create()
                self._lock_run(self.run)
            return self.run

    def adopt(self, run: Run) -> None:
        """Go on with an earlier run."""
        with self._lock:
            self.release()
            self.run, self.made = run, True
            self._lock_run(run)

    def drop(self) -> None:
        """Take away, in the background, a run in which nothing was made; the next line begins another one."""
        self._waiting.clear()
        self._waiting.append(_Drop(whole=not self.made))
        self._write_soon()

    def _drop(self, *, whole: bool) -> None:
        self.release()
        if self.run is not None and whole:
            shutil.rmtree(self.run.folder, ignore_errors=True)
        self.run = None

    def _lock_run(self, run: Run) -> None:
        if self.guarded:
            # Without a lock the run might be offered to a second wizard, no more.
            with contextlib.suppress(OSError):
                self._guard = try_lock(run.folder / LOCK)

    def release(self) -> None:
        """Let another wizard have the run."""
        if self._guard is not None:
            self._guard.release(unlink=True)
            self._guard = None

    def append(self, step: str, status: str, values: LedgerValues, *, seconds: float = 0.0) -> None:
        """Append a line in the background: the disk may take longer than a key may wait. Lines keep their order."""
        self.made = self.made or step != ANSWERS
        self._waiting.append(Line(step, status, values, seconds))
        self._write_soon()

    def _write_soon(self) -> None:
        if not self._writing:
            self._writing = True
            self._tasks.begin(self._write, name="ledger", group="ledger")

    async def _write(self) -> None:
        try:
            while self._waiting:
                for error in await asyncio.to_thread(self._write_waiting):
                    self._report(error)
        finally:
            self._writing = False

    async def written(self) -> Run | None:
        """Return the run once every line that waits is written; None when there is none."""
        for error in await asyncio.to_thread(self._write_waiting):
            self._report(error)
        return self.run

    def flush(self) -> None:
        """Write the lines that wait before the process ends; blocks."""
        for error in self._write_waiting():
            self._report(error)

    def _write_waiting(self) -> list[FirstlightError]:
        errors: list[FirstlightError] = []
        with self._lock:
            while self._waiting:
                line = self._waiting.popleft()
                try:
                    if isinstance(line, _Drop):
                        self._drop(whole=line.whole)
                    else:
                        self._open().record(
                            line.step, line.status, seconds=line.seconds, values=line.values
                        )
                except FirstlightError as error:
                    errors.append(error)
        return errors
