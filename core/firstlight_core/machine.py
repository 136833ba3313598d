"""The machine once a second: cores, memory, disks and the processes of one job; and which threshold is passed."""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import psutil

from firstlight_core.monitor import ALERT_THRESHOLDS, AlertThresholds, Sample

CHILDREN_EVERY = 5
"""Samples between two searches for the job's children: the search reads the whole process table."""
SENSORS_EVERY = 10
"""Samples between two readings of temperature and battery: they change slowly, and some sensors answer slowly."""
CPU_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "soc_thermal", "acpitz")
ALERT_SAMPLES = 10
"""Samples whose mean is compared with the thresholds: a short peak is no alarm."""


@dataclass(frozen=True, slots=True)
class Counters:
    """Resources of a process since its start: CPU seconds, and bytes read and written where the system counts them."""

    cpu: float = 0.0
    read: int | None = None
    written: int | None = None


class MachineReader:
    """Reads samples; keeps the counters of the last one, from which the rates follow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._count = 0
        self._last: float | None = None
        self._disk_written: int | None = None
        self._job: int | None = None
        self._members: list[psutil.Process] = []
        self._used: dict[int, Counters] = {}
        self._temperature: float | None = None
        self._battery: float | None = None

    def read(self, job_pid: int | None = None, folder: Path | None = None) -> Sample:
        """Look at the machine now; what cannot be read is None or empty, never an exception."""
        now = self._clock()
        span = now - self._last if self._last is not None and now > self._last else None
        memory, swap = psutil.virtual_memory(), _swap()
        cores = tuple(float(share) for share in psutil.cpu_percent(percpu=True))
        if self._count % SENSORS_EVERY == 0:
            self._temperature, self._battery = cpu_temperature(), battery()
        free = 0
        if folder is not None:
            with contextlib.suppress(OSError):
                free = psutil.disk_usage(str(folder)).free
        rss, threads, cpu, read, written = self._read_job(job_pid, span)
        sample = Sample(
            cpu=fmean(cores) if cores else 0.0,
            cores=cores,
            memory_used=memory.total - memory.available,
            memory_total=memory.total,
            swap_used=swap,
            disk_free=free,
            disk_write_rate=self._disk_rate(span),
            job_rss=rss,
            job_threads=threads,
            job_cpu=cpu,
            job_read_rate=read,
            job_write_rate=written,
            temperature=self._temperature,
            battery=self._battery,
            seconds=now,
        )
        self._last, self._count = now, self._count + 1
        return sample

    def _disk_rate(self, span: float | None) -> float | None:
        written: int | None = None
        with contextlib.suppress(OSError, RuntimeError):
            counters = psutil.disk_io_counters(perdisk=False)
            written = counters.write_bytes if counters is not None else None
        before, self._disk_written = self._disk_written, written
        if span is None or before is None or written is None:
            return None
        return max(0, written - before) / span

    def _read_job(
        self, pid: int | None, span: float | None
    ) -> tuple[int | None, int | None, float | None, float | None, float | None]:
        """Return memory, threads, CPU in percent of all cores, and bytes read and written a second, of a process tree."""
        if pid is None:
            self._job, self._members, self._used = None, [], {}
            return None, None, None, None, None
        if pid != self._job or self._count % CHILDREN_EVERY == 0:
            same = pid == self._job
            self._job, self._used = pid, self._used if same else {}
            self._members = _tree(pid)
        rss = threads = 0
        used: dict[int, Counters] = {}
        for member in self._members:
            with contextlib.suppress(psutil.Error), member.oneshot():
                rss += member.memory_info().rss
                threads += member.num_threads()
                used[member.pid] = _counters(member)
        before, self._used = self._used, used
        known = [(before[key], now) for key, now in used.items() if key in before]
        if not rss:
            return None, None, None, None, None
        if span is None or not known:
            return rss, threads, None, None, None
        busy = sum(max(0.0, now.cpu - then.cpu) for then, now in known)
        cores = psutil.cpu_count() or 1
        return (
            rss,
            threads,
            100 * busy / span / cores,
            _rate([(then.read, now.read) for then, now in known], span),
            _rate([(then.written, now.written) for then, now in known], span),
        )


def _rate(pairs: Sequence[tuple[int | None, int | None]], span: float) -> float | None:
    """Bytes a second; None where the system tells none."""
    grown = [now - then for then, now in pairs if then is not None and now is not None]
    return max(0, sum(grown)) / span if grown else None


def _tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def _counters(process: psutil.Process) -> Counters:
    times = process.cpu_times()
    # macOS counts no input and output of a process.
    if (io_counters := getattr(process, "io_counters", None)) is not None:
        with contextlib.suppress(psutil.Error):
            io = io_counters()
            return Counters(times.user + times.system, int(io.read_bytes), int(io.write_bytes))
    return Counters(times.user + times.system)


def _swap() -> int | None:
    """Bytes of swap in use; None where there is none or the system tells nothing."""
    with contextlib.suppress(OSError, RuntimeError, psutil.Error):
        swap = psutil.swap_memory()
        return int(swap.used) if swap.total else None
    return None


def cpu_temperature() -> float | None:
    """Degrees Celsius of the hottest CPU sensor; None where none can be read."""
    # psutil has it on Linux and FreeBSD only.
    read = getattr(psutil, "sensors_temperatures", None)
    if read is None:
        return None
    with contextlib.suppress(OSError, RuntimeError):
        sensors = read()
        for name in CPU_SENSORS:
            values = [float(entry.current) for entry in sensors.get(name, ()) if entry.current]
            if values:
                return max(values)
    return None


def battery() -> float | None:
    """Charge in percent; None without a battery."""
    with contextlib.suppress(OSError, RuntimeError, AttributeError):
        charge = psutil.sensors_battery()
        return float(charge.percent) if charge is not None else None
    return None


def own_cpu(sample: Sample) -> float | None:
    """Load that the wizard's own work causes, in percent of all cores: of the job, else of the chat's engine."""
    return sample.job_cpu if sample.job_cpu is not None else sample.chat_cpu


@dataclass(frozen=True, slots=True)
class Alert:
    """A threshold that is passed, and what to do about it."""

    figure: str
    """Key of the threshold."""
    words: str
    advice: str


def find_alerts(
    samples: Sequence[Sample],
    *,
    response_ms: float | None = None,
    error_percent: float | None = None,
    thresholds: AlertThresholds = ALERT_THRESHOLDS,
) -> tuple[Alert, ...]:
    """Return what calls for attention: the mean of the newest samples, the newest response, the share of failed answers."""
    newest = list(samples)[-ALERT_SAMPLES:]
    alerts: list[Alert] = []
    cpu = fmean(s.cpu for s in newest) if len(newest) == ALERT_SAMPLES else 0.0
    if cpu >= thresholds["cpu_usage_percent"]:
        own = fmean(own_cpu(s) or 0.0 for s in newest)
        advice = (
            f"Other programs take {cpu - own:.0f} %: close them before you measure."
            if cpu - own > own
            else "This job takes most of it; measure when it is done."
        )
        alerts.append(Alert("cpu_usage_percent", f"CPU {cpu:.0f} %", advice))
    memory = fmean(100 * s.memory_used / max(1, s.memory_total) for s in newest) if newest else 0.0
    if memory >= thresholds["memory_usage_percent"]:
        advice = "Close programs, or choose a smaller precision or a shorter context."
        alerts.append(Alert("memory_usage_percent", f"RAM {memory:.0f} % full", advice))
    if response_ms is not None and response_ms >= thresholds["response_time_ms"]:
        words = f"First token after {response_ms / 1000:.1f} s"
        advice = "Ask something shorter, or choose a smaller precision."
        alerts.append(Alert("response_time_ms", words, advice))
    if error_percent is not None and error_percent >= thresholds["error_rate_percent"]:
        words = f"{error_percent:.0f} % of the answers failed"
        advice = "Read the reason in Chat; another context length or artifact may help."
        alerts.append(Alert("error_rate_percent", words, advice))
    return tuple(alerts)
