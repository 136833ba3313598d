"""A processor that heat, or its own limits, slowed down makes a run void and is named."""

from collections.abc import Callable, Iterable

import psutil

from firstlight_core.counters import tells_sleep
from firstlight_core.measure.bench_words import condition_sentences
from firstlight_core.measure.interference import InterferenceWatch
from firstlight_core.measure.throttling import ThrottleWatch
from firstlight_core.sensors import Throttling

NEVER = Throttling()


def series(*values: Throttling) -> Callable[[], Throttling]:
    """Counters that read so, one after another; the last one stays."""
    left = list(values)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def watched(
    throttling: Callable[[], Throttling], clocks: Iterable[float | None] = (), seconds: float = 100
) -> ThrottleWatch:
    readings = list(clocks)
    left = iter(readings)
    watch = ThrottleWatch(throttling=throttling, clock=lambda: next(left))
    watch.begin()
    for _ in readings:
        watch.look()
    watch.end(seconds)
    return watch


def test_a_cool_processor_is_not_throttled() -> None:
    watch = watched(lambda: Throttling({"cpu0/core": 7}, {"cpu0/core": 90}), [3000.0] * 20)
    assert watch.reason() == "" and watch.throttled is False
    assert watch.clocks == {"median": 3000, "min": 3000, "max": 3000}


def test_where_nothing_is_told_it_is_unknown() -> None:
    watch = watched(lambda: NEVER, [None] * 20)
    assert watch.throttled is None and watch.clocks is None and watch.reason() == ""
    assert watched(lambda: NEVER, [3000.0] * 20).throttled is False
    assert watched(lambda: NEVER, [3000.0] * 3).throttled is None


def test_heat_is_judged_by_its_time_where_the_kernel_tells_it() -> None:
    before = Throttling({"cpu0/core": 7}, {"cpu0/core": 1000})
    long = Throttling({"cpu0/core": 9}, {"cpu0/core": 6000})
    short = Throttling({"cpu0/core": 8}, {"cpu0/core": 1500})
    hot = watched(series(before, long))
    assert hot.reason() == "heat slowed the processor down for 5.0 s of 100 s" and hot.throttled
    assert watched(series(before, short)).throttled is False
    old = watched(series(Throttling({"cpu0/core": 7}), Throttling({"cpu0/core": 9})))
    assert old.reason() == "heat slowed the processor down 2 times"


def test_a_cooling_device_that_begins_to_work_is_noticed_between_two_rounds() -> None:
    idle, active = (
        Throttling(states={"cooling_device0": 0}),
        Throttling(states={"cooling_device0": 3}),
    )
    watch = watched(series(idle, idle, active, idle), [None, None, None])
    assert watch.reason() == "the system slowed the processor down to cool it"


def test_a_clock_that_falls_makes_it_void() -> None:
    fell = watched(lambda: NEVER, [3400.0] * 5 + [2600.0] * 5 + [2100.0] * 10)
    assert fell.reason() == "the processor's clock fell from 3.4 to 2.1 GHz" and fell.throttled
    rose = watched(lambda: NEVER, [2100.0] * 10 + [3400.0] * 10)
    assert rose.reason() == ""
    assert watched(lambda: NEVER, [3400.0, 2100.0] * 10).reason() == "", "it only wavers"


def interfered(throttle: ThrottleWatch, *, sleep_known: bool = True) -> InterferenceWatch:
    seconds = iter([0.0, 100.0])
    watch = InterferenceWatch(
        awake=lambda: next(seconds),
        whole=lambda: 0.0,
        busy=lambda: 0.0,
        ours=lambda pids: 0.0,
        processes=dict,
        throttle=throttle,
        sleep_known=sleep_known,
    )
    watch.begin([])
    watch.look()
    watch.end()
    return watch


def test_the_culprit_is_in_the_notes_and_the_conditions() -> None:
    before, after = Throttling({"cpu0/core": 0}), Throttling({"cpu0/core": 1})
    hot = interfered(ThrottleWatch(throttling=series(before, after), clock=lambda: 2000.0))
    assert hot.notes() == [
        "Void: heat slowed the processor down once. Let it cool down, plug it in, and measure again."
    ]
    conditions = hot.conditions()
    assert conditions["throttled"] is True and conditions["clock_mhz"]["median"] == 2000
    assert conditions["slept_s"] == 0 and conditions["others_share"] == 0
    dark = interfered(
        ThrottleWatch(throttling=lambda: NEVER, clock=lambda: None), sleep_known=False
    )
    assert dark.notes() == [] and dark.conditions() == {"others_share": 0.0}
    words = " ".join(condition_sentences(dark.conditions()))
    assert "slowed the processor down is unknown" in words and "slept is unknown" in words
    assert psutil.cpu_count()


def test_which_systems_tell_sleep() -> None:
    assert tells_sleep(platform="win32", has=lambda name: False)
    assert tells_sleep(platform="darwin", has=lambda name: name == "CLOCK_UPTIME_RAW")
    assert not tells_sleep(platform="linux", has=lambda name: name == "CLOCK_UPTIME_RAW")
    assert tells_sleep(platform="linux", has=lambda name: name == "CLOCK_BOOTTIME")
