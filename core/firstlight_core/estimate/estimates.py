"""What a conversion will cost and give, before it is begun: bytes, peak RAM, disk, seconds, RAM to run.

The formulas were fitted to conversions that were really run (docs/estimates.md holds the table that
`bench/estimates.py` writes); each constant below says what it stands for. Seconds are those of the 2-core machine
the table was made on, until earlier conversions on this machine calibrate them.
"""

import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from firstlight_core.estimate.artifact_size import artifact_bytes
from firstlight_core.estimate.availability import precision_available
from firstlight_core.estimate.calibrated_cost import (
    LONGEST_SECONDS,
    calibration_ram,
    calibration_seconds,
    unfit,
)
from firstlight_core.estimate.calibration import factor, remember
from firstlight_core.model.inspection import Inspection
from firstlight_core.monitor import available_memory
from firstlight_core.paths import find_paths
from firstlight_core.precisions import PRECISIONS, Precision
from firstlight_core.text import bytes_text, seconds_text

BASE_RAM = 464_000_000
"""Bytes that the conversion child needs before it reads a weight: Python, torch, transformers, Olive."""
BASE_SECONDS = 3.25
"""Seconds for importing, and for the graph of a tiny model."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one precision costs: peak bytes per weight, bytes per weight of a second vocabulary table, seconds.

    A weight is one of the body or of the one table that a tied model has; an untied model has a second one.
    """

    ram: float
    ram_untied: float
    seconds_body: float
    """Seconds per 10^9 weights of the body."""
    seconds_table: float
    """Seconds per 10^9 weights of the vocabulary table, which is one huge matrix and costs more than many small ones."""
    seconds_untied: float = 0.0
    """Seconds per 10^9 weights of a second vocabulary table."""
    ram_table: float = 0.0
    """Bytes per weight of the vocabulary table on top: the quantiser works on one weight at a time, and this is the largest."""


COSTS = {
    "fp32": Cost(4.3, 2.0, 12.0, 65.0),
    "fp16": Cost(16.3, 16.0, 18.0, 205.0, 100.0),
    "int8": Cost(3.9, 0.0, 9.0, 30.0, 0.0, 5.3),
    "int8-compact": Cost(3.9, 0.0, 9.0, 17.0, 0.0, 5.3),
    "int4": Cost(3.4, 0.7, 8.0, 13.0, 10.0, 3.6),
    "int4-compact": Cost(3.4, 0.5, 8.0, 12.0, 10.0, 3.2),
    "int4-quality": Cost(8.35, 6.0, 40.0, 165.0, 0.0, 6.5),
    "int4-calibrated": Cost(1.5, 2.0, 4.0, 165.0, 0.0, 10.0),
}
"""Fitted to docs/estimates.md: models of 2 M to 630 M parameters, two cores. Larger models are extrapolated, other machines
are learnt from their own conversions (`calibration`)."""
_NOTHING_FITS = "No precision fits: choose a smaller model, or convert it on a larger machine."
RUN_BASE = 120_000_000
"""Bytes of a process that runs an artifact, beside weights and KV cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One row of the precision table for one model; sizes in bytes."""

    precision: str
    bytes: int
    """Size of the artifact folder."""
    peak_ram_bytes: int
    """Largest resident memory of the conversion child."""
    disk_bytes: int
    """Disk needed while working, the artifact included."""
    seconds: float
    run_ram_bytes: int
    """Resident memory of a process that runs it at `context` tokens."""
    context: int
    assumes: str
    available: bool
    blocked_by: str
    """`model`, `toolchain`, `memory`, `disk` or `time`; empty when it can run here."""
    reason: str
    """Why it cannot run here, and what could; empty when it can."""

    def to_json(self) -> dict[str, Any]:
        """The estimate object of `firstlight inspect --json`."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What this machine has left: memory in bytes, and disk in bytes where the work goes."""

    memory: int
    disk: int

    @classmethod
    def here(cls, folder: Path | None = None) -> "Room":
        """Look now; `folder` or the nearest folder above it that exists says which disk."""
        place = folder or find_paths().work
        while not place.exists() and place != place.parent:
            place = place.parent
        return cls(memory=available_memory(), disk=shutil.disk_usage(place).free)


def kv_cache_bytes(inspection: Inspection, context: int) -> int:
    """Bytes of keys and values for `context` tokens: 2 × layers × kv_heads × head_size × 4 (float32 on CPU)."""
    shape = inspection.shape
    return 2 * shape.layers * shape.kv_heads * shape.head_size * context * 4


