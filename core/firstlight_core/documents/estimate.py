"""Documents of the estimates of a conversion."""

from collections.abc import Mapping
from typing import Literal, TypedDict

BlockedBy = Literal["", "model", "toolchain", "memory", "disk", "time"]


class EstimateDocument(TypedDict):
    """The prediction for one precision of one model; sizes in bytes."""

    precision: str
    bytes: int
    peak_ram_bytes: int
    disk_bytes: int
    seconds: float
    run_ram_bytes: int
    context: int
    """Tokens of context that `run_ram_bytes` is for."""
    assumes: str
    available: bool
    blocked_by: BlockedBy
    reason: str
    """Why it cannot run here, and what could; empty when it can."""


class PartialEstimate(TypedDict, total=False):
    """The estimate of a row with edited options: some keys of `EstimateDocument`."""

    precision: str
    bytes: int
    peak_ram_bytes: int
    disk_bytes: int
    seconds: float
    run_ram_bytes: int
    context: int
    assumes: str
    available: bool
    blocked_by: BlockedBy
    reason: str


Estimates = Mapping[str, PartialEstimate]
"""Precision key → what is predicted of it."""
