"""Documents of the estimates of a conversion."""

from collections.abc import Mapping
from typing import Literal, NotRequired, TypedDict

BlockedBy = Literal["", "model", "toolchain", "memory", "disk", "time"]


class EstimateDocument(TypedDict):
    """The prediction for one precision of one model; sizes in bytes."""

    precision: str
    bytes: int
    """Size of the artifact folder."""
    peak_ram_bytes: int
    """Most resident memory of all processes of the conversion together: Olive, the original, the check."""
    disk_bytes: int
    """Disk needed while working, the artifact included."""
    seconds: float
    """Of the whole conversion: Olive, the original's answers, the check."""
    check_seconds: NotRequired[float]
    """Of them, the original's answers and the check; absent from estimates of an older version."""
    run_ram_bytes: int
    """Most resident memory of a process that runs it at `context` tokens."""
    context: int
    assumes: str
    available: bool
    blocked_by: BlockedBy
    """The obstacle; empty when it can run here."""
    reason: str
    """Why it cannot run here, and what could; empty when it can."""
    calibrated: NotRequired[bool]
    """Whether the weights are rounded on a text; INT4's are, unless the model or this machine does not allow it."""


class RowEstimate(TypedDict, total=False):
    """The estimate that a row of the wizard shows; with edited options it has only some keys of `EstimateDocument`."""

    precision: str
    bytes: int
    peak_ram_bytes: int
    disk_bytes: int
    seconds: float
    check_seconds: float
    run_ram_bytes: int
    context: int
    assumes: str
    available: bool
    blocked_by: BlockedBy
    reason: str
    calibrated: bool


Estimates = Mapping[str, RowEstimate]
"""Precision key → its estimate."""
