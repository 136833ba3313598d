"""Every formula against numbers worked out by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstlight_core.measure import metrics


def test_spread_of_an_even_count_interpolates() -> None:
    assert metrics.spread([4.0, 1.0, 2.0, 3.0]) == {"median": 2.5, "min": 1.0, "max": 4.0}
    with pytest.raises(ValueError, match="at least one value"):
        metrics.spread([])


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 10.0), (25, 17.5), (50, 25.0), (95, 38.5), (100, 40.0)]
)
def test_percentile_interpolates_like_type_7(percent: float, expected: float) -> None:
    assert metrics.percentile([40.0, 10.0, 30.0, 20.0], percent) == pytest.approx(expected)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.floats(0, 100))
def test_percentile_lies_within_the_values(values: list[float], percent: float) -> None:
    result = metrics.percentile(values, percent)
    assert min(values) - 1e-6 <= result <= max(values) + 1e-6


def test_coefficient_of_variation() -> None:
    # mean 10, squared deviations 4 + 0 + 4, variance 4, deviation 2.
    assert metrics.coefficient_of_variation([8.0, 10.0, 12.0]) == pytest.approx(0.2)
    assert metrics.coefficient_of_variation([5.0]) == 0.0
    assert metrics.coefficient_of_variation([-1.0, 1.0]) == 0.0


def test_kl_divergence_of_two_coins() -> None:
    # KL([1/2, 1/2] || [1/4, 3/4]) = 1/2 ln 2 + 1/2 ln(2/3) = 0.143841...
    reference = [math.log(0.5), math.log(0.5)]
    candidate = [math.log(0.25), math.log(0.75)]
    assert metrics.kl_divergence(reference, candidate) == pytest.approx(0.14384103622589045)
    assert metrics.kl_divergence(reference, reference) == 0.0
    assert metrics.kl_divergence([0.0, -math.inf], candidate) == pytest.approx(math.log(4))


def test_perplexity_ratio_is_the_ratio_of_the_geometric_means() -> None:
    # perplexities 2 and 4 on the same tokens.
    assert metrics.perplexity_ratio([math.log(1 / 4)] * 3, [math.log(1 / 2)] * 3) == pytest.approx(
        2
    )
    assert metrics.perplexity_ratio([-1e9], [0.0]) == pytest.approx(1e9)
    with pytest.raises(ValueError, match="same tokens"):
        metrics.perplexity_ratio([], [])


def test_slope_and_its_interval() -> None:
    # x 0..4, y 1 3 2 5 4: Sxy = 8, Sxx = 10, slope 0.8; residual sum 3.6, s^2 1.2, error sqrt(0.12).
    result = metrics.slope([1.0, 3.0, 2.0, 5.0, 4.0])
    assert result.value == pytest.approx(0.8)
    assert result.high - result.value == pytest.approx(3.182 * math.sqrt(0.12))
    assert result.value - result.low == pytest.approx(3.182 * math.sqrt(0.12))


def test_slope_of_a_straight_line_is_exact() -> None:
    result = metrics.slope([5.0, 7.0, 9.0, 11.0])
    assert (result.value, result.low, result.high) == pytest.approx((2.0, 2.0, 2.0))
    with pytest.raises(ValueError, match="three"):
        metrics.slope([1.0, 2.0])


def test_student_t_continues_smoothly_past_the_table() -> None:
    assert metrics.student_t95(30) == pytest.approx(2.042)
    # Tables give 2.0395 for 31 and 1.9840 for 100 degrees of freedom.
    assert metrics.student_t95(31) == pytest.approx(2.0395, abs=5e-4)
    assert metrics.student_t95(100) == pytest.approx(1.9840, abs=5e-4)
    with pytest.raises(ValueError, match="degree"):
        metrics.student_t95(0)
