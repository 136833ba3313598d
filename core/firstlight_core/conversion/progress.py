"""Remaining time and shrinking memory of a running conversion; arithmetic only."""

HELD, PEAK = "job_rss_bytes", "job_peak_rss_bytes"
"""Names of two figures (`events.Measured`): bytes that all processes of the conversion hold now, and held at most."""
UNCERTAINTY = 0.30
"""Share by which a time estimate may be wrong (SPEC 4: within 30 % of what is measured)."""
OVERRUN = 1.15
"""Resident memory over its prediction from which the prediction counts as wrong (SPEC 4: within 15 %)."""
SHORT = 0.10
"""Share of all memory under which what is available counts as short."""


def seconds_left(expected: float, done: float, elapsed: float) -> float:
    """Seconds that are left of work of `expected` seconds, of which `done` took `elapsed`.

    The rest goes at the pace so far, but not faster than expected; little that is done says nothing about the pace.
    """
    pace = elapsed / done if done >= 0.05 * expected and done > 0 else 1.0
    return max(0.0, expected - done) * max(1.0, pace)


def memory_alarm(
    resident: float, predicted: float | None, *, available: float, total: float
) -> bool:
    """Return whether a job outgrows its prediction while memory is short, before the kernel ends it. All in bytes."""
    if not predicted or total <= 0:
        return False
    return resident > OVERRUN * predicted and available < SHORT * total
