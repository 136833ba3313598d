"""The programs that use the processor beside a measurement, and waiting until none of them does."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

import psutil

from firstlight_core.errors import CheckFailed, UsageError
from firstlight_core.process.events import Event, Measured, Progress, Stage
from firstlight_core.text import one_line

QUIET_SHARE = 0.10
"""Share of all cores below which other programs do not disturb."""
QUIET_SECONDS = 3
"""Seconds in a row that a machine must be quiet."""
NAMED_SHARE = 0.05
"""Share of all cores from which on a program is named."""
LONGEST_WAIT = 86_400
OTHERS_PERCENT, QUIET_FOR = "others_percent", "quiet_s"
"""Figures that are told each second of waiting: the load of other programs in percent of all cores, labelled with the
busiest one, and the seconds in a row that the machine has been quiet."""


@dataclass(frozen=True, slots=True)
class ProcessTimes:
    """Name of a process, and the processor seconds that it has used since its start."""

    name: str
    started: float
    seconds: float


@dataclass(frozen=True, slots=True)
class BusyProcess:
    """A program and the share of all cores that it used."""

    name: str
    pid: int
    share: float

    def __str__(self) -> str:
        return f"{one_line(self.name, 40)} (process {self.pid}) {100 * self.share:.0f} %"


Processes = Mapping[int, ProcessTimes]


def process_times() -> dict[int, ProcessTimes]:
    """Return the processor time of every process that the system tells; costs about 0.1 ms for each."""
    times: dict[int, ProcessTimes] = {}
    for process in psutil.process_iter(["name", "cpu_times", "create_time"]):
        name, spent = process.info["name"], process.info["cpu_times"]
        if spent is not None:
            seconds = float(spent.user + spent.system)
            times[process.pid] = ProcessTimes(
                name or "?", process.info["create_time"] or 0, seconds
            )
    return times


def busiest(
    before: Processes, after: Processes, seconds: float, *, ours: Collection[int] = ()
) -> BusyProcess | None:
    """Return the program that used most between two looks; None when none is worth a name.

    A process that began in between counts from its start; one that has ended is not seen.
    """
    cores = psutil.cpu_count() or 1
    top: BusyProcess | None = None
    for pid, now in after.items():
        if pid in ours or seconds <= 0:
            continue
        then = before.get(pid)
        used = now.seconds - (then.seconds if then and then.started == now.started else 0.0)
        share = used / seconds / cores
        if share >= NAMED_SHARE and (top is None or share > top.share):
            top = BusyProcess(now.name, pid, share)
    return top


def load_words(share: float, culprit: BusyProcess | None) -> str:
    """Return the load of other programs in words, with the one that uses most."""
    words = f"{100 * share:.0f} % of the CPU"
    if culprit is None:
        return words
    return f"{words}, {'most of it' if culprit.share >= share / 2 else 'among them'} {culprit}"


async def wait_until_quiet(
    limit: float,
    tell: Callable[[Event], None],
    *,
    load: Callable[[], float],
    processes: Callable[[], Processes] = process_times,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ours: Collection[int] = (),
) -> None:
    """Wait until other programs leave the processor alone for some seconds.

    Args:
        limit: seconds after which it is given up.
        load: the processor seconds that other programs have used so far.

    Raises:
        UsageError: the limit is out of range.
        CheckFailed: the machine did not become quiet in time.
    """
    if not 0 < limit <= LONGEST_WAIT:
        raise UsageError(f"The seconds to wait must lie between 1 and {LONGEST_WAIT}.")
    tell(Stage("quiet", "Waiting until the machine is quiet"))
    begun = last = clock()
    used, before = load(), await asyncio.to_thread(processes)
    quiet, share, culprit = 0, 0.0, None
    while quiet < QUIET_SECONDS:
        if last - begun >= limit:
            raise CheckFailed(
                f"The machine did not become quiet within {limit:.0f} s: other programs use "
                f"{load_words(share, culprit)}.",
                hint="Close them, or wait longer.",
            )
        await sleep(1.0)
        now, more, after = clock(), load(), await asyncio.to_thread(processes)
        passed = max(1e-9, now - last)
        share = max(0.0, more - used) / passed / (psutil.cpu_count() or 1)
        top = busiest(before, after, passed, ours=ours)
        if share >= QUIET_SHARE and top is not None and (not culprit or top.pid != culprit.pid):
            tell(Stage("quiet", f"Waiting until the machine is quiet: {top}", renews=True))
        culprit = top or culprit
        quiet = quiet + 1 if share < QUIET_SHARE else 0
        last, used, before = now, more, after
        tell(
            Measured(
                OTHERS_PERCENT, 100 * share, "%", str(top) if top is not None else "no program"
            )
        )
        tell(Measured(QUIET_FOR, float(quiet), "s"))
        tell(Progress(round(last - begun), round(limit), "seconds", f"{100 * share:.0f} % busy"))
