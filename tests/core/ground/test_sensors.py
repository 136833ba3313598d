"""Throttling, clock and energy from a folder like /sys."""

from pathlib import Path

import pytest

from firstlight_core.sensors import (
    EnergyMeter,
    Throttling,
    find_energy_meter,
    read_clock,
    read_throttling,
)


def put(root: Path, **files: object) -> None:
    """Write files; `__` in a name stands for `/`."""
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")


def test_counters_and_cooling_devices_are_read(tmp_path: Path) -> None:
    cpu = "devices__system__cpu__cpu0__thermal_throttle__"
    put(
        tmp_path,
        **{
            f"{cpu}core_throttle_count": 3,
            f"{cpu}package_throttle_count": 4,
            f"{cpu}core_throttle_total_time_ms": 120,
            "class__thermal__cooling_device0__type": "Processor",
            "class__thermal__cooling_device0__cur_state": 2,
            "class__thermal__cooling_device1__type": "Fan",
            "class__thermal__cooling_device1__cur_state": 7,
            "class__thermal__cooling_device2__type": "cpufreq-cpu0",
            "class__thermal__cooling_device2__cur_state": "nothing",
        },
    )
    throttling = read_throttling(tmp_path)
    assert throttling == Throttling(
        {"cpu0/core": 3, "cpu0/package": 4}, {"cpu0/core": 120}, {"cooling_device0": 2}
    )
    assert throttling.known and not read_throttling(tmp_path / "none").known


def test_the_clock_is_that_of_the_fastest_core(tmp_path: Path) -> None:
    cpu = "devices__system__cpu__"
    put(
        tmp_path,
        **{
            f"{cpu}cpu0__cpufreq__scaling_cur_freq": 1_800_000,
            f"{cpu}cpu1__cpufreq__scaling_cur_freq": 3_400_000,
            f"{cpu}cpu2__cpufreq__scaling_cur_freq": "?",
        },
    )
    assert read_clock(tmp_path) == 3400
    assert read_clock(tmp_path / "none") is None


def test_packages_are_counted_without_their_parts_and_over_their_end(tmp_path: Path) -> None:
    rapl = "class__powercap__intel-rapl:"
    put(
        tmp_path,
        **{
            f"{rapl}0__energy_uj": 9_000_000,
            f"{rapl}0__max_energy_range_uj": 10_000_000,
            f"{rapl}0:0__energy_uj": 5_000_000,
            f"{rapl}1__energy_uj": 1_000_000,
        },
    )
    meter = find_energy_meter(tmp_path, platform="linux")
    assert isinstance(meter, EnergyMeter) and meter.source == "processor"
    before = meter.read()
    assert before == {"intel-rapl:0": 9.0, "intel-rapl:1": 1.0}
    put(tmp_path, **{f"{rapl}0__energy_uj": 2_000_000, f"{rapl}1__energy_uj": 1_500_000})
    after = meter.read()
    assert after is not None and meter.used(before, after) == pytest.approx(3.5)
    (tmp_path / "class/powercap/intel-rapl:1/energy_uj").unlink()
    assert meter.read() is None


def test_a_battery_counts_only_while_it_empties(tmp_path: Path) -> None:
    put(
        tmp_path,
        class__power_supply__BAT0__status="Discharging",
        class__power_supply__BAT0__energy_now=50_000_000,
        class__power_supply__BAT1__status="Full",
        class__power_supply__BAT1__energy_now=1,
    )
    meter = find_energy_meter(tmp_path, platform="linux")
    assert isinstance(meter, EnergyMeter) and meter.source == "battery" and meter.least > 0
    before = meter.read()
    put(tmp_path, class__power_supply__BAT0__energy_now=49_000_000)
    after = meter.read()
    assert before is not None and after is not None
    assert meter.used(before, after) == pytest.approx(3600)
    put(tmp_path, class__power_supply__BAT0__status="Charging")
    assert find_energy_meter(tmp_path, platform="linux") == (
        "this machine has no energy counter, and no battery that is in use"
    )


def test_a_battery_may_count_charge(tmp_path: Path) -> None:
    put(
        tmp_path,
        class__power_supply__BAT0__status="Discharging",
        class__power_supply__BAT0__charge_now=1_000_000,
        class__power_supply__BAT0__voltage_now=12_000_000,
    )
    meter = find_energy_meter(tmp_path, platform="linux")
    assert isinstance(meter, EnergyMeter)
    assert meter.read() == {"BAT0": pytest.approx(-12 * 3600)}


def test_a_counter_for_root_only_is_named(tmp_path: Path) -> None:
    # What nobody may read looks like this to a reader: the folder is there, the number is not.
    put(tmp_path, **{"class__powercap__intel-rapl:0__name": "package-0"})
    assert find_energy_meter(tmp_path, platform="linux") == (
        "only root may read the processor's energy counter here"
    )
    assert "tells no user" in str(find_energy_meter(tmp_path, platform="win32"))
