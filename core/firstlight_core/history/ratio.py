"""The ratio of medians with its bootstrap interval, and the smallest slowdown that such samples could have shown.

Percentile bootstrap (Efron 1979; Efron and Tibshirani 1993, section 13.3) of the ratio of two medians: the samples of each
side are drawn anew with replacement, and the quantiles of the ratios of the medians of the draws bound the interval. Of
a median it is not too narrow even for five samples, unlike that of a mean; `tests/core/history/test_ratio.py` measures
its error rates. Numbers are drawn from a fixed seed, so that the same samples have the same interval.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RESAMPLES = 10_000
SEED = 20_261_129
FEWEST_SAMPLES = 5
"""Below this many samples on a side the interval of a median is unknown."""
FALSE_ALARMS = 0.02
"""How often a comparison without a change may flag a regression, all its rows together."""
POWER = 0.9
"""How often a slowdown of the size `detectable` is found."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """New over old; the interval is None where a side has too few samples."""

    value: float
    interval: tuple[float, float] | None
    detectable: float | None
    """The smallest slowdown, as a share, that is found nine times in ten with samples as scattered as these."""


def level_of(rows: int) -> float:
    """Return the confidence level of each of so many intervals.

    Bonferroni's correction of one-sided tests: each may be wrong in its bad direction `FALSE_ALARMS` / rows of the time.
    """
    return 1 - 2 * FALSE_ALARMS / max(1, rows)


def ratio_of_medians(
    before: Sequence[Sequence[float]],
    after: Sequence[Sequence[float]],
    *,
    level: float,
    between_runs: float = 0.0,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Ratio:
    """Return the geometric mean over pairs of series of the ratio of their medians, new over old.

    One pair gives the ratio of two medians; several pairs are one figure at several prompt lengths.

    Args:
        between_runs: standard deviation of the logarithm of a run's figure from run to run, which the samples of one
            run cannot show; it widens the interval.

    Raises:
        ValueError: there are no pairs, a side is empty, or a median is not above 0.
    """
    import numpy as np

    pairs = list(zip(before, after, strict=True))
    if not pairs or not all(len(old) and len(new) for old, new in pairs):
        raise ValueError("a ratio needs samples on both sides")
    medians = [(float(np.median(old)), float(np.median(new))) for old, new in pairs]
    if any(old <= 0 or new <= 0 for old, new in medians):
        raise ValueError("a ratio needs medians above 0")
    value = math.exp(math.fsum(math.log(new / old) for old, new in medians) / len(pairs))
    smallest = min(min(map(len, before)), min(map(len, after)))
    if smallest < FEWEST_SAMPLES or any(min(*old, *new) <= 0 for old, new in pairs):
        return Ratio(value, None, None)
    counts = tuple(len(side) for old, new in pairs for side in (new, old))
    draws, state = _middle_ranks(counts, resamples, seed)
    logs = np.zeros(resamples)
    for number, (old, new) in enumerate(pairs):
        logs += np.log(_drawn_medians(new, draws[2 * number]))
        logs -= np.log(_drawn_medians(old, draws[2 * number + 1]))
    logs /= len(pairs)
    if between_runs > 0:
        chance = np.random.default_rng()
        chance.bit_generator.state = state
        logs += chance.normal(0.0, math.sqrt(2) * between_runs, resamples)
    tail = (1 - level) / 2
    low, high = (float(bound) for bound in np.quantile(logs, (tail, 1 - tail)))
    normal = NormalDist()
    shift = (normal.inv_cdf(1 - tail) + normal.inv_cdf(POWER)) * float(logs.std())
    # The value itself lies inside, whatever the draws were.
    centre = math.log(value)
    bounds = math.exp(min(low, centre)), math.exp(max(high, centre))
    return Ratio(value, bounds, math.expm1(shift))


@lru_cache(maxsize=32)
def _middle_ranks(
    counts: tuple[int, ...], resamples: int, seed: int
) -> "tuple[list[tuple[NDArray[np.int32], NDArray[np.int32]]], Mapping[str, Any]]":
    """Return the two middle ranks of each draw with replacement from so many samples, and the generator's state then.

    The seed is the same for all figures of a comparison: so are the ranks of figures with as many samples.
    """
    import numpy as np

    chance = np.random.default_rng(seed)
    middles = []
    for count in counts:
        ranks = np.sort(chance.integers(0, count, (resamples, count), dtype=np.int32), axis=1)
        middles.append((ranks[:, (count - 1) // 2].copy(), ranks[:, count // 2].copy()))
    return middles, chance.bit_generator.state


def _drawn_medians(
    samples: Sequence[float], middle_ranks: "tuple[NDArray[np.int32], NDArray[np.int32]]"
) -> "NDArray[np.float64]":
    """Return the median of each of the draws with these middle ranks."""
    import numpy as np

    values = np.sort(np.asarray(samples, dtype=np.float64))
    low, high = middle_ranks
    drawn: NDArray[np.float64] = (values[low] + values[high]) / 2
    return drawn
