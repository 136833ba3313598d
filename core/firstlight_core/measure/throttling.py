"""Notices a processor that was slowed down while it was measured: by heat, or by a clock that fell."""

from collections.abc import Callable

from firstlight_core.documents.figures import Spread
from firstlight_core.measure.metrics import mean, spread
from firstlight_core.sensors import Throttling, read_clock, read_throttling

THROTTLED_SHARE = 0.01
"""Share of the time for which heat may slow the processor down: a millisecond now and then is normal on a laptop."""
FALLEN_CLOCK = 0.8
"""Share of its early clock below which the late clock of the processor makes figures worthless."""
LEAST_LOOKS = 8
"""Looks at the clock before it is judged: a quarter of them at each end."""


class ThrottleWatch:
    """Looks at the processor before, between and after measurements."""

    def __init__(
        self,
        *,
        throttling: Callable[[], Throttling] = read_throttling,
        clock: Callable[[], float | None] = read_clock,
    ) -> None:
        """`clock` in MHz."""
        self._throttling = throttling
        self._clock = clock
        self._before = Throttling()
        self._known = False
        self._clocks: list[float] = []
        self._worst = ""

    def begin(self) -> None:
        """Measuring starts."""
        self._before = self._throttling()
        self._known = self._known or self._before.known

    def look(self) -> None:
        """A measurement has just ended, the processor is still at its clock."""
        if (megahertz := self._clock()) is not None:
            self._clocks.append(megahertz)
        if self._before.states:
            self._judge_states(self._throttling())

    def end(self, passed: float) -> None:
        """Measuring has stopped after so many seconds."""
        after = self._throttling()
        self._judge_states(after)
        longest = _grown(self._before.milliseconds, after.milliseconds) / 1000
        often = _grown(self._before.counts, after.counts)
        if longest > THROTTLED_SHARE * passed:
            self._worst = f"heat slowed the processor down for {longest:.1f} s of {passed:.0f} s"
        elif often and not after.milliseconds:
            times = "once" if often == 1 else f"{often} times"
            self._worst = f"heat slowed the processor down {times}"

    def _judge_states(self, now: Throttling) -> None:
        if any(state > self._before.states.get(name, 0) for name, state in now.states.items()):
            self._worst = self._worst or "the system slowed the processor down to cool it"

    @property
    def throttled(self) -> bool | None:
        """Whether the processor was slowed down; None where the system tells neither that nor the clock."""
        if self.reason():
            return True
        judged = self._known or len(self._clocks) >= LEAST_LOOKS
        return False if judged else None

    @property
    def clocks(self) -> Spread | None:
        """The clock of the fastest core after each measurement, in MHz; None where the system does not tell."""
        return spread(self._clocks) if self._clocks else None

    def reason(self) -> str:
        """Return what slowed the processor down, as a half sentence; empty when nothing did."""
        if self._worst:
            return self._worst
        quarter = len(self._clocks) // 4
        if len(self._clocks) < LEAST_LOOKS:
            return ""
        early, late = mean(self._clocks[:quarter]), mean(self._clocks[-quarter:])
        if late < FALLEN_CLOCK * early:
            return f"the processor's clock fell from {early / 1000:.1f} to {late / 1000:.1f} GHz"
        return ""


def _grown(before: dict[str, int], after: dict[str, int]) -> int:
    """The counter that grew most: that of a package stands below each of its cores."""
    return max((value - before.get(name, value) for name, value in after.items()), default=0)
