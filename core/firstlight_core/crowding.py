"""How much of the processor the machine gives a job, of what the job asks for."""

import time
from collections.abc import Callable, Reversible, Sequence
from dataclasses import dataclass
from itertools import islice

from firstlight_core.monitor import CoreShare, Sample

CROWDED = 30.0
"""Percent of all cores that other programs take from which a job counts as crowded."""
ENOUGH = 90.0
"""Percent of its demand with which a job is not crowded, whatever else runs."""
_CROWD_SAMPLES = 5


class TreeDemand:
    """Processor time that the threads below a process ask for between two looks: what they got, and what they waited.

    The kernel counts both for each thread (sched-stats, since Linux 2.6). More threads than cores ask for all cores, no
    more: they would wait on an idle machine too.
    """

    def __init__(
        self,
        *,
        read: Callable[[int], dict[int, float]] | None = None,
        clock: Callable[[], float] = time.monotonic,
        cores: int | None = None,
    ) -> None:
        self._read = read or _demands
        self._share = CoreShare(clock, cores)

    def take(self, tree: Sequence[int]) -> float | None:
        """Percent of all cores that the threads of these processes asked for since the last look; None at the first."""
        asked: dict[int, float] = {}
        for child in tree:
            asked |= self._read(child)
        share = self._share.take(asked, newborn=False)
        return share if asked else None


def _demands(pid: int) -> dict[int, float]:
    # The counters load ctypes, which the first paint does not wait for.
    from firstlight_core.counters import thread_demands

    return thread_demands(pid)


@dataclass(frozen=True, slots=True)
class Crowding:
    """Processor shares of a job and of all other programs, in percent of all cores."""

    job: float
    others: float
    given: float
    """Percent of what the job asked for that it got; of all cores where the system does not tell what it asked for."""

    @property
    def words(self) -> str:
        """A sentence for a person who waits for the job."""
        return f"The machine gives this job {self.given:.0f} %: other programs take {self.others:.0f} % of the processor."


def crowding(samples: Reversible[Sample]) -> Crowding | None:
    """Return how other programs crowd the job, averaged over the last seconds; None where they leave it enough."""
    with_job = (sample for sample in reversed(samples) if sample.job_cpu is not None)
    known = list(islice(with_job, _CROWD_SAMPLES))
    if not known:
        return None
    job = sum(sample.job_cpu or 0.0 for sample in known) / len(known)
    others = sum(max(0.0, sample.cpu - (sample.job_cpu or 0.0)) for sample in known) / len(known)
    # A job that waits for the disk on an idle machine is not crowded.
    if others < CROWDED or job + others < 80.0:
        return None
    wanted = [sample.job_wanted for sample in known if sample.job_wanted is not None]
    asked = sum(wanted) / len(wanted) if wanted else 0.0
    given = min(100.0, 100.0 * job / asked) if asked > 0 else job
    return Crowding(job, others, given) if given < ENOUGH else None
