"""Which of several settings is the fastest: arithmetic on measurements that were taken in turns."""

from collections.abc import Sequence

from firstlight_core.documents.jobs_engine import Repetition
from firstlight_core.documents.tuning import Speedup
from firstlight_core.measure.metrics import figure, percentile
from firstlight_core.tuning.gains import MARGIN


def median(values: Sequence[float]) -> float:
    """Return the 50th percentile."""
    return percentile(values, 50)


def confirmed(ratios: Sequence[float]) -> bool:
    """Return whether these ratios to the baseline's speed, one per round, are more than chance.

    The median must be beyond `MARGIN`, and at most one round in five on the other side: seven coins that do not care
    show that in 6 % of cases. Good enough to choose by; what is claimed of the winner is `gains.proven`.
    """
    return median(ratios) >= 1 + MARGIN and percentile(ratios, 20) > 1


def fastest(seconds: Sequence[Sequence[float]]) -> int:
    """Index of the setting to take: the first that the fastest one does not beat for sure.

    Rounds are compared with each other, so that a slow minute of the machine hits all alike; settings that dropped out
    have fewer rounds and are compared on those.
    """
    best = min(range(len(seconds)), key=lambda index: median(seconds[index]))
    for index, times in enumerate(seconds):
        ratios = [own / other for own, other in zip(times, seconds[best], strict=False)]
        if not confirmed(ratios):
            return index
    return best


def times_as_fast(samples: Sequence[Repetition], baseline: Sequence[Repetition]) -> Speedup:
    """Return how many times the baseline's speed, round by round."""
    rounds = list(zip(samples, baseline, strict=True))
    return {
        "answer": figure([old["total_s"] / new["total_s"] for new, old in rounds]),
        "decode": figure([new["decode_tps"] / old["decode_tps"] for new, old in rounds]),
        "prefill": figure([new["prefill_tps"] / old["prefill_tps"] for new, old in rounds]),
    }
