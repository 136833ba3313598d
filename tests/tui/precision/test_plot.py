"""The measured trade-off as a plot."""

import pytest

from firstlight_core.estimate.measured_figures import Figures
from firstlight_tui.steps.precision.plot import trade_off
from tests.support.chart_gallery import text_of


def figures(precision: str, size: int, kl: float, rate: float, *, void: bool = False) -> Figures:
    return Figures(
        precision=precision, artifact="", bytes=size, kl_mean=kl, decode_tps=rate, void=void
    )


MEASURED = {
    "fp32": figures("fp32", 9_600_000, 3e-14, 900),
    "int8": figures("int8", 5_100_000, 4.5e-6, 1_200),
    "int8-compact": figures("int8-compact", 3_000_000, 3e-6, 1_000),
    "int4": figures("int4", 1_900_000, 3.8e-4, 1_250),
}


def test_drift_against_size() -> None:
    plot = trade_off(MEASURED, by_speed=False, selected="int4")
    assert plot is not None
    assert {spot.key for spot in plot.spots if spot.front} == {"fp32", "int8-compact", "int4"}
    text = "\n".join(text_of(plot, 100, 20))
    for words in ("FP32", "INT8 compact", "◉", "MiB", "p: speed", "smaller to the left"):
        assert words in text
    # What float arithmetic cannot tell from none does not stretch the axis.
    assert min(spot.y for spot in plot.spots) == 1e-9


def test_drift_against_speed_leaves_a_void_speed_out_of_the_front() -> None:
    void = {**MEASURED, "int4": figures("int4", 1, 1e-9, 9_999, void=True)}
    plot = trade_off(void, by_speed=True, selected=None)
    assert plot is not None
    assert {spot.key for spot in plot.spots if spot.front} == {"fp32", "int8", "int8-compact"}
    text = "\n".join(text_of(plot, 100, 20))
    assert "INT4 (void)" in text and "tok/s" in text and "p: size" in text


@pytest.mark.parametrize("by_speed", [True, False])
def test_what_a_dot_means_is_said_whole_beside_the_card(by_speed: bool) -> None:
    """The plot has 56 cells in a terminal of 120."""
    plot = trade_off(MEASURED, by_speed=by_speed, selected="int4")
    assert plot is not None
    assert text_of(plot, 56, 13)[0].rstrip().endswith("is closer")


def test_one_point_is_no_picture() -> None:
    assert trade_off({"int4": MEASURED["int4"]}, by_speed=False, selected=None) is None
    without = Figures(precision="int8", artifact="", bytes=5)
    assert trade_off({**MEASURED, "int8": without}, by_speed=False, selected="int8") is not None
