"""The targets that can answer beside an artifact, each with the memory that it needs."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from firstlight_core.artifact.artifact import check_artifact
from firstlight_core.artifact.genai_config import CONFIG
from firstlight_core.artifact.target import Target, artifact_target
from firstlight_core.errors import FirstlightError
from firstlight_core.inference.context import choose_context
from firstlight_core.session import Session

if TYPE_CHECKING:
    from firstlight_core.inference.original import OriginalPlan

SIBLINGS = 8
"""Artifacts in the same folder that are offered at most."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A target that can answer, and the memory that it needs, or why it cannot be opened."""

    target: Target
    words: str


def candidates(session: Session, artifact: str | None) -> list[Candidate]:
    """Return the targets that can answer beside `artifact`.

    These are the precisions that were converted in this session, the artifacts in the same folder, and the original.
    """
    rows: list[Candidate] = []
    listed = {artifact}
    for document in session.artifacts:
        if (folder := str(document["artifact"])) not in listed:
            listed.add(folder)
            target = artifact_target(folder)
            rows.append(Candidate(target, f"{document['precision']}: {_memory_sentence(target)}"))
    for sibling in _siblings(Path(artifact)) if artifact is not None else ():
        if str(sibling) not in listed:
            target = artifact_target(sibling)
            rows.append(Candidate(target, f"{target.label}: {_memory_sentence(target)}"))
    if artifact is not None and (source := _source(session, Path(artifact))) is not None:
        target = Target(kind="original", text=str(source), folder=source, like=Path(artifact))
        words = f"the original, through transformers: {_memory_sentence(target)}"
        rows.append(Candidate(target, words))
    return rows


def check_fits(target: Target, context: int | None) -> None:
    """Check that a target can be opened with `context` tokens; a server is not checked.

    Raises:
        FirstlightError: it cannot be opened, or does not fit into memory.
    """
    if target.kind == "original" and target.folder is not None:
        _plan_original(target.folder)
    elif target.folder is not None:
        choose_context(check_artifact(target.folder), context)


def _siblings(artifact: Path) -> list[Path]:
    """Return the other artifacts in the same folder."""
    try:
        folders = sorted(path for path in artifact.parent.iterdir() if (path / CONFIG).is_file())
    except OSError:
        return []
    # A hidden folder belongs to a conversion that is still running.
    return [path for path in folders if path != artifact and not path.name.startswith(".")][
        :SIBLINGS
    ]


def _source(session: Session, artifact: Path) -> Path | None:
    """Return the source model of an artifact, when it still exists."""
    source = session.source
    if source is None:
        try:
            source = check_artifact(artifact).source
        except FirstlightError:
            return None
    return Path(source) if source and Path(source).is_dir() else None


def _plan_original(folder: Path) -> "OriginalPlan":
    # Imported when it is asked for: the first paint waits for neither the engine's client nor the inspection of models.
    from firstlight_core.inference.original import plan_original

    return plan_original(folder)


def _memory_sentence(target: Target) -> str:
    """Return the memory that a target needs and what is available, or why it cannot be opened."""
    assert target.folder is not None
    try:
        if target.kind == "original":
            return _plan_original(target.folder).sentence
        return choose_context(check_artifact(target.folder), None).memory_sentence
    except FirstlightError as error:
        return str(error)
