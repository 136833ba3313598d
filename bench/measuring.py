"""Shared by all benches: a figure, its samples, the machine, and its load."""

import json
import os
import statistics
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from firstlight_core.monitor import PEAK_SECONDS, PeakMemory

RESULTS = Path(__file__).parent / "results"
REPOSITORY = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured figure beside the number of SPEC 4 that it has to reach."""

    name: str
    unit: str
    samples: tuple[float, ...]
    target: str = ""
    against: str = ""
    against_samples: tuple[float, ...] = field(default=())
    """The plain tool's samples, taken in turn with ours."""

    @property
    def median(self) -> float:
        """Median of the samples."""
        return statistics.median(self.samples)

    @property
    def ratio(self) -> float | None:
        """Ours to the plain tool's: the median of the pairs that were taken in turn, else median to median."""
        if not self.against_samples:
            return None
        if len(self.samples) == len(self.against_samples):
            pairs = zip(self.samples, self.against_samples, strict=True)
            return statistics.median(ours / theirs for ours, theirs in pairs)
        return self.median / statistics.median(self.against_samples)

    @property
    def tail(self) -> dict[str, float]:
        """The 99th percentile and the worst, where there are samples enough to speak of one."""
        if len(self.samples) < 100:
            return {}
        ordered = sorted(self.samples)
        return {"p99": ordered[round(0.99 * (len(ordered) - 1))], "worst": ordered[-1]}

    def __str__(self) -> str:
        spread = f"{min(self.samples):.4g} to {max(self.samples):.4g}"
        spread += "".join(f", {name} {value:.4g}" for name, value in self.tail.items())
        ratio = f", {self.ratio:.3f} × {self.against}" if self.ratio is not None else ""
        goal = f" (to reach: {self.target})" if self.target else ""
        return f"{self.name}: {self.median:.4g} {self.unit} ({spread}){ratio}{goal}"


def machine_line() -> str:
    """Processor, cores, memory and system in one line."""
    from firstlight_core.measure.benchmark import machine

    about = machine()
    return f"{about['cpu']}, {about['threads']} threads, {about['memory']}, {about['system']}, Python {about['python']}"


def write_result(name: str, figures: Sequence[Figure]) -> str:
    """Write one bench's figures with every sample; returns the path below the repository."""
    from firstlight_core.files import write_json

    path = RESULTS / f"{name}.json"
    write_json(
        path,
        {
            "bench": name,
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "machine": machine_line(),
            "load_average": [round(value, 2) for value in os.getloadavg()],
            "figures": [
                {**asdict(figure), "median": figure.median, **figure.tail}
                | ({"ratio": figure.ratio} if figure.ratio is not None else {})
                for figure in figures
            ],
        },
    )
    return str(path.relative_to(REPOSITORY))


def timed(command: Sequence[str | Path], *, env: dict[str, str] | None = None) -> tuple[float, int]:
    """Wall seconds of one process, which must end with 0, and peak resident bytes of it and all its children together.

    Raises:
        RuntimeError: it ended otherwise.
    """
    begun = time.perf_counter()
    process = subprocess.Popen(
        [str(word) for word in command],
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    memory = PeakMemory()
    memory.begin("whole")
    memory.add(process.pid)
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(PEAK_SECONDS):
            memory.take()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    ended.set()
    watcher.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}")
    # A process that was shorter than a sample is known to the kernel only.
    return seconds, max(memory.peak, usage.ru_maxrss * 1024)


def spoken(command: Sequence[str | Path], *, env: dict[str, str] | None = None) -> Any:
    """The JSON document on the stdout of a process.

    Raises:
        RuntimeError: it ended with something other than 0.
    """
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{command} ended with {done.returncode}: {done.stderr[-2000:]}")
    return json.loads(done.stdout)
