"""The interval of a ratio of medians: its error rates on synthetic series as noisy as real ones."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from firstlight_core.documents.history import RecordFacts, SampleSeries
from firstlight_core.history.comparison import Side, compare
from firstlight_core.history.ratio import FALSE_ALARMS, level_of, ratio_of_medians
from firstlight_core.measure.benchmark import LENGTHS, REPEATS
from tests.support.records import record_facts

COMPARISONS = 1_000
SCATTER = 0.03
"""Standard deviation of the logarithm of an undisturbed repetition. Of the 0.5 B shape in bench/results/decoding.json
and tuning.json it is 0.03 in the median series (1.48 times the median absolute deviation)."""
DISTURBED, LEAST, MOST = 0.10, 0.05, 0.35
"""Share of the repetitions that something else hits, and how much longer these take: there 8 % beyond 0.1."""


def times(chance: np.random.Generator, *shape: int) -> NDArray[np.float64]:
    """Times of repetitions: lognormal scatter, and one in ten disturbed."""
    noise = SCATTER * chance.standard_normal(shape)
    noise += (chance.random(shape) < DISTURBED) * chance.uniform(LEAST, MOST, shape)
    return np.exp(noise)


def side(prefill: NDArray[np.float64], decode: NDArray[np.float64]) -> Side:
    """What a benchmark with these times keeps; one row of each a prompt length."""
    series: list[SampleSeries] = []
    for measure, spans in (("prefill_tps", prefill), ("decode_tps", decode)):
        for length, samples in zip(LENGTHS, spans, strict=True):
            series.append(
                {
                    "measure": measure,
                    "unit": "tokens/s",
                    "better": "higher",
                    "prompt_tokens": length,
                    "samples": (100 / samples).tolist(),
                }
            )
    facts: RecordFacts = {**record_facts(), "series": series}
    return Side(facts=facts, machine_fingerprint="m", versions={})


def flagged(slower: float, seed: int, comparisons: int = COMPARISONS) -> float:
    """Share of comparisons that flag a regression, decode being so many times slower."""
    chance = np.random.default_rng(seed)
    count = 0
    for _ in range(comparisons):
        before = side(*times(chance, 2, len(LENGTHS), REPEATS))
        prefill, decode = times(chance, 2, len(LENGTHS), REPEATS)
        document = compare(before, side(prefill, decode * slower), resamples=2_000)
        count += document["regressions"] > 0
    return count / comparisons


@pytest.mark.slow
def test_noise_is_flagged_at_most_twice_in_a_hundred() -> None:
    assert flagged(1.0, seed=1) <= FALSE_ALARMS


@pytest.mark.slow
def test_five_percent_are_found_nine_times_in_ten_at_the_default_repeats() -> None:
    assert flagged(1.05, seed=2) >= 0.9


@pytest.mark.slow
def test_a_small_part_of_both() -> None:
    assert flagged(1.0, seed=3, comparisons=60) <= 0.05
    assert flagged(1.05, seed=4, comparisons=60) >= 0.8


def test_the_same_samples_have_the_same_interval() -> None:
    chance = np.random.default_rng(5)
    old, new = times(chance, 2, 9).tolist()
    first = ratio_of_medians([old], [new], level=0.95)
    assert ratio_of_medians([old], [new], level=0.95) == first
    assert first.interval is not None
    assert first.interval[0] <= first.value <= first.interval[1]
    assert first.value == pytest.approx(np.median(new) / np.median(old))


def test_the_interval_agrees_with_the_exact_distribution_of_resampled_medians() -> None:
    # Of three samples 1, 2, 4 the median of a draw is 1 in 7, 2 in 13, 4 in 7 of 27 cases; the other side is constant.
    ratio = ratio_of_medians([[1.0] * 5], [[1.0, 1.0, 2.0, 4.0, 4.0]], level=1 - 2 * 0.2)
    assert ratio.interval is not None
    # P(median = 1) = P(three or more of five below): sum of C(5,k) 0.4^k 0.6^(5-k), k >= 3, is 0.317.
    assert ratio.interval == pytest.approx((1.0, 4.0))
    wide = ratio_of_medians([[1.0] * 5], [[1.0, 1.0, 2.0, 4.0, 4.0]], level=1 - 2 * 0.33)
    assert wide.interval == pytest.approx((2.0, 2.0))


def test_scatter_between_runs_widens() -> None:
    chance = np.random.default_rng(6)
    old, new = times(chance, 2, 15).tolist()
    narrow = ratio_of_medians([old], [new], level=0.95)
    wide = ratio_of_medians([old], [new], level=0.95, between_runs=0.05)
    assert narrow.interval is not None and wide.interval is not None
    assert wide.interval[1] / wide.interval[0] > 1.1 * narrow.interval[1] / narrow.interval[0]
    assert narrow.detectable is not None and wide.detectable is not None
    assert wide.detectable > narrow.detectable


def test_what_these_samples_could_have_shown_is_found_nine_times_in_ten() -> None:
    chance = np.random.default_rng(8)
    hits = []
    for _ in range(200):
        old, new = times(chance, 2, REPEATS)
        ratio = ratio_of_medians([old.tolist()], [new.tolist()], level=level_of(1), resamples=2_000)
        assert ratio.detectable is not None
        slower = ratio_of_medians(
            [old.tolist()],
            [(new * (1 + ratio.detectable)).tolist()],
            level=level_of(1),
            resamples=2_000,
        )
        assert slower.interval is not None
        hits.append(slower.interval[0] > 1)
    assert sum(hits) / len(hits) >= 0.85


@pytest.mark.parametrize(
    ("old", "new"), [([1.0] * 4, [1.0] * 9), ([1.0] * 9, [2.0]), ([-1.0, *[1.0] * 5], [1.0] * 6)]
)
def test_without_enough_samples_there_is_no_interval(old: list[float], new: list[float]) -> None:
    ratio = ratio_of_medians([old], [new], level=0.95)
    assert ratio.interval is None and ratio.detectable is None and ratio.value > 0


@pytest.mark.parametrize(("old", "new"), [([], [1.0]), ([1.0], []), ([0.0], [1.0])])
def test_without_a_median_above_zero_there_is_no_ratio(old: list[float], new: list[float]) -> None:
    with pytest.raises(ValueError, match="needs"):
        ratio_of_medians([old], [new], level=0.95)


def test_more_rows_need_a_higher_level() -> None:
    assert level_of(1) == pytest.approx(0.96)
    assert level_of(8) == pytest.approx(1 - 0.04 / 8)
    assert math.isclose(level_of(0), level_of(1))
