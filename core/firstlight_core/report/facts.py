"""What a run left in its ledger, put together: the last word on every step."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from firstlight_core.ledger import STATUSES, Entry, Run
from firstlight_core.session import Session
from firstlight_core.steps import STEPS, Step, find_step

Document = Mapping[str, Any]


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
    in_use: str = ""
    """Folder of the artifact that template, deployment and chat worked on; empty when there is none."""

    def document(self, step: str) -> Document:
        """The last document of a step; empty when there is none."""
        return self.documents.get(step, {})

    @property
    def precision_in_use(self) -> str:
        """The precision of the artifact in use; empty for an adopted one."""
        return next(
            (str(c["precision"]) for c in self.conversions if c.get("artifact") == self.in_use), ""
        )

    def qualities_of(self, artifact: str) -> list[Document]:
        """The quality documents of one artifact, in the order in which they were made."""
        only = len(self.conversions) == 1 and len(self.qualities) == 1
        return [
            quality
            for quality in self.qualities
            if (target := str(quality.get("target") or "")) == artifact
            or (only and "://" not in target)
        ]


def collect_facts(run: Run) -> RunFacts:
    """Read a run's ledger; a `session` entry (the wizard writes it) knows better than single steps."""
    entries = list(run.entries())
    return _facts(run.id, entries, _last_session(entries))


def current_facts(session: Session, run: Run | None) -> RunFacts:
    """What is known at this moment: the session in hand, and what its ledger alone remembers, such as a failure."""
    entries = list(run.entries()) if run is not None else []
    return _facts(run.id if run is not None else "", entries, session.to_json())


def _facts(run: str, entries: list[Entry], session: Document) -> RunFacts:
    documents: dict[str, Document] = {}
    conversions: dict[str, Document] = {}
    qualities: dict[str, Document] = {}
    for entry in entries:
        if entry.status == "undone":
            documents.pop(entry.step, None)
        if entry.status != "done" and not _answered_no(entry):
            continue
        if entry.step == "convert":
            if entry.values.get("precision"):
                conversions[str(entry.values["precision"])] = entry.values
                # The folder holds another artifact now.
                qualities.pop(str(entry.values.get("artifact")), None)
        elif entry.step == "chat" and "turns" not in entry.values:
            # The wizard appends a line for each turn; a run of the command line has one for all.
            turns = documents.get("chat", {}).get("turns", [])
            documents["chat"] = {"turns": [*turns, entry.values]}
        else:
            documents[entry.step] = entry.values
        if entry.step == "quality":
            _add_qualities(qualities, entry.values)
    reported = [step for step in STEPS if step.id != "summary"]
    answers = {**(session.get("more") or {}), **session}
    for step in reported:
        value = answers.get(step.result)
        if isinstance(value, Mapping) and value:
            documents[step.id] = value
    if session.get("endpoint"):
        documents["connect"] = session["endpoint"]
    if session and not session.get("endpoint"):
        # Connected once, and disconnected again.
        documents.pop("connect", None)
    for made in session.get("artifacts") or ():
        conversions[str(made.get("precision"))] = made
    _add_qualities(qualities, session.get("quality"))
    return RunFacts(
        id=run,
        begun=_begun(entries),
        steps=tuple(_fact(step, entries, documents, conversions) for step in reported),
        documents=documents,
        conversions=tuple(conversions.values()),
        qualities=tuple(qualities.values()),
        in_use=_in_use(session, documents, conversions),
    )


def _answered_no(entry: Entry) -> bool:
    """Return whether a step ran to its end and its answer is no: its document belongs into the report."""
    step = find_step(entry.step)
    keys = step.answered_no if step is not None else ()
    return entry.status == "failed" and any(key in entry.values for key in keys)


def _add_qualities(qualities: dict[str, Document], document: Any) -> None:
    """Keep the newest document of each target."""
    if not isinstance(document, Mapping):
        return
    for quality in document.get("artifacts") or [document]:
        if isinstance(quality, Mapping) and "checks" in quality:
            target = str(quality.get("target") or "")
            qualities.pop(target, None)
            qualities[target] = quality


def _in_use(
    session: Document, documents: Mapping[str, Document], conversions: Mapping[str, Document]
) -> str:
    """The session's artifact, that of the precision which the plan uses, or the one that was worked on."""
    if session.get("artifact"):
        return str(session["artifact"])
    chosen = conversions.get(str(documents.get("precision", {}).get("use")))
    if chosen and chosen.get("artifact"):
        return str(chosen["artifact"])
    for step in ("chat", "template", "model"):
        if path := documents.get(step, {}).get("artifact"):
            return str(path)
    return str(next((c["artifact"] for c in conversions.values() if c.get("artifact")), ""))


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
            session: Document = entry.values["session"]
            return session
    return {}


def result_of(benchmark: Document, artifact: str | None) -> Document:
    """What a benchmark measured of one artifact, or of the first target where it did not measure that one."""
    results = [r for r in benchmark.get("results") or () if isinstance(r, Mapping)]
    own = (r for r in results if artifact and artifact in (r.get("folder"), r.get("target")))
    return next(own, results[0] if results else {})


def verdict_of(step: str, document: Document) -> str:
    """Return the verdicts of a quality document in one text; empty for other steps, whose verdict is a key."""
    if step != "quality":
        return ""
    several = document.get("artifacts") or [document]
    verdicts = [
        str(quality.get("verdict") or "") for quality in several if isinstance(quality, Mapping)
    ]
    return " ".join(filter(None, verdicts))


def _fact(
    step: Step,
    entries: list[Entry],
    documents: Mapping[str, Document],
    conversions: Mapping[str, Document],
) -> StepFact:
    own = [e for e in entries if e.step == step.id and e.status in (*STATUSES, "undone")]
    # A step that leaves no document has happened when something was converted: what was converted was chosen.
    happened = bool(documents.get(step.id)) or (not step.result and bool(conversions))
    if not own:
        return StepFact(id=step.id, title=step.title, status="done" if happened else "skipped")
    last = own[-1]
    if last.status == "undone":
        return StepFact(id=step.id, title=step.title, status="skipped", reason="taken back")
    seconds = sum(e.seconds for e in own if e.status == last.status) or None
    error = last.values.get("error")
    reason = (
        str(error.get("message", ""))
        if isinstance(error, Mapping)
        else last.values.get("reason")
        or (verdict_of(step.id, last.values) if last.status == "failed" else "")
    )
    return StepFact(
        id=step.id,
        title=step.title,
        status=last.status,
        seconds=seconds,
        reason=str(reason or ""),
    )
