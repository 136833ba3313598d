"""Factors on the formulas of `estimates`, from the measured costs of earlier conversions on this machine."""

import statistics
from collections.abc import Mapping
from typing import Any

from firstlight_core.errors import FirstlightError
from firstlight_core.files import exists, read_json, write_json
from firstlight_core.paths import find_paths

KEPT = 60
FORMULA = 7
"""Raised whenever the formulas change: ratios against older ones mean nothing."""
LIMITS = {"seconds": (0.2, 8.0), "peak_ram_bytes": (0.7, 1.5)}
"""A ratio outside of this says that something else happened (a suspended laptop, another program)."""
SHARED = ("seconds",)
"""Quantities whose ratio is the machine's more than the precision's."""
ENOUGH = 3
"""Runs of the same precision that outweigh those of others."""
LAST = 9
"""Newest runs that count: a machine changes."""


def _file() -> Any:
    return find_paths().state / "calibration.json"


def _read() -> list[dict[str, Any]]:
    path = _file()
    try:
        rows = read_json(path, limit=2**20) if exists(path) else []
    except (FirstlightError, OSError):
        return []
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def remember(
    precision: str,
    parameters: int,
    predicted: Mapping[str, float],
    measured: Mapping[str, float],
) -> None:
    """Record the measured cost of a conversion and its formula's estimate; a failure to write is ignored."""
    row = {
        "formula": FORMULA,
        "precision": precision,
        "parameters": parameters,
        "predicted": {name: float(value) for name, value in predicted.items()},
        "measured": {name: float(value) for name, value in measured.items()},
    }
    try:
        write_json(_file(), [*_read(), row][-KEPT:])
    except FirstlightError:
        return


def factor(quantity: str, precision: str, parameters: int) -> tuple[float, int]:
    """Return the median of measured ÷ predicted for models of a quarter to four times the size, and their number.

    Without any earlier run the factor is 1. How fast a machine is shows in every precision: until the same one has been
    run a few times, all count. What memory a precision needs shows in no other.
    """
    low, high = LIMITS[quantity]
    same: list[float] = []
    other: list[float] = []
    for row in _read():
        ratio = _ratio(row, quantity, parameters)
        if ratio is None or not low <= ratio <= high:
            continue
        (same if row.get("precision") == precision else other).append(ratio)
    if quantity in SHARED and len(same) < ENOUGH:
        same = [*other[-LAST:], *same]
    ratios = same[-LAST:]
    return (statistics.median(ratios), len(ratios)) if ratios else (1.0, 0)


def _ratio(row: Mapping[str, Any], quantity: str, parameters: int) -> float | None:
    try:
        if row["formula"] != FORMULA:
            return None
        if not parameters / 4 <= row["parameters"] <= parameters * 4:
            return None
        return float(row["measured"][quantity]) / float(row["predicted"][quantity])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
