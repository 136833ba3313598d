"""Successive halving: every setting is measured a little, the better half twice as much, and so on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from firstlight_core.measure.metrics import percentile

FIRST_ROUNDS = 2
"""Rounds that every setting gets; one alone may have met a slow moment."""
LAST_ROUNDS = 8
"""Rounds that the last two have had."""
SLOW = 1.15
"""Ratio to the best median beyond which a setting is out, even among the better half."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One rung of the ladder: so many settings at most, each measured until it has had so many rounds."""

    settings: int
    rounds: int


def rungs(count: int) -> tuple[Rung, ...]:
    """Return the ladder for `count` settings; one alone has nothing to win (Jamieson and Talwalkar 2016)."""
    return tuple(_rungs(count))


def _rungs(count: int) -> Iterator[Rung]:
    rounds = FIRST_ROUNDS
    while count > 2:
        yield Rung(count, rounds)
        count, rounds = (count + 1) // 2, min(2 * rounds, LAST_ROUNDS)
    if count == 2:
        yield Rung(2, LAST_ROUNDS)


def survivors(seconds: Sequence[Sequence[float]], keep: int) -> list[int]:
    """Indices of the settings that go on, in their order: the `keep` fastest, without those that are clearly slower."""
    medians = [percentile(times, 50) for times in seconds]
    ranked = sorted(range(len(medians)), key=medians.__getitem__)
    return sorted(i for i in ranked[:keep] if medians[i] <= SLOW * medians[ranked[0]])


def measurements_left(ladder: Sequence[Rung], at: int, running: int, done: int) -> tuple[int, int]:
    """Return the rounds and measurements that are left from rung `at` on, `done` rounds being done, of `running` settings."""
    rounds = measurements = 0
    for rung in ladder[at:]:
        more = max(0, rung.rounds - done)
        rounds += more
        measurements += more * min(running, rung.settings)
        done = max(done, rung.rounds)
        running = min(running, (rung.settings + 1) // 2)
    return rounds, measurements
