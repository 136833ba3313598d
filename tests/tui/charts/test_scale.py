"""Axes: places, round ticks, short numbers."""

from itertools import pairwise

import pytest

from firstlight_tui.widgets.charts.scale import (
    Axis,
    linear_axis,
    log_axis,
    nice_step,
    short,
)


def test_a_value_has_its_place_on_both_kinds_of_axis() -> None:
    assert Axis(0, 10).share(5) == 0.5
    assert Axis(1, 100, log=True).share(10) == pytest.approx(0.5)
    assert Axis(1, 100, log=True).share(0) == 0.0
    assert Axis(0, 10).share(99) == 1.0
    assert Axis(3, 3).share(3) == 0.5
    assert Axis(0, 10).cell(10, 8) == 7


@pytest.mark.parametrize(
    ("axis", "most", "ticks"),
    [
        (Axis(0, 17.5), 4, [0, 5, 10, 15]),
        (Axis(0, 17.5), 2, [0, 10]),
        (Axis(1e-6, 1, log=True), 7, [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1]),
        (Axis(1e-6, 1, log=True), 4, [1e-6, 1e-4, 1e-2, 1]),
        (Axis(1.5, 9, log=True), 3, [2, 5]),
        (Axis(0, 2**30, binary=True), 3, [0, 2**29, 2**30]),
        (Axis(0, 3e9, binary=True), 3, [0, 2**30, 2**31]),
        (Axis(1.5e6, 5e6, log=True, binary=True), 4, [1.5 * 2**20, 2**21, 1.5 * 2**21, 2**22]),
        (Axis(1e6, 1e9, log=True, binary=True), 5, [2**20, 2**22, 2**24, 2**26, 2**28]),
        (Axis(3, 3), 5, [3]),
    ],
)
def test_ticks_are_round_and_not_too_many(axis: Axis, most: int, ticks: list[float]) -> None:
    assert axis.ticks(most) == pytest.approx(ticks)


@pytest.mark.parametrize("high", [3, 17.5, 100, 450, 650, 1_200, 2**30])
@pytest.mark.parametrize("cells", range(1, 30))
def test_ticks_of_an_upright_axis_look_evenly_spaced(high: float, cells: int) -> None:
    axis = linear_axis([high])
    ticks = axis.even_ticks(cells)
    places = [axis.cell(tick, cells) for tick in ticks]
    gaps = [after - before for before, after in pairwise(places)]
    assert ticks[0] == 0 and len(ticks) <= cells // 2 + 1
    assert not gaps or max(gaps) < 2 * min(gaps), places
    assert len(ticks) > 1 or cells < 4
    assert log_axis([1, high]).even_ticks(cells) == log_axis([1, high]).ticks(
        max(1, cells // 2 + 1)
    )


def test_an_axis_is_rounded_outwards() -> None:
    assert linear_axis([3, 17]) == Axis(0, 17.5)
    assert linear_axis([]) == Axis(0, 1)
    assert linear_axis([5, 5], from_zero=False) == Axis(5, 6)
    axis = log_axis([0, 1e-6, 1e-2])
    assert axis.log and 0 < axis.low < 1e-6 and axis.high > 1e-2
    assert log_axis([]).low > 0
    assert nice_step(3) == 5 and nice_step(0) == 1
    assert nice_step(3, binary=True) == 4
    assert linear_axis([1000], binary=True) == Axis(0, 1024, binary=True)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"),
        (0.25, "0.25"),
        (4e-4, "4e-4"),
        (9250, "9250"),
        (12_660, "12.7 k"),
        (1.5e6, "1.5 M"),
        (-12_660, "-12.7 k"),
        (float("nan"), "–"),
    ],
)
def test_numbers_are_short(value: float, words: str) -> None:
    assert short(value) == words


def test_figures_below_each_other_share_their_prefix() -> None:
    assert short(9250, 12_660, digits=True) == "9.25 k"
    assert short(8000, 12_660, digits=True) == "8.00 k"
    assert short(410, 410, digits=True) == "410"
