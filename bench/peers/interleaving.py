"""Runs subjects in turns and notices what disturbs them."""

import math
import os
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import psutil

from bench.peers.document import Run, Samples
from firstlight_core.measure.interference import InterferenceWatch, processor_seconds

LEAST_ROUNDS = 5
"""Rounds without disturbance that a longer run needs."""


class Subject(Protocol):
    """Something that is measured: a name, its long-lived processes, and one repetition."""

    @property
    def name(self) -> str:
        """Its name in tables."""

    @property
    def pids(self) -> Sequence[int]:
        """Its processes that live as long as it."""

    async def repeat(self) -> Mapping[str, float]:
        """Measure once; figures by metric."""


def own_watch() -> InterferenceWatch:
    """Return a watch to which the programs that this process has waited for are its own."""
    return InterferenceWatch(ours=seconds_with_children)


async def run_in_turns(
    subjects: Sequence[Subject],
    rounds: int,
    *,
    kind: str,
    model: str,
    machine: str,
    warm_up: bool,
    most_seconds: float = math.inf,
    make_watch: Callable[[], InterferenceWatch] = own_watch,
    clock: Callable[[], float] = time.monotonic,
) -> Run:
    """Measure every subject once a round, each round beginning with the next one.

    Where a further round might end after `most_seconds`, as the longest before it tells, none begins. With `warm_up` a first round is thrown away. A disturbed round is void; where fewer than `LEAST_ROUNDS` remain, or
    any of a shorter run is, the whole run is. Programs that a subject starts and waits for count as its own.
    """
    void_rounds: list[int] = []
    reasons: list[str] = []
    figures: dict[str, dict[str, list[float]]] = {
        subject.name: defaultdict(list) for subject in subjects
    }
    load = [round(value, 2) for value in os.getloadavg()]
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    begun = last = clock()
    longest = 0.0
    measured_rounds = 0
    for number in range(rounds + warm_up):
        counts = number >= warm_up
        now = clock()
        longest = max(longest, now - last)
        last = now
        if now - begun + longest > most_seconds:
            break
        measured_rounds += counts
        turn = number % len(subjects)
        watch = make_watch()
        if counts:
            watch.begin([pid for subject in subjects for pid in subject.pids])
        for subject in [*subjects[turn:], *subjects[:turn]]:
            measured = await subject.repeat()
            for metric, value in measured.items() if counts else ():
                figures[subject.name][metric].append(value)
        if counts:
            watch.end()
            if notes := watch.notes():
                void_rounds.append(number - warm_up)
                reasons += notes
    least = min(LEAST_ROUNDS, rounds)
    if measured_rounds < least:
        reasons.append(f"Void: only {measured_rounds} rounds fitted into {most_seconds:.0f} s.")
    return {
        "kind": kind,
        "model": model,
        "machine": machine,
        "at": at,
        "load_average": load,
        "void_reasons": [] if measured_rounds - len(void_rounds) >= least else reasons,
        "void_rounds": void_rounds,
        "subjects": [
            Samples(subject=name, figures=dict(metrics)) for name, metrics in figures.items()
        ],
    }


def seconds_with_children(pids: Sequence[int]) -> float:
    """Processor seconds of this process, of the children that it has waited for, and of those named."""
    times = psutil.Process().cpu_times()
    waited_for = float(
        getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    )
    return processor_seconds(pids) + waited_for
