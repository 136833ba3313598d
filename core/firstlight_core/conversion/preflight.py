"""Checks before Olive starts, so that a hopeless conversion fails at once."""

import os
from pathlib import Path

from firstlight_core.artifact.publishing import check_output
from firstlight_core.conversion.inspected_source import (
    InspectedSource,
    inspect_source,
    inspected_again,
)
from firstlight_core.conversion.plan import ConversionPlan
from firstlight_core.documents.estimate import EstimateDocument
from firstlight_core.environment.precision_support import precision_available
from firstlight_core.environment.toolchain import install_line
from firstlight_core.errors import ModelRefused, OutOfMemory, StateProblem, ToolchainMissing
from firstlight_core.estimate.calibrated_cost import uneven_layers
from firstlight_core.estimate.estimates import Room, estimate, estimate_in_form, pointless
from firstlight_core.model.inspection import Inspection
from firstlight_core.precision.options import costs_of
from firstlight_core.precision.table import calibrates
from firstlight_core.text import bytes_text, shown_path


def look(plan: ConversionPlan, before: InspectedSource | None = None) -> InspectedSource:
    """Look at the source and the output of a plan; writes nothing.

    `before` is the same source as it was inspected for another plan.

    Raises:
        ModelRefused: the source cannot be converted.
        InputRefused: the output may not be written.
    """
    check_output(plan.output, source=plan.source)
    known = before or plan.inspected
    inspected = inspected_again(known) if known is not None else inspect_source(plan.source)
    check_output(plan.output, source=inspected.inspection.folder)
    return inspected


def check_unchanged(before: InspectedSource) -> None:
    """Check that the source is what it was when the work began.

    Raises:
        ModelRefused: a file was changed, added or removed meanwhile.
    """
    try:
        changed = before.changed()
    except OSError as error:
        raise ModelRefused(f"The source went away while it was converted: {error}.") from error
    if changed:
        raise ModelRefused(
            f"The source changed while it was converted: {shown_path(Path(changed[0]).name)}.",
            hint="Let the training or download finish, then convert again.",
        )


def check_room(
    plan: ConversionPlan, before: InspectedSource, folder: Path, *, force: bool = False
) -> None:
    """Check that the toolchain, the memory and the disk of `folder` suffice; `force` overrules the estimates.

    Raises:
        ModelRefused: the row makes no sense for this model.
        ToolchainMissing: a package is not installed, or a pair of versions is known not to work.
        OutOfMemory: the estimated peak is more than what is available.
        StateProblem: the disk has less than what is needed while working.
    """
    if reason := pointless(before.inspection, plan.precision):
        raise ModelRefused(reason, hint="Choose another precision.")
    if calibrates(plan.run_config) and (reason := uneven_layers(before.inspection)):
        raise ModelRefused(reason, hint="Choose another precision.")
    possible, reason = precision_available(plan.precision)
    if not possible:
        raise ToolchainMissing(
            reason, hint=f"Install the conversion tools: {install_line('convert')}"
        )
    room = Room.here(folder)
    row = costs_of(plan.precision, plan.run_config) if plan.edited else plan.precision
    cost = estimate(before.inspection, row, room=room)
    if cost["peak_ram_bytes"] > room.memory and not force:
        raise OutOfMemory(
            f"This conversion needs about {bytes_text(cost['peak_ram_bytes'])} of memory; "
            f"{bytes_text(room.memory)} is available.",
            hint=f"{_what_fits(before.inspection, room)} --force tries all the same.",
        )
    if cost["disk_bytes"] > room.disk and not force:
        raise StateProblem(
            f"The disk of {shown_path(plan.output.parent)} has {bytes_text(room.disk)} free; "
            f"this conversion needs about {bytes_text(cost['disk_bytes'])} while it works.",
            hint="Free some space, choose a smaller precision, or name a folder on another disk. "
            "--force tries all the same.",
        )


def estimate_of(plan: ConversionPlan, before: InspectedSource) -> EstimateDocument:
    """Return the estimate of a plan on the disk that it would be written to, as JSON."""
    room = Room.here(plan.output.parent)
    return estimate(before.inspection, plan.precision, room=room, answers=plan.answers)


def _what_fits(inspection: Inspection, room: Room) -> str:
    from firstlight_core.precision.table import PRECISIONS

    fitting = [
        row.key
        for row in PRECISIONS
        if estimate_in_form(row, inspection, room=room)[1]["peak_ram_bytes"] <= room.memory
    ]
    if fitting:
        return f"Close other programs, or choose a precision that fits: {', '.join(fitting)}."
    return "Close other programs, or choose a smaller model."


def olive_command(given: str | None) -> str:
    """Return the replacement of the Olive entry point: the argument, else `FIRSTLIGHT_OLIVE`, else none."""
    return os.environ.get("FIRSTLIGHT_OLIVE", "") if given is None else given
