"""How many times as fast: the ratio of medians with its bootstrap interval, and whether that is more than noise."""

from collections.abc import Callable, Sequence

from firstlight_core.documents.jobs_engine import Repetition
from firstlight_core.documents.tuning import Gain, Gains
from firstlight_core.history.ratio import level_of, ratio_of_medians

MARGIN = 0.02
"""Differences below this are none."""
LEVEL = level_of(3)
"""Of each interval: an answer, prefill and decode are judged together."""
Lengths = Sequence[Sequence[Repetition]]
"""The repetitions at each prompt length."""


def gains(new: Lengths, old: Lengths) -> Gains:
    """Return how many times the speed of `old` the new one has, over all prompt lengths (geometric mean)."""
    return {
        "answer": _gain(new, old, lambda sample: 1 / sample["total_s"]),
        "decode": _gain(new, old, lambda sample: sample["decode_tps"]),
        "prefill": _gain(new, old, lambda sample: sample["prefill_tps"]),
        "level": LEVEL,
    }


def proven(gain: Gain) -> bool:
    """Return whether the new one is faster beyond noise: the whole interval is, and by more than `MARGIN`."""
    interval = gain["interval"]
    return interval is not None and interval[0] > 1 and gain["ratio"] >= 1 + MARGIN


def slower(gain: Gain) -> bool:
    """Return whether the new one is slower beyond noise."""
    interval = gain["interval"]
    return interval is not None and interval[1] < 1


def gain_words(gain: Gain) -> str:
    """Return a gain in words, with what may be said of it."""
    if (interval := gain["interval"]) is None:
        return f"{gain['ratio']:.2f} × (too few repeats to judge)"
    noise = "" if proven(gain) or slower(gain) else ", inside the noise"
    return f"{gain['ratio']:.2f} × ({interval[0]:.2f} to {interval[1]:.2f}{noise})"


def gains_words(gains: Gains) -> str:
    """Return all three gains in words."""
    return (
        f"answer {gain_words(gains['answer'])}, decode {gain_words(gains['decode'])}, "
        f"prefill {gain_words(gains['prefill'])}"
    )


def _gain(new: Lengths, old: Lengths, speed: Callable[[Repetition], float]) -> Gain:
    ratio = ratio_of_medians(
        [[speed(sample) for sample in samples] for samples in old],
        [[speed(sample) for sample in samples] for samples in new],
        level=LEVEL,
    )
    return {"ratio": ratio.value, "interval": list(ratio.interval) if ratio.interval else None}
