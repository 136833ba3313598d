"""Partial results of long work: the rows that a step shows while the work runs."""

from typing import Literal, NotRequired, TypedDict

from firstlight_core.documents.environment import CheckDocument

QueueState = Literal["waiting", "running", "done", "failed"]


class QueueRow(TypedDict):
    """One precision of the conversion queue."""

    precision: str
    state: QueueState
    begun: NotRequired[float]
    """Seconds of the work at which its conversion began."""


class WaitingRow(TypedDict):
    """A check of the environment that is running; its earlier finding stays."""

    id: str
    title: str
    status: Literal["looking"]
    found: str
    needed: NotRequired[str]
    why: NotRequired[str]
    fix: NotRequired[str]
    vital: NotRequired[bool]


CheckRow = CheckDocument | WaitingRow
"""A check of the environment, before or after its answer."""
