"""Samples of the whole machine, the tree of one job, and the thresholds."""

import os
from dataclasses import replace

from firstlight_core.machine import ALERT_SAMPLES, MachineReader, find_alerts
from firstlight_core.monitor import Sample

CALM = Sample(cpu=20.0, memory_used=4, memory_total=16)


def test_a_second_sample_has_the_rates_of_the_job() -> None:
    ticks = iter((10.0, 11.0))
    reader = MachineReader(clock=lambda: next(ticks))
    first = reader.read(os.getpid())
    assert first.job_cpu is None and first.disk_write_rate is None and first.seconds == 10.0
    second = reader.read(os.getpid())
    assert second.job_rss and second.job_threads and second.job_cpu is not None
    assert len(second.cores) == os.cpu_count()


def test_a_job_that_is_gone_leaves_blanks_and_no_zeros() -> None:
    sample = MachineReader().read(2**22 + 1)
    assert (sample.job_rss, sample.job_threads, sample.job_cpu) == (None, None, None)


def test_a_calm_machine_raises_no_alert() -> None:
    assert find_alerts([CALM] * 20, response_ms=1999, error_percent=4.9) == ()


def test_each_threshold_is_checked_and_has_advice() -> None:
    busy = replace(CALM, cpu=92.0, memory_used=14, job_cpu=20.0)
    alerts = find_alerts([busy] * ALERT_SAMPLES, response_ms=2400, error_percent=5)
    assert [alert.figure for alert in alerts] == [
        "cpu_usage_percent",
        "memory_usage_percent",
        "response_time_ms",
        "error_rate_percent",
    ]
    assert alerts[0].advice.startswith("Other programs take 72 %")
    assert all(alert.words and alert.advice for alert in alerts)


def test_a_short_peak_is_no_alarm() -> None:
    peak = replace(CALM, cpu=100.0)
    assert find_alerts([CALM] * 20 + [peak] * 3) == ()
    assert find_alerts([peak] * 3) == ()
