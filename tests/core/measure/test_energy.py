"""Joules a token: counted where a counter is fine enough, else left out with the reason."""

from collections.abc import Callable

import pytest

from firstlight_core.documents.measure import BenchResult
from firstlight_core.measure.bench_words import energy_sentence
from firstlight_core.measure.energy import EnergyLog
from firstlight_core.sensors import EnergyMeter, EnergySource
from tests.support.measured_documents import bench_result


def counter(*joules: float | None) -> Callable[[], dict[str, float] | None]:
    left = iter(joules)

    def read() -> dict[str, float] | None:
        value = next(left)
        return None if value is None else {"package": value}

    return read


def logged(source: EnergySource, *joules: float | None, least: float = 0.0) -> EnergyLog:
    """Two repetitions of 10 tokens each, between these readings."""
    log = EnergyLog(EnergyMeter(source, counter(*joules), least=least))
    for _ in range(2):
        log.start()
        log.stop(128, 10)
    return log


def test_joules_of_each_repetition_and_of_all() -> None:
    log = logged("processor", 100.0, 105.0, 200.0, 215.0)
    figure = log.per_token(128)
    assert figure is not None and figure["samples"] == [0.5, 1.5]
    total = log.total()
    assert total == {
        "source": "processor",
        "joules": pytest.approx(20.0),
        "tokens": 20,
        "joules_per_token": pytest.approx(1.0),
    }
    assert log.per_token(32) is None
    result: BenchResult = {**bench_result("/a"), "energy": total}
    assert energy_sentence(result).startswith("1 J for each written token")
    assert energy_sentence(bench_result("/a")) == ""


def test_a_battery_is_too_coarse_for_one_repetition_and_for_a_short_run() -> None:
    log = logged("battery", 0.0, 36.0, 36.0, 1036.0, least=720.0)
    assert log.per_token(128) is None
    total = log.total()
    assert total is not None and total["joules_per_token"] == pytest.approx(1036 / 20)
    assert logged("battery", 0.0, 36.0, 36.0, 72.0, least=720.0).total() is None


def test_a_counter_that_goes_away_leaves_what_was_counted() -> None:
    log = logged("processor", 100.0, 105.0, 200.0, None)
    total = log.total()
    assert total is not None and total["tokens"] == 10
    nothing = EnergyLog(None)
    nothing.start()
    nothing.stop(128, 10)
    assert nothing.total() is None and nothing.per_token(128) is None
