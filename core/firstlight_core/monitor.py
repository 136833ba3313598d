"""Reads the machine's load; knows nothing about who looks at it."""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import psutil

from firstlight_core.cgroups import memory_left


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look at the machine. Sizes in bytes, rates in bytes a second, CPU and battery in percent, temperature in °C."""

    cpu: float
    memory_used: int
    memory_total: int
    disk_free: int = 0
    disk_total: int = 0
    job_rss: int | None = None
    """Resident memory of the running job's whole process tree; None when no job runs."""
    job_cpu: float | None = None
    """Processor time of the running job's process tree since the last sample, in percent of all cores; None when no job runs."""
    job_wanted: float | None = None
    """Processor time that the threads of that tree asked for, in percent of all cores; None where the system is silent."""
    cores: tuple[float, ...] = ()
    swap_used: int | None = None
    disk_write_rate: float | None = None
    chat_cpu: float | None = None
    """The same of the chat's engine, while no job runs."""
    job_threads: int | None = None
    job_read_rate: float | None = None
    job_write_rate: float | None = None
    temperature: float | None = None
    battery: float | None = None
    decode_rate: float | None = None
    prefill_rate: float | None = None
    """Tokens a second while an answer or a measurement is made; None at other times."""
    seconds: float = 0.0
    """When the sample was read, on a clock that only grows."""


class AlertThresholds(TypedDict):
    """The figures above which a service or a machine calls for attention."""

    response_time_ms: int
    error_rate_percent: int
    memory_usage_percent: int
    cpu_usage_percent: int


ALERT_THRESHOLDS: AlertThresholds = {
    "response_time_ms": 2000,
    "error_rate_percent": 5,
    "memory_usage_percent": 85,
    "cpu_usage_percent": 80,
}
"""The course's alert thresholds (Module 6, section 1: alert_thresholds; cpu_threshold), for report and gauges."""
EMPTY_SAMPLE = Sample(cpu=0.0, memory_used=0, memory_total=1)


def available_memory() -> int:
    """Bytes a new job may use: what the machine has available, capped by what the cgroups have left."""
    available = int(psutil.virtual_memory().available)
    left = memory_left()
    return available if left is None else min(available, left)


def tree_rss(pid: int) -> int | None:
    """Resident bytes of a process and all its children; None when it is gone."""
    try:
        root = psutil.Process(pid)
        members = [root, *root.children(recursive=True)]
    except psutil.Error:
        return None
    total = 0
    for member in members:
        with contextlib.suppress(psutil.Error):
            total += member.memory_info().rss
    return total or None


def process_rss(pid: int) -> int | None:
    """Resident bytes of one process without its children, which is quick; None when it is gone."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return None


def read_sample(job_pid: int | None = None, folder: Path | None = None) -> Sample:
    """Look at the machine now; what cannot be read is 0 or None, never an exception."""
    memory = psutil.virtual_memory()
    free = total = 0
    if folder is not None:
        with contextlib.suppress(OSError):
            disk = psutil.disk_usage(str(folder))
            free, total = disk.free, disk.total
    return Sample(
        cpu=psutil.cpu_percent(),
        memory_used=memory.total - memory.available,
        memory_total=memory.total,
        disk_free=free,
        disk_total=total,
        job_rss=tree_rss(job_pid) if job_pid is not None else None,
    )


class CoreShare:
    """Percent of all cores by which counters of processor seconds grow between two looks."""

    def __init__(self, clock: Callable[[], float], cores: int | None) -> None:
        self._clock = clock
        self._cores = cores or psutil.cpu_count() or 1
        self._last: Mapping[int, float] = {}
        self._at: float | None = None

    def take(self, counters: Mapping[int, float], *, newborn: bool) -> float | None:
        """Return the percent since the last look, None at the first; a `newborn` counter counts from its start."""
        now, before, last = self._clock(), self._at, self._last
        self._at, self._last = now, counters
        if before is None or now <= before:
            return None
        grown = sum(
            max(0.0, seconds - last.get(key, 0.0))
            for key, seconds in counters.items()
            if newborn or key in last
        )
        return min(100.0, 100.0 * grown / (now - before) / self._cores)


class TreeCpu:
    """Processor time that the descendants of a process use between two looks."""

    def __init__(
        self,
        *,
        read: Callable[[int], float | None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        cores: int | None = None,
    ) -> None:
        self._read = read or cpu_seconds
        self._share = CoreShare(clock, cores)

    def take(self, tree: Sequence[int]) -> float | None:
        """Percent of all cores that these processes used since the last look; None at the first."""
        used = {child: held for child in tree if (held := self._read(child)) is not None}
        return self._share.take(used, newborn=True)


def cpu_seconds(pid: int) -> float | None:
    """Processor seconds of one process since it began; None when it is gone."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return None
    return float(times.user + times.system)


PEAK_SECONDS = 0.15
"""Between two samples of a peak; what is shorter is seen by the kernel's own mark of each process."""
_FIND_CHILDREN_EVERY = 5
"""Samples between two searches for new children: the search reads the whole process table."""


