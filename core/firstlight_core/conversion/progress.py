"""Remaining time and shrinking memory of a running conversion; arithmetic only."""

from dataclasses import dataclass

HELD, PEAK = "job_rss_bytes", "job_peak_rss_bytes"
"""Names of two figures (`events.Measured`): bytes that all processes of the conversion hold now, and held at most."""
UNCERTAINTY = 0.30
"""Share by which a time estimate may be wrong (SPEC 4: within 30 % of what is measured)."""
OVERRUN = 1.15
"""Resident memory over its prediction from which the prediction counts as wrong (SPEC 4: within 15 %)."""
SHORT = 0.10
"""Share of all memory under which what is available counts as short."""


@dataclass(frozen=True, slots=True)
class Remaining:
    """Between how many seconds are left, by the estimate."""

    low: float
    high: float


def remaining(estimated: float, elapsed: float) -> Remaining | None:
    """Remaining part of an estimate; None once the work exceeds the estimate's error."""
    high = estimated * (1 + UNCERTAINTY) - elapsed
    if high <= 0:
        return None
    return Remaining(max(0.0, estimated * (1 - UNCERTAINTY) - elapsed), high)


def memory_alarm(
    resident: float, predicted: float | None, *, available: float, total: float
) -> bool:
    """Whether a job outgrows its prediction while memory is short: time to ask before the kernel ends it. Bytes."""
    if not predicted or total <= 0:
        return False
    return resident > OVERRUN * predicted and available < SHORT * total
