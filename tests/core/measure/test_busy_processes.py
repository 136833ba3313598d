"""Who disturbs a measurement, and waiting until nobody does."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from firstlight_core.errors import CheckFailed, UsageError
from firstlight_core.measure.benchmark import benchmark
from firstlight_core.measure.busy_processes import (
    ProcessTimes,
    busiest,
    load_words,
    process_times,
    wait_until_quiet,
)
from firstlight_core.measure.interference import InterferenceWatch, others_seconds
from firstlight_core.process.events import Event, Progress, Stage

CORES = psutil.cpu_count() or 1


def times(name: str, seconds: float, started: float = 1.0) -> ProcessTimes:
    return ProcessTimes(name, started, seconds)


def test_the_busiest_program_is_named_and_ours_is_not() -> None:
    before = {1: times("python3", 5.0), 2: times("firefox", 9.0), 3: times("ours", 0.0)}
    after = {
        1: times("python3", 5.0 + 2 * CORES),
        2: times("firefox", 9.0 + 3 * CORES),
        3: times("ours", 9.0 * CORES),
    }
    top = busiest(before, after, 10.0, ours={3})
    assert top is not None and (top.name, top.pid) == ("firefox", 2)
    assert top.share == pytest.approx(0.3)
    assert str(top) == "firefox (process 2) 30 %"


def test_a_program_that_began_meanwhile_or_has_the_number_of_another_counts_from_its_start() -> (
    None
):
    after = {7: times("cc1plus", 4.0 * CORES, started=50.0)}
    for before in ({}, {7: times("bash", 100.0 * CORES, started=2.0)}):
        top = busiest(before, after, 10.0)
        assert top is not None and top.share == pytest.approx(0.4)


def test_small_ones_have_no_name() -> None:
    assert busiest({}, {1: times("cron", 0.04 * CORES)}, 1.0) is None
    assert busiest({}, {1: times("cron", 9.0 * CORES)}, 0.0) is None


def test_a_name_is_text() -> None:
    top = busiest({}, {1: times("a\x1b[31m\nb" + "c" * 90, 1.0 * CORES)}, 1.0)
    assert "\x1b" not in str(top) and "\n" not in str(top) and len(str(top)) < 80
    assert load_words(0.6, top).startswith("60 % of the CPU, most of it a")
    small = busiest({}, {1: times("x", 0.2 * CORES)}, 1.0)
    assert load_words(0.6, small) == "60 % of the CPU, among them x (process 1) 20 %"
    assert load_words(0.6, None) == "60 % of the CPU"


def test_a_void_run_names_the_culprit() -> None:
    looks = iter([{9: times("make", 0.0)}, {9: times("make", 4.0 * CORES)}])
    awake = iter([0.0, 10.0])
    busy = iter([0.0, 6.0 * CORES])
    watch = InterferenceWatch(
        awake=lambda: next(awake),
        whole=lambda: 0.0,
        busy=lambda: next(busy),
        ours=lambda pids: 0.0,
        processes=lambda: next(looks),
    )
    watch.begin([])
    watch.end()
    assert watch.notes() == [
        "Void: other programs were using 60 % of the CPU, most of it make (process 9) 40 %. "
        "Close them and measure again."
    ]


@pytest.mark.slow
def test_real_processes_are_seen() -> None:
    spinner = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        before = process_times()
        own = psutil.Process(spinner.pid)
        while sum(own.cpu_times()[:2]) < 0.5:
            pass
        after = process_times()
        assert after[spinner.pid].seconds > 0.4 and os.getpid() in after
        top = busiest({}, {spinner.pid: after[spinner.pid]}, 0.5 / CORES)
        assert top is not None and top.pid == spinner.pid
        assert before.keys() & after.keys()
    finally:
        spinner.kill()
        spinner.wait()


class Machine:
    """A machine whose other programs use these shares, second by second; the last one stays."""

    def __init__(self, *shares: float) -> None:
        self.shares = iter(shares)
        self.share = 0.0
        self.now = self.used = 0.0
        self.events: list[Event] = []

    async def sleep(self, seconds: float) -> None:
        self.share = next(self.shares, self.share)
        self.now += seconds
        self.used += seconds * self.share * CORES

    async def wait(self, limit: float) -> float:
        await wait_until_quiet(
            limit,
            self.events.append,
            load=lambda: self.used,
            processes=lambda: {5: times("firefox", self.used)},
            clock=lambda: self.now,
            sleep=self.sleep,
        )
        return self.now


async def test_it_begins_by_itself_after_three_quiet_seconds() -> None:
    machine = Machine(0.5, 0.4, 0.0, 0.02, 0.3, 0.0, 0.01, 0.05, 0.9)
    assert await machine.wait(60) == 8
    stages = [event.label for event in machine.events if isinstance(event, Stage)]
    assert stages == [
        "Waiting until the machine is quiet",
        "Waiting until the machine is quiet: firefox (process 5) 50 %",
    ]
    counts = [event.done for event in machine.events if isinstance(event, Progress)]
    assert counts == [1, 2, 3, 4, 5, 6, 7, 8]


async def test_a_machine_that_stays_busy_is_given_up_with_the_culprit() -> None:
    machine = Machine(0.4)
    with pytest.raises(CheckFailed) as raised:
        await machine.wait(5)
    assert str(raised.value) == (
        "The machine did not become quiet within 5 s: other programs use 40 % of the CPU, "
        "most of it firefox (process 5) 40 %."
    )
    assert machine.now == 5


@pytest.mark.parametrize("limit", [0, -1, 1e6, float("nan")])
async def test_a_wait_out_of_range_is_refused(limit: float) -> None:
    with pytest.raises(UsageError, match="seconds to wait"):
        await Machine().wait(limit)


async def test_a_benchmark_waits_before_it_loads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    calls: list[float] = []

    async def waited(limit: float, tell: Callable[[Event], None], **options: Any) -> None:
        calls.append(limit)
        raise CheckFailed("Not quiet.")

    monkeypatch.setattr("firstlight_core.measure.benchmark.wait_until_quiet", waited)
    with pytest.raises(CheckFailed, match="Not quiet"):
        await benchmark(["http://127.0.0.1:9/v1#m"], wait_quiet=30)
    assert calls == [30]


@pytest.fixture
def spinning() -> Iterator[None]:
    spinner = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    yield
    spinner.kill()
    spinner.wait()


def test_the_load_of_others_grows_while_they_work(spinning: None) -> None:
    begun = others_seconds()
    while others_seconds() < begun + 0.2:
        pass
