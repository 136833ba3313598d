"""Counters of each operating system: peak memory, clocks that stop or go on during sleep, and what threads ask for."""

import contextlib
import ctypes
import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")
Clock = Callable[[], float]


def give_back_memory(*, library: Callable[[], Any] | None = None) -> None:
    """Return freed memory to the system: glibc keeps it in its arenas, other C libraries have no such call."""
    gc.collect()
    # `CDLL(None)` raises TypeError on Windows, where there is no such thing as the whole process.
    with contextlib.suppress(OSError, AttributeError, TypeError):
        (library or _whole_process)().malloc_trim(0)


def _whole_process() -> Any:
    return ctypes.CDLL(None)


def reset_peak() -> None:
    """Begin a new peak of resident memory, where the kernel can (Linux: proc(5), clear_refs 5)."""
    give_back_memory()
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _max_resident(children: bool) -> int:
    """`ru_maxrss` of this process, or of the largest child that has ended, in the unit of the system."""
    if sys.platform == "win32":
        return 0
    else:
        import resource

        kind = resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF
        return int(resource.getrusage(kind).ru_maxrss)


def _memory_info() -> Any:
    import psutil

    return psutil.Process().memory_info()


def peak_memory(
    *,
    platform: str = sys.platform,
    status: Path = STATUS,
    max_resident: Callable[[bool], int] = _max_resident,
    memory_info: Callable[[], Any] = _memory_info,
) -> int:
    """Return the most resident memory this process has had so far, in bytes.

    Linux: VmHWM, because `ru_maxrss` survives exec there and may be the parent's. macOS: `ru_maxrss`, in bytes.
    Windows: the peak working set. Elsewhere what is resident now.
    """
    if platform == "linux":
        with contextlib.suppress(OSError, ValueError, IndexError):
            for line in status.read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    if platform == "darwin" and (highest := max_resident(False)):
        return highest
    memory = memory_info()
    return int(getattr(memory, "peak_wset", memory.rss))


def children_peak(
    *, platform: str = sys.platform, max_resident: Callable[[bool], int] = _max_resident
) -> int:
    """Return the most resident memory that an ended child, or a child of it, has had, in bytes; 0 on Windows.

    Linux counts `ru_maxrss` in KiB, macOS in bytes.
    """
    return max_resident(True) * (1 if platform == "darwin" else 1024)


def _load_averages() -> tuple[float, float, float]:
    import psutil

    return psutil.getloadavg()


def load_average(*, read: Callable[[], tuple[float, float, float]] = _load_averages) -> float:
    """Return how many processes wanted a core in the last minute; 0 where the system does not tell.

    On Windows psutil counts it from performance counters, which can be switched off or broken: it raises RuntimeError.
    """
    try:
        return read()[0]
    except (OSError, RuntimeError):
        return 0.0


class WindowsClocks:
    """Interrupt time without sleep, and milliseconds since the start with it; takes kernel32 or its like."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel

    def awake(self) -> float:
        """Return seconds that do not count sleep."""
        count = ctypes.c_uint64()
        self._kernel.QueryUnbiasedInterruptTime(ctypes.byref(count))
        return count.value / 1e7

    def whole(self) -> float:
        """Return seconds that count sleep."""
        return float(self._kernel.GetTickCount64()) / 1e3


def clocks(
    *, platform: str = sys.platform, kernel: Any = None, read: Callable[[int], float] | None = None
) -> tuple[Clock, Clock]:
    """Return two clocks in seconds: one stops while the machine sleeps, the other does not.

    Both are the same where the system tells no difference.
    """
    if platform == "win32":
        windows = WindowsClocks(kernel or _kernel32())
        return windows.awake, windows.whole
    read = read or getattr(time, "clock_gettime", None)
    if read is None:
        return time.monotonic, time.monotonic
    monotonic = getattr(time, "CLOCK_MONOTONIC", 1)
    # macOS counts sleep in CLOCK_MONOTONIC and has a clock without it; Linux is the other way round.
    if platform == "darwin":
        awake, whole = getattr(time, "CLOCK_UPTIME_RAW", 8), monotonic
    else:
        awake, whole = monotonic, getattr(time, "CLOCK_BOOTTIME", monotonic)
    return (lambda: read(awake)), (lambda: read(whole))


def tells_sleep(*, platform: str = sys.platform, has: Callable[[str], bool] | None = None) -> bool:
    """Return whether the two clocks of `clocks` differ by the time that the machine slept."""
    has = has or (lambda name: hasattr(time, name))
    return platform == "win32" or has(
        "CLOCK_UPTIME_RAW" if platform == "darwin" else "CLOCK_BOOTTIME"
    )


def _kernel32() -> Any:
    if sys.platform == "win32":
        kernel = ctypes.WinDLL("kernel32")
        kernel.GetTickCount64.restype = ctypes.c_uint64
        return kernel
    raise OSError("There is no kernel32 here")


def thread_demands(pid: int) -> dict[int, float]:
    """Seconds that each thread of a process has run and waited for a core; empty where the system does not tell."""
    demands = {}
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return {}
    for thread in threads:
        try:
            ran, waited, _ = (thread / "schedstat").read_text().split()
        except (OSError, ValueError):
            continue
        demands[int(thread.name)] = (int(ran) + int(waited)) / 1e9
    return demands