def bare_estimate(inspection: Inspection, precision: Precision) -> dict[str, float]:
    """Peak RAM and seconds by the formulas alone, without what this machine taught."""
    shape, structure = inspection.shape, inspection.structure
    # A row that has not been measured yet costs what the plain row of its builder precision does.
    cost = COSTS.get(precision.key) or COSTS[precision.builder_precision]
    table = shape.vocab * shape.hidden
    weights = structure.body + table
    untied = 0 if structure.tied else table
    ram = cost.ram * weights + cost.ram_table * table + cost.ram_untied * untied
    seconds = (
        cost.seconds_body * structure.body
        + cost.seconds_table * table
        + cost.seconds_untied * untied
    ) / 1e9
    if precision.calibrated:
        ram = max(ram, calibration_ram(inspection))
        seconds += calibration_seconds(inspection)
    return {"peak_ram_bytes": BASE_RAM + ram, "seconds": BASE_SECONDS + seconds}


def estimate(
    inspection: Inspection, precision: Precision, *, context: int = 2048, room: Room | None = None
) -> Estimate:
    """What this precision of this model will cost, and whether it can be made here."""
    size = artifact_bytes(inspection, precision)
    bare = bare_estimate(inspection, precision)
    ram_factor, _ = factor("peak_ram_bytes", precision.key, inspection.parameters)
    time_factor, runs = factor("seconds", precision.key, inspection.parameters)
    peak = round(bare["peak_ram_bytes"] * ram_factor)
    tokens = min(context, inspection.shape.context or context)
    # ONNX Runtime widens fp16 weights to fp32 on a CPU (FACTS.md): the RAM is that of fp32.
    loaded = 2 * size if precision.half_pass else size
    # Olive's cache and its output are one file with two names; the FP32 graph of a second pass is twice its FP16.
    disk = size * (3 if precision.half_pass else 1)
    seconds = round(bare["seconds"] * time_factor, 1)
    if reason := pointless(inspection, precision):
        blocked_by = "model"
    else:
        blocked_by, reason = _fits(precision, peak, disk, room or Room.here())
    if not blocked_by and precision.calibrated and seconds > LONGEST_SECONDS:
        blocked_by = "time"
        reason = f"Calibrating this model would take about {seconds_text(seconds)} here."
    learnt = f"calibrated by {runs} earlier conversions here" if runs else "not yet calibrated here"
    return Estimate(
        precision=precision.key,
        bytes=size,
        peak_ram_bytes=peak,
        disk_bytes=disk,
        seconds=seconds,
        run_ram_bytes=RUN_BASE + loaded + kv_cache_bytes(inspection, tokens),
        context=tokens,
        assumes=f"CPU, {tokens} tokens of context, formulas of docs/estimates.md, {learnt}",
        available=not blocked_by,
        blocked_by=blocked_by,
        reason=reason,
    )


def pointless(inspection: Inspection, precision: Precision) -> str:
    """Why a row makes no sense for this model; empty when it does."""
    if precision.tied_only and not inspection.structure.tied:
        return "The model's output head is not its embedding, so there is no table to share: INT8 makes the same."
    return unfit(inspection, precision)


def _fits(precision: Precision, peak: int, disk: int, room: Room) -> tuple[str, str]:
    """What stands in the way, and the sentence that says so; two empty texts when nothing does."""
    possible, reason = precision_available(precision)
    if not possible:
        return "toolchain", reason
    if peak > room.memory:
        return "memory", (
            f"Converting needs about {bytes_text(peak)} of memory; "
            f"{bytes_text(room.memory)} is available."
        )
    if disk > room.disk:
        return "disk", (
            f"Converting needs about {bytes_text(disk)} of disk; {bytes_text(room.disk)} is free."
        )
    return "", ""


def estimates(
    inspection: Inspection, *, context: int = 2048, room: Room | None = None
) -> dict[str, dict[str, Any]]:
    """The estimate of every row of the precision table, by key; what does not fit says what would."""
    room = room or Room.here()
    found = {row.key: estimate(inspection, row, context=context, room=room) for row in PRECISIONS}
    fitting = ", ".join(row.label for row in PRECISIONS if found[row.key].available)
    advice = f" It would fit as: {fitting}." if fitting else f" {_NOTHING_FITS}"
    return {
        key: replace(row, reason=row.reason + advice).to_json()
        if row.blocked_by in ("memory", "disk", "time")
        else row.to_json()
        for key, row in found.items()
    }


def remember_conversion(
    inspection: Inspection, precision: Precision, *, seconds: float, peak_rss_bytes: int
) -> None:
    """Teach later estimates what one conversion on this machine took."""
    remember(
        precision.key,
        inspection.parameters,
        bare_estimate(inspection, precision),
        {"seconds": seconds, "peak_ram_bytes": peak_rss_bytes},
    )
