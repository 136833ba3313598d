"""What a run left in its ledger, put together: the last word on every step."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from firstlight_core.ledger import STATUSES, Entry, Run

Document = Mapping[str, Any]

STEPS = (
    ("environment", "Environment"),
    ("model", "Model"),
    ("precision", "Precision"),
    ("convert", "Convert"),
    ("template", "Template"),
    ("deploy", "Deploy"),
    ("chat", "Chat"),
    ("benchmark", "Benchmark"),
    ("quality", "Quality"),
)
_SESSION_FIELDS = {"deploy": "deployment"}
"""Step → field of the session, where the names differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFact:
    """How one step ended."""

    id: str
    title: str
    status: str
    """done, skipped, failed or cancelled."""
    seconds: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """Everything that the report is made of; what did not happen is empty."""

    id: str
    begun: str = ""
    """Time of the first entry, UTC."""
    steps: tuple[StepFact, ...] = ()
    documents: Mapping[str, Document] = field(default_factory=dict)
    """Step → its last document."""
    conversions: tuple[Document, ...] = ()
    qualities: tuple[Document, ...] = ()

    def document(self, step: str) -> Document:
        """The last document of a step; empty when there is none."""
        return self.documents.get(step, {})


def collect_facts(run: Run) -> RunFacts:
    """Read a run's ledger; a `session` entry (the wizard writes it) knows better than single steps."""
    entries = list(run.entries())
    session = _last_session(entries)
    documents: dict[str, Document] = {}
    conversions: dict[str, Document] = {}
    for entry in entries:
        if entry.status != "done" and not (entry.step == "quality" and "checks" in entry.values):
            continue
        if entry.step == "convert":
            if entry.values.get("precision"):
                conversions[str(entry.values["precision"])] = entry.values
        else:
            documents[entry.step] = entry.values
    for step, _ in STEPS:
        value = session.get(_SESSION_FIELDS.get(step, step))
        if isinstance(value, Mapping) and value:
            documents[step] = value
    if session and not session.get("endpoint"):
        # Connected once, and disconnected again.
        documents.pop("connect", None)
    for made in session.get("artifacts") or ():
        conversions[str(made.get("precision"))] = made
    quality = documents.get("quality", {})
    return RunFacts(
        id=run.id,
        begun=_begun(entries),
        steps=tuple(_fact(step, title, entries, documents, conversions) for step, title in STEPS),
        documents=documents,
        conversions=tuple(conversions.values()),
        qualities=tuple(quality.get("artifacts") or ([quality] if quality else [])),
    )


def _begun(entries: list[Entry]) -> str:
    """When the first step began; an entry is written when its step has ended."""
    if not entries:
        return ""
    first = min(entry.at - entry.seconds for entry in entries)
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(first))


def _last_session(entries: list[Entry]) -> Document:
    for entry in reversed(entries):
        if entry.step == "session":
            return entry.values
        if entry.step == "summary" and isinstance(entry.values.get("session"), Mapping):
            found: Document = entry.values["session"]
            return found
    return {}


def _fact(
    step: str,
    title: str,
    entries: list[Entry],
    documents: Mapping[str, Document],
    conversions: Mapping[str, Document],
) -> StepFact:
    told = [e for e in entries if e.step == step and e.status in STATUSES]
    # To choose a precision leaves no document; what was converted was chosen.
    happened = bool(documents.get(step)) or (step in ("precision", "convert") and bool(conversions))
    if not told:
        return StepFact(id=step, title=title, status="done" if happened else "skipped")
    last = told[-1]
    seconds = sum(e.seconds for e in told if e.status == last.status) or None
    error = last.values.get("error")
    reason = (
        str(error.get("message", ""))
        if isinstance(error, Mapping)
        else last.values.get("reason", "")
    )
    return StepFact(
        id=step, title=title, status=last.status, seconds=seconds, reason=str(reason or "")
    )
