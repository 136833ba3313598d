"""Documents of the doctor: the checks of this machine."""

from typing import Literal, TypedDict

from firstlight_core.documents.verb import Judged

CheckStatus = Literal["ok", "warning", "missing", "fail", "unknown"]
DoctorVerdict = Literal["ready", "warnings", "blocked"]


class CheckDocument(TypedDict):
    """One row of the doctor: what was found, what is needed, and the command that fixes it."""

    id: str
    title: str
    status: CheckStatus
    found: str
    needed: str
    why: str
    fix: str
    vital: bool
    """Whether a missing or failed row blocks the conversion."""


class Availability(TypedDict):
    """Whether the installed toolchain can make one precision."""

    available: bool
    reason: str
    """Why not; empty when it can."""


class CourseLine(TypedDict):
    """One install command of the course."""

    command: str
    satisfied: bool


class DoctorDocument(TypedDict):
    """The results of all checks."""

    verdict: DoctorVerdict
    checks: list[CheckDocument]
    precisions: dict[str, Availability]
    """Precision key → availability, independent of the model."""
    course: list[CourseLine]


class DoctorVerb(DoctorDocument, Judged):
    """The document of `firstlight doctor`: a blocked machine is an error."""


class InstallDocument(TypedDict):
    """The result of installing the packages of one extra."""

    command: list[str]
    installed: list[str]
