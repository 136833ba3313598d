"""Sensors of the processor: whether heat slows it down, its clock, and the energy it has used. Linux only."""

import contextlib
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

SYSTEM = Path("/sys")
EnergySource = Literal["processor", "battery"]
"""processor: the packages' own counters (RAPL); battery: what the whole machine takes out of it."""
_COOLED = ("processor", "cpufreq", "cpu")
"""Beginnings of the types of cooling devices that slow the processor down."""
_PACKAGE = re.compile(r"intel-rapl:\d+")
"""A package; its parts are counted in it. AMD's counters have the same name."""


@dataclass(frozen=True, slots=True)
class Throttling:
    """Counters of slowing down for heat, by file; all of them only grow, but for the states."""

    counts: dict[str, int] = field(default_factory=dict)
    """How often."""
    milliseconds: dict[str, int] = field(default_factory=dict)
    """How long; newer kernels."""
    states: dict[str, int] = field(default_factory=dict)
    """How strongly a cooling device slows the processor down now; 0 is not at all."""

    @property
    def known(self) -> bool:
        """Whether the system has any of them."""
        return bool(self.counts or self.milliseconds or self.states)


def read_throttling(root: Path = SYSTEM) -> Throttling:
    """Read the counters of all cores; empty where the system has none, as in most virtual machines."""
    found = Throttling()
    for folder in _folders(root / "devices" / "system" / "cpu", "cpu[0-9]*/thermal_throttle"):
        for unit in ("core", "package"):
            name = f"{folder.parent.name}/{unit}"
            if (count := _number(folder / f"{unit}_throttle_count")) is not None:
                found.counts[name] = count
            if (passed := _number(folder / f"{unit}_throttle_total_time_ms")) is not None:
                found.milliseconds[name] = passed
    for folder in _folders(root / "class" / "thermal", "cooling_device*"):
        kind = _text(folder / "type") or ""
        state = _number(folder / "cur_state")
        if state is not None and kind.lower().startswith(_COOLED):
            found.states[folder.name] = state
    return found


def read_clock(root: Path = SYSTEM) -> float | None:
    """Return the clock of the fastest core now in MHz; None where the system does not tell."""
    folders = _folders(root / "devices" / "system" / "cpu", "cpu[0-9]*/cpufreq")
    clocks = [_number(folder / "scaling_cur_freq") for folder in folders]
    fastest = max((clock for clock in clocks if clock), default=None)
    return fastest / 1000 if fastest is not None else None


@dataclass(frozen=True, slots=True)
class EnergyMeter:
    """A counter of energy that can be read."""

    source: EnergySource
    read: Callable[[], dict[str, float] | None]
    """Joules by counter; None when it cannot be read any more."""
    ranges: dict[str, float] = field(default_factory=dict)
    """Joules after which a counter begins again at 0."""
    least: float = 0.0
    """Joules below which its steps are too coarse for a figure."""

    def used(self, before: dict[str, float], after: dict[str, float]) -> float:
        """Return the joules between two readings."""
        total = 0.0
        for name, joules in after.items():
            grown = joules - before.get(name, joules)
            total += grown + self.ranges.get(name, 0.0) if grown < 0 else grown
        return total


def find_energy_meter(root: Path = SYSTEM, *, platform: str = sys.platform) -> EnergyMeter | str:
    """Return the energy counter of this machine, or the reason why there is none as the end of a sentence."""
    if platform != "linux":
        return "this system tells no user what the processor uses"
    packages = [
        folder
        for folder in _folders(root / "class" / "powercap", "intel-rapl:*")
        if _PACKAGE.fullmatch(folder.name)
    ]
    if packages and all(_number(folder / "energy_uj") is not None for folder in packages):
        ranges = {
            folder.name: size / 1e6
            for folder in packages
            if (size := _number(folder / "max_energy_range_uj")) is not None
        }
        return EnergyMeter("processor", lambda: _package_joules(packages), ranges)
    batteries = _folders(root / "class" / "power_supply", "BAT*")
    discharging = [folder for folder in batteries if _text(folder / "status") == "Discharging"]
    if discharging and _battery_joules(discharging) is not None:
        # The fuel gauge of a battery moves in steps of about 10 mWh.
        return EnergyMeter("battery", lambda: _battery_joules(discharging), least=720.0)
    if packages:
        return "only root may read the processor's energy counter here"
    return "this machine has no energy counter, and no battery that is in use"


def _package_joules(packages: list[Path]) -> dict[str, float] | None:
    values = {folder.name: _number(folder / "energy_uj") for folder in packages}
    joules = {name: value / 1e6 for name, value in values.items() if value is not None}
    return joules if len(joules) == len(packages) else None


def _battery_joules(batteries: list[Path]) -> dict[str, float] | None:
    """Joules that are gone, as a number that grows while the battery empties."""
    joules: dict[str, float] = {}
    for folder in batteries:
        if (energy := _number(folder / "energy_now")) is not None:
            joules[folder.name] = -energy * 3600 / 1e6
            continue
        charge, voltage = _number(folder / "charge_now"), _number(folder / "voltage_now")
        if charge is None or voltage is None:
            return None
        joules[folder.name] = -charge * voltage * 3600 / 1e12
    return joules


def _folders(parent: Path, pattern: str) -> list[Path]:
    return sorted(_matches(parent, pattern))


def _matches(parent: Path, pattern: str) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from parent.glob(pattern)


def _text(file: Path) -> str | None:
    try:
        return file.read_text("ascii").strip()
    except (OSError, ValueError):
        return None


def _number(file: Path) -> int | None:
    text = _text(file)
    return int(text) if text is not None and text.lstrip("-").isdigit() else None
