"""The rest of a tuning: builds, rounds and measurements, and an estimate of the time."""

import time
from collections.abc import Callable

from firstlight_core.process.events import Event, Remaining


class Outlook:
    """Counts what is left, and estimates its time from what the same kind of work took so far."""

    def __init__(
        self, tell: Callable[[Event], None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tell = tell
        self._clock = clock
        self._builds = 0
        self._build_seconds = 0.0
        self._races: dict[str, tuple[int, int]] = {}
        self._measured = 0
        self._since: float | None = None
        self._seconds = 0.0

    def expect_builds(self, count: int, seconds_each: float) -> None:
        """So many artifacts are to be built, each in about so many seconds."""
        self._builds, self._build_seconds = count, seconds_each

    def built(self, seconds_each: float) -> None:
        """One artifact is built; those so far took so many seconds on average."""
        self._builds = max(0, self._builds - 1)
        self._build_seconds = seconds_each
        self.say()

    def expect(self, race: str, rounds: int, measurements: int) -> None:
        """A race has so much left."""
        self._races[race] = (rounds, measurements)

    def begin(self) -> None:
        """Measuring begins; loading counts as part of it."""
        self._since = self._clock()

    def measured(self) -> None:
        """One measurement is done."""
        if self._since is not None:
            now = self._clock()
            self._seconds += now - self._since
            self._since = now
            self._measured += 1

    @property
    def left(self) -> Remaining:
        """The rest as it is now."""
        rounds = sum(rounds for rounds, _ in self._races.values())
        measurements = sum(count for _, count in self._races.values())
        each = self._seconds / self._measured if self._measured else None
        seconds = self._builds * self._build_seconds if self._builds else None
        if each is not None or not measurements:
            whole = (seconds or 0.0) + measurements * (each or 0.0)
            return Remaining(self._builds, rounds, measurements, whole)
        return Remaining(self._builds, rounds, measurements, seconds, seconds is not None)

    def say(self) -> None:
        """Tell what is left."""
        self._tell(self.left)
