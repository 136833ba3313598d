"""How far a figure of a few hundred tokens may be off: 95 % intervals of shares and means over prompts.

The tokens of one answer resemble each other, so they are not independent observations: every interval here takes the
prompt (or stretch of text) as its unit.
"""

import math
import random
from collections.abc import Sequence

from firstlight_core.measure.metrics import student_t95

Z95 = 1.959964
"""Two-sided 95 % quantile of the normal distribution."""
FEWEST_GROUPS = 4
"""Below this many prompts their spread is unknown."""
RESAMPLES = 2_000
SEED = 20_261_129
"""The same resamples each time, so that the same measurement has the same interval."""

Interval = tuple[float, float]


def wilson(share: float, count: float) -> Interval:
    """Wilson's score interval (1927) of a share that was observed in `count` independent trials.

    Raises:
        ValueError: there are no trials.
    """
    if count <= 0:
        raise ValueError("an interval needs at least one trial")
    scale = 1 + Z95**2 / count
    centre = (share + Z95**2 / (2 * count)) / scale
    margin = Z95 * math.sqrt(share * (1 - share) / count + Z95**2 / (4 * count**2)) / scale
    # Rounding must not leave the share itself outside.
    return max(0.0, min(share, centre - margin)), min(1.0, max(share, centre + margin))


def share_interval(groups: Sequence[Sequence[bool]]) -> Interval:
    """Return the interval of the share of true values over all groups: Wilson's, with the effective number of trials.

    That number is the trials over the design effect (Kish 1965): the variance of the share between groups, as that of a
    ratio of sums, over the variance of as many independent trials; at least 1. An effect that few groups tell of is
    enlarged by the square of Student's t over the normal quantile (Korn and Graubard 1998). Groups that are all alike, or
    a single one, have no spread to tell, and count as independent trials.

    Raises:
        ValueError: there are no values.
    """
    groups = [group for group in groups if group]
    count = sum(map(len, groups))
    if not count:
        raise ValueError("an interval needs at least one trial")
    share = sum(map(sum, groups)) / count
    effect = 1.0
    if len(groups) > 1 and 0 < share < 1:
        between = math.fsum((sum(group) - share * len(group)) ** 2 for group in groups)
        variance = len(groups) / (len(groups) - 1) * between / count**2
        effect = variance / (share * (1 - share) / count)
        effect = effect * _few(len(groups)) ** 2 if effect > 1 else 1.0
    return wilson(share, count / effect)


def mean_interval(
    groups: Sequence[Sequence[float]], *, resamples: int = RESAMPLES, seed: int = SEED
) -> Interval | None:
    """Return the percentile bootstrap interval (Efron 1979) of the mean of all values, groups drawn with replacement.

    Of n groups it is too narrow by the square root of (n - 1) / n and by the normal quantile over Student's t; it is
    expanded by both (Hesterberg 2015).

    None for fewer than `FEWEST_GROUPS` groups.
    """
    groups = [group for group in groups if group]
    if len(groups) < FEWEST_GROUPS:
        return None
    sums, counts = [math.fsum(group) for group in groups], [len(group) for group in groups]
    chance = random.Random(seed)
    means = []
    for _ in range(resamples):
        drawn = chance.choices(range(len(groups)), k=len(groups))
        means.append(math.fsum(sums[i] for i in drawn) / sum(counts[i] for i in drawn))
    means.sort()
    low, high = (means[round(q * (resamples - 1))] for q in (0.025, 0.975))
    centre = math.fsum(sums) / sum(counts)
    wider = _few(len(groups)) * math.sqrt(len(groups) / (len(groups) - 1))
    return centre - wider * (centre - low), centre + wider * (high - centre)


def _few(groups: int) -> float:
    """Return the widening of an interval for few groups: Student's t over the normal quantile."""
    return student_t95(groups - 1) / Z95
