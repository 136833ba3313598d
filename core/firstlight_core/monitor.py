"""Reads the machine's load; knows nothing about who looks at it."""

import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from firstlight_core.cgroups import memory_left


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look at the machine. Sizes in bytes, CPU in percent of all cores."""

    cpu: float
    memory_used: int
    memory_total: int
    disk_free: int = 0
    job_rss: int | None = None
    """Resident memory of the running job's whole process tree; None when no job runs."""


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
    free = 0
    if folder is not None:
        with contextlib.suppress(OSError):
            free = psutil.disk_usage(str(folder)).free
    return Sample(
        cpu=psutil.cpu_percent(),
        memory_used=memory.total - memory.available,
        memory_total=memory.total,
        disk_free=free,
        job_rss=tree_rss(job_pid) if job_pid is not None else None,
    )


class History:
    """The last samples, shared by every pane that draws them."""

    def __init__(self, read: Callable[[], Sample] = read_sample, length: int = 600) -> None:
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
