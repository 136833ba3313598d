"""Estimates before a conversion: bytes, peak RAM, disk, seconds, RAM to run.

The formulas were fitted to conversions that were really run (docs/estimates.md holds the table that
`bench/estimates.py` writes): models of 2 M to 630 M parameters, two cores. Larger models are extrapolated. The terms of
each precision stand in its row of the precision table. Seconds are those of the 2-core machine the table was made on,
until earlier conversions on this machine calibrate them (`calibration`).
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from firstlight_core.documents.estimate import BlockedBy, EstimateDocument
from firstlight_core.documents.model import InspectDocument
from firstlight_core.environment.precision_support import precision_available
from firstlight_core.estimate.artifact_size import artifact_bytes, calibrated_checkpoint_bytes
from firstlight_core.estimate.calibrated_cost import (
    LONGEST_SECONDS,
    calibration_ram,
    calibration_seconds,
    slower_here,
    unfit,
)
from firstlight_core.estimate.calibration import factor, remember
from firstlight_core.estimate.check_memory import check_bytes
from firstlight_core.estimate.run_memory import run_bytes
from firstlight_core.model.inspection import Inspection, inspect_model
from firstlight_core.monitor import available_memory
from firstlight_core.paths import find_paths
from firstlight_core.precision.table import BASE_RAM, PRECISIONS, Precision, cost_of
from firstlight_core.text import bytes_text, seconds_text

BASE_SECONDS = 3.25
"""Seconds of Olive for importing, and for the graph of a tiny model."""
CHECK_SECONDS = 0.7
"""Seconds of the check of a tiny model: loading it once more, comparing, publishing."""
CHECK_PARAMETER = 78e-9
"""Seconds of the check for each parameter: the original's answers, its matrices beside the artifact's, both run again."""


BEYOND_FLOAT16 = ("gemma3", "gemma3_text")
"""Model types whose activations overflow float16, by measurement."""
_NOTHING_FITS = "No precision fits: choose a smaller model, or convert it on a larger machine."


class BareEstimate(TypedDict):
    """The result of the formulas alone, in bytes and seconds."""

    build_ram_bytes: float
    """Peak of Olive's stage."""
    peak_ram_bytes: float
    """Peak of all stages."""
    seconds: float
    """Of all stages."""
    check_seconds: float
    """Of the stages after Olive's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Free memory in bytes, and free disk in bytes at the work folder."""

    memory: int
    disk: int

    @classmethod
    def here(cls, folder: Path | None = None) -> "Room":
        """Look now; `folder` or the nearest folder above it that exists says which disk."""
        path = folder or find_paths().work
        while not path.exists() and path != path.parent:
            path = path.parent
        return cls(memory=available_memory(), disk=shutil.disk_usage(path).free)


def bare_estimate(
    inspection: Inspection,
    precision: Precision,
    *,
    available: int | None = None,
    answers: bool = False,
) -> BareEstimate:
    """Return peak RAM (of Olive's stage, and of all) and seconds by the formulas alone, without what this machine taught.

    `available` bytes of memory bound what the check takes; by default it has all that it wants. A calibrated precision is
    rounded on `answers` of the original, or on the built-in text.
    """
    shape, structure = inspection.shape, inspection.structure
    cost = cost_of(precision)
    table = shape.vocab * shape.hidden
    untied = 0 if structure.tied else table
    ram = cost.ram_body * structure.body + cost.ram_table * table + cost.ram_untied * untied
    seconds = (
        cost.seconds_body * structure.body
        + cost.seconds_table * table
        + cost.seconds_untied * untied
    ) / 1e9
    if precision.calibrated:
        ram = max(ram, calibration_ram(inspection))
        seconds += calibration_seconds(inspection, answers=answers)
    check_seconds = CHECK_SECONDS + CHECK_PARAMETER * inspection.parameters
    # The original runs while another process has the artifact loaded.
    check = check_bytes(inspection, precision, build=ram, available=available)
    return {
        "build_ram_bytes": BASE_RAM + ram,
        "peak_ram_bytes": BASE_RAM + max(ram, check),
        "seconds": BASE_SECONDS + seconds + check_seconds,
        "check_seconds": check_seconds,
    }


def estimate(
    inspection: Inspection,
    precision: Precision,
    *,
    context: int = 2048,
    room: Room | None = None,
    answers: bool = False,
) -> EstimateDocument:
    """Return the predicted cost of this precision of this model, and whether it is available here."""
    size = artifact_bytes(inspection, precision)
    room = room or Room.here()
    bare = bare_estimate(inspection, precision, available=room.memory, answers=answers)
    ram_factor, _ = factor("peak_ram_bytes", _learnt_as(precision), inspection.parameters)
    time_factor, runs = factor("seconds", _learnt_as(precision), inspection.parameters)
    peak = round(bare["peak_ram_bytes"] * ram_factor)
    tokens = min(context, inspection.shape.context or context)
    # Olive's cache and its output are one file with two names; the FP32 graph of a second pass is twice its FP16.
    disk = size * (3 if precision.half_pass else 1)
    if precision.calibrated:
        disk += calibrated_checkpoint_bytes(inspection, precision)
    if inspection.adapter is not None:
        # The merged model is in memory too, in float32 (jobs/adapter_merge.py).
        disk += 4 * inspection.parameters
    seconds = round(bare["seconds"] * time_factor, 1)
    blocked_by: BlockedBy
    if reason := pointless(inspection, precision) or overflows(inspection, precision):
        blocked_by = "model"
    else:
        blocked_by, reason = _fits(precision, peak, disk, room)
    if not blocked_by and precision.calibrated and seconds > LONGEST_SECONDS:
        blocked_by = "time"
        reason = f"Calibrating this model would take about {seconds_text(seconds)} here."
    learnt = f"calibrated by {runs} earlier conversions here" if runs else "not yet calibrated here"
    return {
        "precision": precision.key,
        "bytes": size,
        "peak_ram_bytes": peak,
        "disk_bytes": disk,
        "seconds": seconds,
        "check_seconds": round(bare["check_seconds"] * time_factor, 1),
        "run_ram_bytes": round(run_bytes(inspection, precision, tokens)),
        "context": tokens,
        "assumes": f"CPU, {tokens} tokens of context, formulas of docs/estimates.md, {learnt}",
        "available": not blocked_by,
        "blocked_by": blocked_by,
        "reason": reason,
        "calibrated": precision.calibrated,
    }


