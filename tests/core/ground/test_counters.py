"""What each system counts: peak memory and sleep, against what Windows, macOS and Linux answer."""

import ctypes
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from firstlight_core import counters
from firstlight_core.counters import (
    WindowsClocks,
    children_peak,
    clocks,
    give_back_memory,
    load_average,
    peak_memory,
    reset_peak,
)
from firstlight_core.measure.interference import SLEPT_SECONDS, InterferenceWatch

MIB = 2**20
NOW = SimpleNamespace(rss=70 * MIB)


def test_the_peak_of_linux_is_the_mark_of_the_kernel(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmHWM:\t  204800 kB\nVmRSS:\t  71680 kB\n")
    # After exec ru_maxrss is still that of the parent.
    peak = peak_memory(
        platform="linux", status=status, max_resident=lambda _: 9_000_000, memory_info=lambda: NOW
    )
    assert peak == 200 * MIB


def test_the_peak_of_macos_is_in_bytes_and_not_what_is_held_now(tmp_path: Path) -> None:
    peak = peak_memory(
        platform="darwin",
        status=tmp_path / "none",
        max_resident=lambda children: 200 * MIB,
        memory_info=lambda: NOW,
    )
    assert peak == 200 * MIB
    assert children_peak(platform="darwin", max_resident=lambda children: 300 * MIB) == 300 * MIB
    assert children_peak(platform="linux", max_resident=lambda children: 300 * 1024) == 300 * MIB


def test_the_peak_of_windows_is_the_peak_working_set(tmp_path: Path) -> None:
    memory = SimpleNamespace(rss=70 * MIB, peak_wset=200 * MIB)
    peak = peak_memory(
        platform="win32",
        status=tmp_path / "none",
        max_resident=lambda _: 0,
        memory_info=lambda: memory,
    )
    assert peak == 200 * MIB


def test_a_second_precision_begins_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ctypes.CDLL(None)` raises TypeError there: it ended every precision after the first."""

    def no_process() -> None:
        raise TypeError("argument of type 'NoneType' is not iterable")

    give_back_memory(library=no_process)
    monkeypatch.setattr(counters, "_whole_process", no_process)
    reset_peak()


def test_broken_performance_counters_of_windows_are_no_load() -> None:
    """Seen of psutil on CPython for Windows: `firstlight doctor` ended with this RuntimeError."""

    def broken() -> tuple[float, float, float]:
        raise RuntimeError("PdhAddEnglishCounterW failed. Performance counters may be disabled.")

    assert load_average(read=broken) == 0.0
    assert load_average(read=lambda: (3.5, 2.0, 1.0)) == 3.5


def test_a_library_without_malloc_trim_is_none() -> None:
    give_back_memory(library=lambda: SimpleNamespace())


class Kernel:
    """kernel32 of a machine that was asleep for a while."""

    def __init__(self) -> None:
        self.awake = 1_000.0
        self.asleep = 0.0

    def QueryUnbiasedInterruptTime(self, count: object) -> int:
        count._obj.value = int(self.awake * 1e7)  # type: ignore[attr-defined]
        return 1

    def GetTickCount64(self) -> int:
        return int((self.awake + self.asleep) * 1e3)


def test_windows_notices_sleep() -> None:
    kernel = Kernel()
    awake, whole = clocks(platform="win32", kernel=kernel)
    watch = InterferenceWatch(awake=awake, whole=whole, busy=lambda: 0.0, ours=lambda _: 0.0)
    watch.begin([])
    kernel.awake += 5
    kernel.asleep += 60
    watch.end()
    assert any("slept" in note for note in watch.notes())


def test_windows_that_was_awake_slept_for_less_than_a_tick() -> None:
    kernel = Kernel()
    clocks = WindowsClocks(kernel)
    start = clocks.whole() - clocks.awake()
    kernel.awake += 3_600
    assert abs(clocks.whole() - clocks.awake() - start) < SLEPT_SECONDS / 10
    assert ctypes.c_uint64(int(kernel.awake * 1e7)).value / 1e7 == clocks.awake()


def test_macos_reads_uptime_raw_beside_its_monotonic_clock() -> None:
    requests: list[int] = []

    def read(clock: int) -> float:
        requests.append(clock)
        return float(clock)

    awake, whole = clocks(platform="darwin", read=read)
    awake(), whole()
    # CLOCK_UPTIME_RAW of <time.h>; CLOCK_MONOTONIC goes on while a Mac sleeps.
    assert requests == [8, time.CLOCK_MONOTONIC]


def test_linux_reads_boottime_for_the_whole() -> None:
    requests: list[int] = []
    awake, whole = clocks(platform="linux", read=lambda clock: requests.append(clock) or 0.0)
    awake(), whole()
    assert requests == [time.CLOCK_MONOTONIC, time.CLOCK_BOOTTIME]
