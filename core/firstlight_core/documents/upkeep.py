"""Documents of the verbs that look after runs and folders: report, runs, clean, paths."""

from typing import Literal, TypedDict

from firstlight_core.documents.workflow import WrittenReport

LeftoverKind = Literal["reference", "logs", "staging", "artifacts", "previous", "service", "tuning"]


class ReportVerb(WrittenReport):
    """The document of `firstlight report`."""

    run: str
    """Id of the run."""


class RunRow(TypedDict):
    """One run."""

    id: str
    folder: str
    begun: str
    done: list[str]
    """Ids of the steps that are done."""
    failed: list[str]
    """Ids of the steps that failed."""
    report: str | None
    """Path of report.html; null when none was written."""


class RunsDocument(TypedDict):
    """The document of `firstlight runs`."""

    runs: list[RunRow]
    """The newest first."""


class LeftoverFolder(TypedDict):
    """One folder that may go, and why it is there."""

    path: str
    kind: LeftoverKind
    why: str
    bytes: int


class LeftoverDocument(LeftoverFolder):
    """One element of `left_overs`."""

    kept: bool
    """Whether it stays unless `--all` is given."""


class CleanDocument(TypedDict):
    """The document of `firstlight clean`."""

    ok: bool
    """False when something could not be removed."""
    left_overs: list[LeftoverDocument]
    bytes: int
    """Size of what may go."""
    removed: list[str]
    removed_bytes: int


class PathsDocument(TypedDict):
    """The document of `firstlight paths`."""

    sample: str
    config: str
    settings: str
    """The settings file; it need not exist."""
    data: str
    cache: str
    state: str
    runs: str
    models: str
    logs: str
    foundry: str