def form_of(
    precision: Precision,
    inspection: Inspection | None,
    *,
    rounded: bool | None = None,
    room: Room | None = None,
) -> Precision:
    """Return the form of a row that is made of this model here: rounded on a text if that is possible, else to the nearest.

    `rounded` is what the user, an edited configuration or an estimate says: on a text (True) or to the nearest (False).
    Nothing but this function, with `estimate_in_form`, decides it.
    """
    nearest = precision.nearest
    if nearest is None or rounded or (rounded is None and inspection is None):
        return precision
    if rounded is None and inspection is not None:
        return estimate_in_form(precision, inspection, room=room)[0]
    return nearest


def estimate_in_form(
    precision: Precision, inspection: Inspection, *, context: int = 2048, room: Room | None = None
) -> tuple[Precision, EstimateDocument]:
    """Return the form of a row that is made of this model here, and what that costs."""
    room = room or Room.here()
    own = estimate(inspection, precision, context=context, room=room)
    nearest = precision.nearest
    if nearest is None or (own["available"] and not slower_here(inspection, precision)):
        return precision, own
    other = estimate(inspection, nearest, context=context, room=room)
    # Without any tools neither can be made: what would be made with them counts.
    if own["blocked_by"] == other["blocked_by"] == "toolchain":
        return precision, own
    return nearest, other


def pointless(inspection: Inspection, precision: Precision) -> str:
    """Return why a row makes no sense for this model; empty when it does."""
    if precision.tied_only and not inspection.structure.tied:
        return "The model's output head is not its embedding, so there is no table to share: INT8 makes the same."
    return unfit(inspection, precision)


def overflows(inspection: Inspection, precision: Precision) -> str:
    """Return why a model of this family does not fit into float16; empty when it fits as far as known.

    Only what is known of a family: `convert` measures every model before it makes FP16 of it (`jobs/float16_range.py`).
    """
    if not precision.half_pass or inspection.shape.model_type not in BEYOND_FLOAT16:
        return ""
    return (
        "Its activations are larger than float16 can hold (Gemma 3 270M: 103,821, float16 ends at 65,504): "
        "FP16 computes NaN. FP32, INT8 and INT4 compute in float32."
    )


def _fits(precision: Precision, peak: int, disk: int, room: Room) -> tuple[BlockedBy, str]:
    """Return the obstacle and its sentence; two empty texts when there is none."""
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
) -> dict[str, EstimateDocument]:
    """Return the estimate of every row of the precision table, by key; what does not fit says what would."""
    room = room or Room.here()
    return _advised(
        {
            row.key: estimate_in_form(row, inspection, context=context, room=room)[1]
            for row in PRECISIONS
        }
    )


def _advised(rows: dict[str, EstimateDocument]) -> dict[str, EstimateDocument]:
    fitting = ", ".join(row.label for row in PRECISIONS if rows[row.key]["available"])
    advice = f" It would fit as: {fitting}." if fitting else f" {_NOTHING_FITS}"
    return {
        key: {**row, "reason": row["reason"] + advice}
        if row["blocked_by"] in ("memory", "disk", "time")
        else row
        for key, row in rows.items()
    }


def with_estimates(inspection: Inspection, *, context: int = 2048) -> InspectDocument:
    """Return the inspection with the estimates of every precision, those rounded to the nearest among them."""
    room = Room.here()
    found = estimates(inspection, context=context, room=room)
    nearest = {
        row.key: estimate(inspection, row.nearest, context=context, room=room)
        for row in PRECISIONS
        if row.nearest is not None and found[row.key]["calibrated"]
    }
    return {**inspection.to_json(), "estimates": found, "nearest_estimates": nearest}


def inspect_and_estimate(folder: Path, *, base: Path | None = None) -> InspectDocument:
    """Return the inspection of a model folder, with the estimates of every precision.

    Raises:
        ModelRefused: as `inspect_model`.
    """
    return with_estimates(inspect_model(folder, base=base))


def _learnt_as(precision: Precision) -> str:
    """Return the name under which conversions teach: the two forms of a row need different memory."""
    return f"{precision.key} on a text" if precision.nearest is not None else precision.key


def remember_conversion(
    inspection: Inspection,
    precision: Precision,
    *,
    seconds: float | None,
    peak_rss_bytes: int,
    answers: bool = False,
) -> None:
    """Teach later estimates what one conversion on this machine took; no `seconds` where other work slowed it down."""
    measured: dict[str, float] = {"peak_ram_bytes": peak_rss_bytes}
    if seconds is not None:
        measured["seconds"] = seconds
    bare = bare_estimate(inspection, precision, answers=answers)
    remember(
        _learnt_as(precision),
        inspection.parameters,
        {
            "build_ram_bytes": bare["build_ram_bytes"],
            "peak_ram_bytes": bare["peak_ram_bytes"],
            "seconds": bare["seconds"],
        },
        measured,
    )