@dataclass(frozen=True, slots=True)
class Resident:
    """Resident memory of one process, in bytes."""

    now: int
    highest: int
    """Since its start, or since it reset the mark; where the kernel keeps none, `now`."""


def read_resident(pid: int) -> Resident | None:
    """Resident memory of one process now and at its highest; None when it is gone."""
    try:
        fields = dict(
            line.split(":", 1)
            for line in Path(f"/proc/{pid}/status").read_text().splitlines()
            if line.startswith(("VmRSS:", "VmHWM:"))
        )
        return Resident(*(int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM")))
    except (OSError, ValueError, KeyError):
        pass
    try:
        memory = psutil.Process(pid).memory_info()
    except psutil.Error:
        return None
    return Resident(int(memory.rss), int(getattr(memory, "peak_wset", memory.rss)))


def child_pids(pid: int) -> list[int]:
    """Return the process ids of all children, and of theirs."""
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []


class PeakMemory:
    """The most resident memory that several process trees held together, by stage.

    Sampled; between two samples the kernel's mark of each process counts, beside what the others held at both ends.
    Pages that two processes share count in each, as they do in top.
    """

    def __init__(
        self,
        *,
        read: Callable[[int], Resident | None] = read_resident,
        children: Callable[[int], list[int]] = child_pids,
    ) -> None:
        self._read = read
        self._children = children
        self._roots: set[int] = set()
        self._members: set[int] = set()
        self._last: dict[int, Resident] = {}
        self._fixed = 0
        self._samples = 0
        self._stage = ""
        self._peaks: dict[str, int] = {}
        self._lock = threading.RLock()
        self._task: asyncio.Task[None] | None = None
        self.now = 0
        """Bytes at the last sample, the fixed ones included."""

    @property
    def live(self) -> int:
        """Bytes at the last sample of the processes that are still watched."""
        return self.now - self._fixed

    @property
    def peak(self) -> int:
        """The most bytes of all stages."""
        return max(self._peaks.values(), default=0)

    @property
    def peaks(self) -> Mapping[str, int]:
        """The most bytes of each stage, in the order of the stages."""
        return dict(self._peaks)

    def begin(self, stage: str) -> None:
        """Count what comes for another stage."""
        with self._lock:
            if self._stage:
                self.take()
            self._stage = stage
            self.take()

    def add(self, pid: int) -> None:
        """Watch a process and its children, too; what it held before does not count."""
        with self._lock:
            self._roots.add(pid)
            self._samples = 0
            if (resident := self._read(pid)) is not None:
                self._last[pid] = resident

    def fix(self, pid: int) -> None:
        """Count a process from now on with its current memory: its next work is not measured."""
        with self._lock:
            self._roots.discard(pid)
            for member in (pid, *self._children(pid)):
                self._last.pop(member, None)
                resident = self._read(member)
                self._fixed += resident.now if resident is not None else 0
            self._samples = 0

    def take(self) -> int:
        """Sample now; returns the bytes that are held."""
        with self._lock:
            self._sample()
            return self.now

    def _sample(self) -> None:
        if self._samples % _FIND_CHILDREN_EVERY == 0:
            self._members = self._roots.union(*map(self._children, self._roots))
        self._samples += 1
        resident = {pid: held for pid in self._members if (held := self._read(pid)) is not None}
        self.now = self._fixed + sum(held.now for held in resident.values())
        highest = self.now
        for pid, held in resident.items():
            before = self._last.get(pid)
            if before is None or held.highest > before.highest:
                # It has been higher since the last sample; the others held at least this much then.
                others = sum(
                    min(other.now, self._last.get(key, other).now)
                    for key, other in resident.items()
                    if key != pid
                )
                highest = max(highest, self._fixed + held.highest + others)
        self._last = resident
        self._peaks[self._stage] = max(self._peaks.get(self._stage, 0), highest)

    def start(self, tell: Callable[["PeakMemory"], None] | None = None) -> None:
        """Sample beside the event loop until `stop`; `tell` gets every sample."""
        self._task = asyncio.create_task(self._follow(tell))

    async def stop(self) -> None:
        """Stop sampling; the peaks remain."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    async def _follow(self, tell: Callable[["PeakMemory"], None] | None) -> None:
        while True:
            await asyncio.to_thread(self.take)
            if tell is not None:
                tell(self)
            await asyncio.sleep(PEAK_SECONDS)


class History:
    """The last samples, shared by every pane that draws them."""

    def __init__(self, read: Callable[[], Sample] = read_sample, length: int = 7200) -> None:
        self.read = read
        self.samples: deque[Sample] = deque(maxlen=length)

    @property
    def last(self) -> Sample:
        """The newest sample, or an empty one."""
        return self.samples[-1] if self.samples else EMPTY_SAMPLE

    def take(self) -> Sample:
        """Read one sample and keep it."""
        self.samples.append(sample := self.read())
        return sample
