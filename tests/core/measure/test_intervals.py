"""Intervals: against published values, and by simulation."""

import random

import pytest

from firstlight_core.measure.intervals import mean_interval, share_interval, wilson


def test_wilsons_interval() -> None:
    """Newcombe (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29."""
    for hits, count, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert wilson(hits / count, count) == pytest.approx((low, high), abs=5e-5)
    for count in range(1, 400):
        assert (wilson(0.0, count)[0], wilson(1.0, count)[1]) == (0.0, 1.0)
    with pytest.raises(ValueError):
        wilson(0.5, 0)


def test_tokens_that_resemble_each_other_count_less() -> None:
    mixed = [[True] * 9 + [False] for _ in range(10)]
    assert share_interval(mixed) == pytest.approx(wilson(0.9, 100))
    # The same share, but one prompt has all the faults: it is worth ten trials, not a hundred.
    lumped = [[True] * 10] * 9 + [[False] * 10]
    few = (2.262 / 1.959964) ** 2
    assert share_interval(lumped) == pytest.approx(wilson(0.9, 9.0 / few))
    assert share_interval([[True] * 100]) == pytest.approx(wilson(1.0, 100))
    assert share_interval([[True] * 100, []]) == share_interval([[True] * 100])
    with pytest.raises(ValueError):
        share_interval([[]])


def test_a_mean_has_the_same_interval_each_time() -> None:
    chance = random.Random(5)
    groups = [[chance.gauss(group, 1) for _ in range(30)] for group in range(8)]
    low, high = mean_interval(groups) or (0, 0)
    assert (low, high) == mean_interval(groups)
    assert low < sum(map(sum, groups)) / 240 < high
    assert mean_interval(groups[:3]) is None
    assert mean_interval([[0.5, 0.5]] * 6) == (0.5, 0.5)


@pytest.mark.slow
def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """Twenty prompts of thirty tokens; each prompt is easier or harder than the next."""
    chance = random.Random(3)
    shares = means = 0
    for _ in range(200):
        agree, kl = [], []
        for _ in range(20):
            easy = chance.betavariate(18, 2)
            agree.append([chance.random() < easy for _ in range(30)])
            level = chance.gammavariate(2, 0.01)
            kl.append([chance.expovariate(1 / level) for _ in range(30)])
        low, high = share_interval(agree)
        shares += low <= 0.9 <= high
        least, most = mean_interval(kl, resamples=300) or (0, 0)
        means += least <= 0.02 <= most
    # 95 % of 200 are 190.
    assert shares >= 182
    assert means >= 180
