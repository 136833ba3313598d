"""Continue a run without a screen that was cut short: which run, and which of its steps need not be done again."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from firstlight_core.documents.conversion import ConversionDocument
from firstlight_core.documents.reading import read_document
from firstlight_core.errors import FirstlightError
from firstlight_core.ledger import ANSWERS, Entry, Run, list_runs
from firstlight_core.paths import RUN_FILE
from firstlight_core.steps import STEPS
from firstlight_core.workflow.plan import Plan
from firstlight_core.workflow.resume import (
    LOOKED_AT,
    MOST_DAYS,
    is_whole,
    is_worked_on,
    source_fingerprint,
)
from firstlight_core.workflow.run_file import read_run_toml
from firstlight_core.workflow.run_file_content import run_file_content


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """A run that was cut short, and what of it still holds."""

    run: Run
    steps: frozenset[str]
    """Ids of the steps that need not be done again."""
    artifacts: Mapping[str, Path]
    """Precision → artifact that is as it was made."""
    stopped_at: str
    """Title of the first step that is to be done."""
    at: float
    """When the run last wrote, in seconds since the epoch."""


def find_interrupted(
    plan: Plan, *, runs: Path | None = None, now: float | None = None
) -> Interrupted | None:
    """Return the newest run of this plan if it has not ended and no process works on it any more."""
    moment = time.time() if now is None else now
    for run in list_runs(runs)[:LOOKED_AT]:
        entries = list(run.entries())
        if not entries or moment - entries[-1].at > MOST_DAYS * 86_400:
            return None
        if any(entry.step == ANSWERS for entry in entries) or not _is_of(run, plan):
            continue
        if any(entry.step == STEPS[-1].id for entry in entries) or is_worked_on(run):
            return None
        return _what_holds(plan, run, entries)
    return None


def _is_of(run: Run, plan: Plan) -> bool:
    try:
        return run_file_content(read_run_toml(run.folder / RUN_FILE)) == run_file_content(plan)
    except (FirstlightError, OSError):
        return False


def _what_holds(plan: Plan, run: Run, entries: list[Entry]) -> Interrupted | None:
    latest = {entry.step: entry for entry in entries}
    made: dict[str, ConversionDocument] = {}
    for entry in entries:
        if entry.step == "convert" and entry.status == "done":
            document = read_document(ConversionDocument, dict(entry.values))
            if document is not None and document["precision"] in plan.precisions:
                made[document["precision"]] = document
    if plan.source is not None and "model" in latest:
        known = {latest["model"].values.get("fingerprint")}
        known |= {document["source"]["fingerprint"] for document in made.values()}
        if source_fingerprint(plan.source) not in known:
            return None
    artifacts = {
        precision: Path(document["artifact"])
        for precision, document in made.items()
        if is_whole(document["artifact"], document["source"]["fingerprint"])
    }
    done: set[str] = set()
    stopped_at = STEPS[-1].title
    for step in STEPS:
        last = latest.get(step.id)
        # What is skipped is skipped again; a step after one that is done again is done again, too.
        if last is not None and last.status == "skipped":
            continue
        whole = step.id != "convert" or set(plan.precisions) <= set(artifacts)
        if last is None or last.status != "done" or not whole:
            stopped_at = step.title
            break
        done.add(step.id)
    return Interrupted(
        run=run,
        steps=frozenset(done),
        artifacts=artifacts,
        stopped_at=stopped_at,
        at=entries[-1].at,
    )
