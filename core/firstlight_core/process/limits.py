"""Limits that a job sets on itself before it runs code from outside."""

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

if sys.platform == "win32":
    from firstlight_core.process.tree import job_objects

    def limit_self(seconds: int, memory: int) -> None:
        """Cap processor time and committed memory of this process, counted from now."""
        import psutil

        times = psutil.Process().cpu_times()
        spent = int(times.user + times.system) + 1
        job_objects().limit_self(seconds=spent + seconds, memory=_committed() + memory)

    @contextlib.contextmanager
    def limited(seconds: float, memory: int, late: Callable[[], Exception]) -> Iterator[None]:
        """Let this block commit at most `memory` bytes more; its time is the parent's to watch."""
        jobs = job_objects()
        job = jobs.limit_self(seconds=None, memory=_committed() + memory)
        try:
            yield
        finally:
            jobs.lift(job)

    def _committed() -> int:
        import psutil

        return int(psutil.Process().memory_info().pagefile)

else:
    import resource

    def limit_self(seconds: int, memory: int) -> None:
        """Cap processor time and address space of this process, counted from now."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        spent = int(used.ru_utime + used.ru_stime) + 1
        _lower(resource.RLIMIT_CPU, spent + seconds)
        _lower(resource.RLIMIT_CORE, 0)
        if sys.platform == "linux":
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            _lower(resource.RLIMIT_AS, pages * resource.getpagesize() + memory)

    def _lower(limit: int, value: int) -> None:
        """Set the soft limit, which is the one that bites; the hard one stays, so that it can be set again."""
        _, hard = resource.getrlimit(limit)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, hard))

    @contextlib.contextmanager
    def limited(seconds: float, memory: int, late: Callable[[], Exception]) -> Iterator[None]:
        """Raise `late()` when this block runs longer, and MemoryError (Linux) when it grows by more than `memory`.

        The block should call, not loop: what a signal handler raises at the end of a loop's turn skips the `try` and `with` of
        the loop's own frame on Python 3.13, this one's end included.
        """

        def interrupt(number: int, frame: FrameType | None) -> None:
            raise late()

        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        before = signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        if (used := _address_space()) is not None:
            resource.setrlimit(resource.RLIMIT_AS, (used + memory, hard))
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))

    def _address_space() -> int | None:
        with contextlib.suppress(OSError, ValueError, IndexError):
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("VmSize:"):
                    return int(line.split()[1]) * 1024
        return None
