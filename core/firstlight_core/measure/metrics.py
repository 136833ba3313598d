"""Arithmetic only: spreads, percentiles, rates, divergence, slopes. Formulas with their source, no clock, no file."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from firstlight_core.documents.figures import Figure, Spread, TailPercentiles


def spread(values: Sequence[float]) -> Spread:
    """Return median, smallest and largest of the values.

    Raises:
        ValueError: there are no values.
    """
    return {"median": percentile(values, 50), "min": min(values), "max": max(values)}


def figure(values: Sequence[float]) -> Figure:
    """Return the spread of the values together with each of them.

    Raises:
        ValueError: there are no values.
    """
    return {**spread(values), "samples": list(values)}


def percentile(values: Sequence[float], percent: float) -> float:
    """Percentile with linear interpolation between closest ranks (Hyndman and Fan's type 7, numpy's default).

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("a percentile needs at least one value")
    ordered = sorted(values)
    rank = (len(ordered) - 1) * percent / 100
    low = math.floor(rank)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (rank - low)


def tail_percentiles(values: Sequence[float]) -> TailPercentiles:
    """Return the percentiles that say how slow the slow ones are.

    Raises:
        ValueError: there are no values.
    """
    p50, p95, p99 = (percentile(values, percent) for percent in (50, 95, 99))
    return {"p50": p50, "p95": p95, "p99": p99, "max": max(values)}


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("a mean needs at least one value")
    return math.fsum(values) / len(values)


def coefficient_of_variation(values: Sequence[float]) -> float:
    """Standard deviation (n - 1) over mean; 0 for fewer than two values or a mean of zero."""
    if len(values) < 2 or (centre := mean(values)) == 0:
        return 0.0
    variance = math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1)
    return math.sqrt(variance) / abs(centre)


LARGEST_RATIO = 1e9
"""Perplexities and their ratios end here: JSON holds it, and nothing beyond it differs for a reader."""


def perplexity_ratio(candidate: Sequence[float], reference: Sequence[float]) -> float:
    """exp(mean reference log-likelihood - mean candidate log-likelihood) on the same tokens; 1 is no loss.

    Arguments are natural log-probabilities of the tokens. Capped at `LARGEST_RATIO`.

    Raises:
        ValueError: the lengths differ or are zero.
    """
    if len(candidate) != len(reference) or not candidate:
        raise ValueError("both need the log-probabilities of the same tokens")
    return math.exp(min(mean(reference) - mean(candidate), math.log(LARGEST_RATIO)))


def kl_divergence(reference: Sequence[float], candidate: Sequence[float]) -> float:
    """KL(reference || candidate) in nats, of two distributions given as log-probabilities."""
    return math.fsum(
        math.exp(p) * (p - q) for p, q in zip(reference, candidate, strict=True) if p > -math.inf
    )


@dataclass(frozen=True, slots=True)
class Slope:
    """A least-squares line: change of y for one step of x, with its 95 % confidence interval."""

    value: float
    low: float
    high: float


# Two-sided 95 % quantiles of Student's t distribution for 1 to 30 degrees of freedom.
_T95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


def student_t95(degrees: int) -> float:
    """Two-sided 95 % quantile of Student's t; above 30 degrees Cornish and Fisher's two-term expansion.

    Raises:
        ValueError: there is no degree of freedom.
    """
    if degrees < 1:
        raise ValueError("Student's t needs at least one degree of freedom")
    if degrees <= len(_T95):
        return _T95[degrees - 1]
    z = 1.959964
    return z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)


def slope(values: Sequence[float]) -> Slope:
    """Ordinary least squares of the values over 0, 1, 2 …, with the interval of the slope.

    Standard error s / sqrt(sum (x - mean x)^2), s^2 = residual sum of squares / (n - 2).

    Raises:
        ValueError: fewer than three values.
    """
    count = len(values)
    if count < 3:
        raise ValueError("a slope with an interval needs at least three values")
    middle = (count - 1) / 2
    centre = mean(values)
    width = math.fsum((x - middle) ** 2 for x in range(count))
    value = math.fsum((x - middle) * (y - centre) for x, y in enumerate(values)) / width
    residual = math.fsum((y - centre - value * (x - middle)) ** 2 for x, y in enumerate(values))
    margin = student_t95(count - 2) * math.sqrt(max(0.0, residual) / (count - 2) / width)
    return Slope(value, value - margin, value + margin)
