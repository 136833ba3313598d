"""A measured figure over several repetitions, and the percentiles of a time in seconds."""

from typing import NotRequired, TypedDict


class Spread(TypedDict):
    """A figure over several repetitions."""

    median: float
    min: float
    max: float


class Figure(Spread):
    """A figure with each of its repetitions."""

    samples: list[float]


class Percentiles(TypedDict):
    """Percentiles of a time."""

    p50: float
    p95: float


class LatencyPercentiles(Percentiles):
    """Percentiles of the time of an answer; of few repetitions p99 is nearly the slowest."""

    p99: NotRequired[float]
    """Absent from the records of earlier versions."""


class TailPercentiles(Percentiles):
    """Percentiles of a time with its tail."""

    p99: float
    max: float
