"""Memory of the check of an artifact: the original in transformers beside the artifact in onnxruntime.

The check takes what it may: the original is computed in float32 where there is room, else as it is stored, else not at
all (`jobs/original.py` asks the same two functions).
"""

from firstlight_core.estimate.run_memory import loading_bytes
from firstlight_core.model.inspection import Inspection
from firstlight_core.precision.table import Precision

SHARE_OF_MEMORY = 0.5
"""The original may take this share of the memory that is available; else it is not asked."""
SPARE = 0.25
"""Share of the available memory that asking may always take, even if the conversion itself needs less."""
EXACT = 6.0
"""Bytes a parameter: float32 weights, and the mapped bf16 file that they are read from."""
STORED = 4.0
"""Bytes per parameter when the original keeps its stored type."""


def original_fits(stored: int, available: int) -> bool:
    """Return whether an original of this size is run at all; float32 takes twice its bf16 weights."""
    return 2 * stored < SHARE_OF_MEMORY * available


def original_is_exact(stored: int, *, room: float, available: int) -> bool:
    """Return whether it is computed in float32: within `room` bytes (no higher peak), or a share of the rest."""
    return 3 * stored < max(room, SPARE * available)


def check_bytes(
    inspection: Inspection, precision: Precision, *, build: float, available: int | None = None
) -> float:
    """Bytes that the check needs beside the processes themselves; `build` is what Olive needed, `available` all there is."""
    shape = inspection.shape
    artifact = loading_bytes(inspection, precision)
    stored = inspection.weight_bytes
    if available is not None and not original_fits(stored, available):
        return artifact
    if available is not None and not original_is_exact(stored, room=build, available=available):
        return STORED * inspection.parameters + artifact
    # One matrix of the artifact at a time is unpacked beside the original; the vocabulary table is the largest, and a tied
    # one is given a second copy, so that each end can be changed alone.
    table = shape.vocab * shape.hidden
    copies = 2 + inspection.structure.tied
    return EXACT * inspection.parameters + 4.0 * copies * table + artifact
