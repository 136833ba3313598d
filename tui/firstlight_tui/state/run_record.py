"""The run of the wizard on disk: its folder, and its ledger, to which lines can be appended in the background."""

import asyncio
import contextlib
import shutil
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import RLock
from typing import Any

from firstlight_core.errors import FirstlightError
from firstlight_core.ledger import ANSWERS, LOCK, Run
from firstlight_core.locks import Lock, try_lock
from firstlight_tui.state.tasks import Tasks

Line = tuple[str, str, Mapping[str, Any]]
"""Step, status and values of an entry."""


class RunRecord:
    """The record of one run; nothing is on disk before the first line or file. A full disk is reported, never fatal."""

    def __init__(
        self, create: Callable[[], Run], tasks: Tasks, report: Callable[[FirstlightError], None]
    ) -> None:
        """`create` makes the run's folder; `report` is called on the UI loop with what could not be written."""
        self._create = create
        self._tasks = tasks
        self._report = report
        self._waiting: deque[Line] = deque()
        self._writing = False
        self._lock = RLock()
        self.run: Run | None = None
        self.guarded = False
        """Whether a lock says that a living wizard works on the run."""
        self.made = False
        """Whether the run holds more than the answers of a walk."""
        self._guard: Lock | None = None

    def folder(self) -> Path:
        """Return the folder of this run, made when the first step has something to write.

        Raises:
            StateProblem: it cannot be made.
        """
        with self._lock:
            if self.run is None:
                self.run = self._create()
                self._lock_run(self.run)
            return self.run.folder

    def adopt(self, run: Run) -> None:
        """Go on with an earlier run."""
        with self._lock:
            self.release()
            self.run, self.made = run, True
            self._lock_run(run)

    def drop(self) -> None:
        """Take away a run in which nothing was made; the next line begins another one."""
        with self._lock:
            self._waiting.clear()
            self.release()
            if self.run is not None and not self.made:
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

    def append(self, step: str, status: str, values: Mapping[str, Any]) -> None:
        """Append a line now, after those that wait."""
        self.made = True
        self._waiting.append((step, status, values))
        self.flush()

    def append_soon(self, step: str, status: str, values: Mapping[str, Any]) -> None:
        """Append a line in the background: the disk may take longer than a key may wait."""
        self.made = self.made or step != ANSWERS
        self._waiting.append((step, status, values))
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

    def flush(self) -> None:
        """Write the lines that wait."""
        for error in self._write_waiting():
            self._report(error)

    def _write_waiting(self) -> list[FirstlightError]:
        errors = []
        with self._lock:
            while self._waiting:
                step, status, values = self._waiting.popleft()
                try:
                    self.folder()
                    assert self.run is not None
                    seconds = float(values.get("seconds", 0.0))
                    self.run.record(step, status, seconds=seconds, values=values)
                except FirstlightError as error:
                    errors.append(error)
        return errors
