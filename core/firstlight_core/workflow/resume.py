"""Continue a run of the wizard that was cut short: what the ledger says was decided, as far as it still holds.

The wizard writes an `answers` entry whenever an answer of its session changes or another step opens, and a `wizard` entry
when the run is over. A run without one can be continued.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from firstlight_core.artifact.artifact import check_artifact
from firstlight_core.artifact.manifest import read_source
from firstlight_core.documents.conversion import ConversionDocument
from firstlight_core.documents.ledger import AnswersValues
from firstlight_core.documents.reading import read_document
from firstlight_core.errors import FirstlightError
from firstlight_core.ledger import ANSWERS, LOCK, OVER, Entry, Run, list_runs
from firstlight_core.locks import try_lock
from firstlight_core.model.fingerprint import quick_fingerprint
from firstlight_core.model.folder import list_folder
from firstlight_core.paths import Paths, find_paths
from firstlight_core.session import Session
from firstlight_core.steps import find_step

MOST_DAYS = 7
LOOKED_AT = 10
"""Newest runs that are looked into."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A run that can be continued."""

    run: Run
    name: str
    """Of the model."""
    step: str
    """Id of the step that was open."""
    session: Session
    at: float
    """When it last wrote, in seconds since the epoch."""


def find_unfinished(paths: Paths | None = None, *, now: float | None = None) -> Unfinished | None:
    """Return the newest run that a wizard has left unfinished in the last days, unless one still works on it."""
    paths = paths or find_paths()
    moment = time.time() if now is None else now
    for run in list_runs(paths.runs)[:LOOKED_AT]:
        entries = list(run.entries())
        if not entries or moment - entries[-1].at > MOST_DAYS * 86_400:
            return None
        if not any(entry.step == ANSWERS for entry in entries) or is_worked_on(run):
            continue
        # A finished run that is newer says that an older one is no longer of interest.
        if any(entry.step == OVER for entry in entries):
            return None
        session, step = read_answers(entries)
        name = session.source or session.artifact
        if name is None:
            continue
        return Unfinished(
            run=run,
            name=paths.model_name(name),
            step=step,
            session=session,
            at=entries[-1].at,
        )
    return None


def is_worked_on(run: Run) -> bool:
    """Return whether a living process holds the lock of a run."""
    lock = run.folder / LOCK
    if not lock.exists():
        return False
    try:
        taken = try_lock(lock, create=False)
    except OSError:
        return True
    if taken is None:
        return lock.exists()
    taken.release()
    return False


def read_answers(entries: list[Entry]) -> tuple[Session, str]:
    """Return the session of a ledger, and the id of the step that was open."""
    answers: dict[str, object] = {}
    step = ""
    late: list[ConversionDocument] = []
    for entry in entries:
        if entry.step == ANSWERS and (values := read_document(AnswersValues, dict(entry.values))):
            answers |= values["answers"]
            step = values["at_step"] if find_step(values["at_step"]) is not None else step
            late.clear()
        elif entry.step == "convert" and entry.status == "done":
            # Its entry is written before the answers that hold it.
            document = read_document(ConversionDocument, dict(entry.values))
            late += [document] if document is not None else []
    session = Session.from_json(answers)
    for document in late:
        session = session.converted(document)
    return session, step


def what_still_holds(session: Session) -> tuple[Session, list[str]]:
    """Return the session without what has changed on the disk since, and a sentence for each loss; reads files."""
    losses: list[str] = []
    if session.source is not None and session.model is not None:
        fingerprints = {session.model["fingerprint"], *_fingerprints(session)}
        if source_fingerprint(Path(session.source)) not in fingerprints:
            losses.append("The model has changed since: it is inspected again.")
            return Session(environment=session.environment, source=session.source), losses
    elif session.artifact is not None and not is_whole(session.artifact, None):
        losses.append("The artifact is gone.")
        return Session(environment=session.environment), losses
    kept = tuple(
        made
        for made in session.artifacts
        if is_whole(made["artifact"], made["source"]["fingerprint"])
    )
    if len(kept) < len(session.artifacts):
        lost = [made["precision"] for made in session.artifacts if made not in kept]
        losses.append(f"No longer there as it was made: {', '.join(lost)}. Convert makes it again.")
        in_use = session.artifact
        if in_use not in [made["artifact"] for made in kept]:
            in_use = kept[0]["artifact"] if kept else None
        session = session.decide(artifacts=kept, artifact=in_use)
    deployment = session.deployment
    if deployment is not None and not Path(deployment["path"]).exists():
        losses.append(f"The deployment {deployment['name']} is gone.")
        session = session.decide(deployment=None)
    return session, losses


def _fingerprints(session: Session) -> Iterator[str]:
    """A conversion has read the whole model; the inspection of a large one has not."""
    for made in session.artifacts:
        yield made["source"]["fingerprint"]


def source_fingerprint(folder: Path) -> str:
    """Return the fingerprint of a model without a long read; empty when it cannot be read."""
    try:
        return quick_fingerprint(list_folder(folder))
    except FirstlightError:
        return ""


def is_whole(artifact: str, fingerprint: str | None) -> bool:
    """Return whether an artifact can be opened, and was made from the model with this fingerprint."""
    folder = Path(artifact)
    try:
        check_artifact(folder)
    except (FirstlightError, OSError):
        return False
    source = read_source(folder)
    return fingerprint is None or (source is not None and source["fingerprint"] == fingerprint)


def continued(unfinished: Unfinished) -> tuple[Unfinished, list[str]]:
    """Return the run as it can be continued now, at the first step that is not done, and a sentence for each loss."""
    session, losses = what_still_holds(unfinished.session)
    return replace(unfinished, session=session), losses
