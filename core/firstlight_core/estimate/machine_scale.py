"""Which sizes of model a machine can convert to the advised precision: the estimate's formulas for round sizes."""

from dataclasses import dataclass

from firstlight_core.precision.table import BASE_RAM, DEFAULT_PRECISION, cost_of, find_precision

SIZES = (("0.5B", 0.5e9), ("1.5B", 1.5e9), ("3B", 3e9), ("7B", 7e9), ("14B", 14e9))
"""Usual sizes of small language models: label and parameters."""
_TABLE_SHARE = 0.1
"""Share of the parameters that are the embedding, in models of these sizes."""
_TIGHT = 0.8
"""Share of the memory from which a conversion leaves little to other programs."""


@dataclass(frozen=True, slots=True)
class SizeFit:
    """Whether a size of model can be converted with some bytes of memory."""

    label: str
    peak_bytes: int
    fits: bool
    tight: bool


def sizes_that_fit(memory: int) -> tuple[SizeFit, ...]:
    """Return every usual size, smallest first, against `memory` bytes; an estimate."""
    row = find_precision(DEFAULT_PRECISION)
    # What cannot be calibrated for want of memory is rounded to the nearest.
    cost = cost_of(row.nearest or row)
    rows = []
    for label, parameters in SIZES:
        table = _TABLE_SHARE * parameters
        peak = round(BASE_RAM + cost.ram_body * (parameters - table) + cost.ram_table * table)
        rows.append(SizeFit(label, peak, fits=peak <= memory, tight=peak > _TIGHT * memory))
    return tuple(rows)
