"""The long work of a wizard: what runs, what waits for its turn, and in which order it comes."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from firstlight_core.errors import FirstlightError
from firstlight_core.files import system_problem
from firstlight_tui.state.signal import Signal
from firstlight_tui.state.tasks import Tasks
from firstlight_tui.state.work import ResultT, Run, Work, WorkKey, WorkOf, Works


@dataclass(frozen=True, slots=True)
class _Turn:
    """Work that waits, and what lets it begin."""

    work: Work
    begin: Callable[[], None]


class Jobs:
    """Begins, queues and stops work. Of the work that converts or measures, one runs at a time."""

    def __init__(
        self, tasks: Tasks, *, warn: Callable[[str], None] = lambda sentence: None
    ) -> None:
        """`tasks` runs the work; `warn` shows the user a sentence."""
        self._tasks = tasks
        self._warn = warn
        self._queue: list[_Turn] = []
        self._closed = False
        self.works = Works()
        self.changed: Signal[Work] = Signal()

    # What there is --------------------------------------------------------------------------------

    @property
    def running(self) -> list[Work]:
        """The work that is running now."""
        return [work for work in self.works if work.running]

    @property
    def waiting(self) -> list[Work]:
        """The work that waits for its turn, in the order in which it comes."""
        return [turn.work for turn in self._queue]

    @property
    def alone(self) -> Work | None:
        """The work that converts or measures now."""
        return next((work for work in self.running if work.alone), None)

    @property
    def to_lose(self) -> list[Work]:
        """The work whose end would lose something: what runs, then what waits."""
        return [work for work in self.running if not work.only_looks] + self.waiting

    # Beginning ------------------------------------------------------------------------------------

    def start(
        self,
        work: WorkOf[ResultT],
        key: WorkKey[ResultT],
        run: Run[ResultT],
        *,
        done: Callable[[ResultT, float], None] | None = None,
        stopped: Callable[[ResultT, float], None] | None = None,
    ) -> WorkOf[ResultT]:
        """Begin `work`, or let it wait; while work of that kind is pending, that one is returned instead.

        `done` gets the result and the seconds; `stopped` gets what was finished of work that was cancelled.
        """
        if (pending := self.works.of(key)) is not None and pending.pending:
            return pending
        taken = self.alone is not None or bool(self._queue)
        self.works.put(key, work)
        turn = _Turn(work, partial(self._begin, work, run, done, stopped))
        if work.alone and taken:
            work.wait()
            self._queue.append(turn)
            self._tell_queue()
        else:
            turn.begin()
        return work

    def _begin(
        self,
        work: WorkOf[ResultT],
        run: Run[ResultT],
        done: Callable[[ResultT, float], None] | None,
        stopped: Callable[[ResultT, float], None] | None,
    ) -> None:
        work.begin()
        carry_out = partial(self._carry_out, work, run, done, stopped)
        self._tasks.begin(carry_out, name=work.name, group=work.name)

    def _begin_next(self) -> None:
        if self._queue and self.alone is None and not self._closed:
            self._queue.pop(0).begin()
        self._tell_queue()

    def _tell_queue(self) -> None:
        """Tell every waiting work what comes before it."""
        before = self.alone
        for turn in self._queue:
            label = before.label if before is not None else ""
            if turn.work.waits_for != label:
                turn.work.waits_for, turn.work.dirty = label, True
            before = turn.work
        self.publish()

    async def _carry_out(
        self,
        work: WorkOf[ResultT],
        run: Run[ResultT],
        done: Callable[[ResultT, float], None] | None,
        stopped: Callable[[ResultT, float], None] | None,
    ) -> None:
        def started(pid: int) -> None:
            work.pid = pid

        work.entered = True
        try:
            result = work.result = await run(work.take, started)
            work.end("done")
            for sentence in work.notices:
                self._warn(sentence)
            # The step that began it may not be on the screen any more; its result counts all the same.
            if done is not None:
                done(result, work.seconds)
        except FirstlightError as error:
            work.error = error
            work.end("failed")
        except OSError as error:
            # A drive that vanished, or a full disk, met where nobody expected it.
            work.error = system_problem(error)
            work.end("failed")
        except asyncio.CancelledError:
            work.end("cancelled")
            if stopped is not None and work.finished_part is not None:
                stopped(work.finished_part, work.seconds)
            raise
        finally:
            self.publish()
            if work.alone:
                self._begin_next()

    # Stopping -------------------------------------------------------------------------------------

    def stop(self, name: str) -> None:
        """Cancel work: its process group is ended; what waits leaves the queue."""
        work = self.works.get(name)
        if work is None or not work.pending:
            return
        if work.waiting:
            self._queue = [turn for turn in self._queue if turn.work is not work]
            work.end("cancelled")
            self._tell_queue()
            return
        self._tasks.cancel(name)
        if not work.entered:
            # Cancelled before its first step: nothing of it runs that could say so.
            work.end("cancelled")
            self.publish()
            if work.alone:
                self._begin_next()

    def move(self, name: str, by: int) -> None:
        """Let waiting work come earlier (negative) or later."""
        at = next((i for i, turn in enumerate(self._queue) if turn.work.name == name), None)
        if at is not None and 0 <= at + by < len(self._queue):
            self._queue.insert(at + by, self._queue.pop(at))
            self._tell_queue()

    def close(self) -> None:
        """The wizard ends: nothing that waits begins any more."""
        self._closed = True

    def publish(self) -> None:
        """Publish the work that runs or has changed since the last time."""
        for work in self.works:
            if work.dirty or work.running:
                work.dirty = False
                self.changed.publish(work)
