"""Notices what makes measurements worthless: a machine that slept, was busy with something else, or was slowed down."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import urlsplit

import psutil

from firstlight_core.counters import clocks, tells_sleep
from firstlight_core.documents.bench_parts import BenchConditions
from firstlight_core.measure.busy_processes import (
    BusyProcess,
    Processes,
    busiest,
    load_words,
    process_times,
)
from firstlight_core.measure.throttling import ThrottleWatch

SLEPT_SECONDS = 1.0
"""A larger gap between the clock that counts sleep and the one that does not makes a run void (SAFETY 1.6)."""
BUSY_SHARE = 0.25
"""Share of all cores used by other programs above which a run is void."""
_CLOCKS = clocks()
SLEEP_KNOWN = tells_sleep()


class InterferenceWatch:
    """Notices what makes figures worthless: sleep, other programs, a processor that was slowed down."""

    def __init__(
        self,
        *,
        awake: Callable[[], float] | None = None,
        whole: Callable[[], float] | None = None,
        busy: Callable[[], float] | None = None,
        ours: Callable[[Sequence[int]], float] | None = None,
        processes: Callable[[], Processes] | None = None,
        throttle: ThrottleWatch | None = None,
        sleep_known: bool = SLEEP_KNOWN,
    ) -> None:
        """Clocks in seconds: not counting sleep, counting it; processor time of everything, of ours, and of each program."""
        self._awake = awake or awake_clock
        self._whole = whole or whole_clock
        self._busy = busy or busy_seconds
        self._ours = ours or processor_seconds
        self._processes = processes or process_times
        self._throttle = throttle or ThrottleWatch()
        self._sleep_known = sleep_known
        self._others_known = False
        self._before: Processes = {}
        self._culprit: BusyProcess | None = None
        self._slept = 0.0
        self._busiest = 0.0
        self._start = (0.0, 0.0, 0.0, 0.0)
        self._pids: list[int] = []
        self._all_known = True

    def begin(self, pids: list[int], all_known: bool = True) -> None:
        """Measuring starts; `pids` work for it. If `pids` misses one, the load of other programs is unknown."""
        self._pids = pids
        self._all_known = all_known
        self._before = self._processes()
        self._throttle.begin()
        self._start = (self._awake(), self._whole(), self._busy(), self._ours(pids))

    def look(self) -> None:
        """A repetition has just ended."""
        self._throttle.look()

    def end(self) -> None:
        """Measuring has stopped, the engines still run."""
        awake, whole, busy, ours = self._start
        passed = self._awake() - awake
        self._slept += max(0.0, self._whole() - whole - passed)
        others = (self._busy() - busy) - (self._ours(self._pids) - ours)
        self._throttle.end(passed)
        if passed > 0 and self._all_known:
            self._others_known = True
            share = others / passed / (psutil.cpu_count() or 1)
            if share > max(self._busiest, BUSY_SHARE):
                # Looking at every process takes a while, so only when there is something to say.
                ours_too = {os.getpid(), *self._pids}
                self._culprit = busiest(self._before, self._processes(), passed, ours=ours_too)
            self._busiest = max(self._busiest, share)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the load of a program out whose processor time cannot be told from others'; sleep still counts."""
        awake, busy, ours = self._awake(), self._busy(), self._ours(self._pids)
        try:
            yield
        finally:
            passed = self._awake() - awake
            start = self._start
            self._start = (
                start[0] + passed,
                start[1] + passed,
                start[2] + self._busy() - busy,
                start[3] + self._ours(self._pids) - ours,
            )

    def notes(self) -> list[str]:
        """Return one sentence for each reason to throw the figures away."""
        reasons = []
        if self._slept > SLEPT_SECONDS:
            reasons.append(
                f"Void: the machine slept for {self._slept:.0f} s while it was measured. Measure again."
            )
        if self._busiest > BUSY_SHARE:
            load = load_words(self._busiest, self._culprit)
            reasons.append(f"Void: other programs were using {load}. Close them and measure again.")
        if slowed := self._throttle.reason():
            reasons.append(f"Void: {slowed}. Let it cool down, plug it in, and measure again.")
        return reasons

    def conditions(self) -> BenchConditions:
        """Return what the machine did meanwhile; what the system does not tell is left out."""
        conditions: BenchConditions = {}
        if self._sleep_known:
            conditions["slept_s"] = self._slept
        if self._others_known:
            conditions["others_share"] = max(0.0, self._busiest)
        if (throttled := self._throttle.throttled) is not None:
            conditions["throttled"] = throttled
        if (clocks := self._throttle.clocks) is not None:
            conditions["clock_mhz"] = clocks
        return conditions


def server_processes(base_url: str) -> list[int]:
    """Return the processes of the server that listens at a local address; none when the system does not tell."""
    port = urlsplit(base_url).port or (443 if base_url.startswith("https") else 80)
    pids: list[int] = []
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN
            if listens and tuple(connection.laddr)[1:2] == (port,) and connection.pid:
                # Ollama and vLLM compute in children of the process that listens.
                children = psutil.Process(connection.pid).children(recursive=True)
                pids += [connection.pid, *(child.pid for child in children)]
    return pids


def awake_clock() -> float:
    """Seconds that do not count sleep, where the system tells them apart."""
    return _CLOCKS[0]()


def whole_clock() -> float:
    """Seconds that count sleep; the same as `awake_clock` where the system has no such clock."""
    return _CLOCKS[1]()


def processor_seconds(pids: Sequence[int]) -> float:
    """Processor seconds of this process and of those named; one that is gone counts nothing."""
    total = sum(psutil.Process().cpu_times()[:2])
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            total += sum(psutil.Process(pid).cpu_times()[:2])
    return float(total)


def others_seconds() -> float:
    """Return the processor seconds that programs other than this one have used since the start."""
    return busy_seconds() - processor_seconds(())


def busy_seconds() -> float:
    """Processor seconds that all programs have used since the start."""
    times = psutil.cpu_times()
    return float(times.user + times.system + getattr(times, "nice", 0.0))
