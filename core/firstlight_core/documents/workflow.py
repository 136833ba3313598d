"""The document of a whole run without a screen."""

from typing import Literal, NotRequired, TypedDict

from firstlight_core.errors import ErrorDocument

StepStatus = Literal["done", "skipped", "failed", "cancelled"]


class NoReport(TypedDict):
    """No report was written."""


class WrittenReport(TypedDict):
    """The paths of the files of a report."""

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
    report: WrittenReport | NoReport


class SummaryFiles(WrittenReport):
    """The files that the wizard's Summary step writes."""

    run_toml: NotRequired[str]
    """Path of the plan that repeats the run; absent when only a server was asked."""
