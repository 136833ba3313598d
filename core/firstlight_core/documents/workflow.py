"""The document of a whole run without a screen."""

from typing import Literal, NotRequired, TypedDict

from firstlight_core.errors import ErrorDocument

StepStatus = Literal["done", "skipped", "failed", "cancelled"]


class ReportPaths(TypedDict, total=False):
    """The files of a report; empty when none was written."""

    markdown: str
    json: str
    html: str


class RunStep(TypedDict):
    """How one step of a run ended."""

    id: str
    status: StepStatus
    seconds: float
    reason: NotRequired[str]
    """Why the step was skipped or failed, or what should be known of it."""
    error: NotRequired[ErrorDocument]


class RunDocument(TypedDict):
    """The document of `firstlight run`."""

    ok: bool
    run: str
    """Id of the run."""
    folder: str
    steps: list[RunStep]
    report: ReportPaths
