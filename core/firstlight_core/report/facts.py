"""Collect the facts of a run from its ledger: the last entry of every step."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from firstlight_core.documents.conversion import ConversionDocument
from firstlight_core.documents.deploy import (
    AnsweredDocument,
    Deployed,
    ExportDocument,
    PublishedDocument,
)
from firstlight_core.documents.environment import DoctorDocument
from firstlight_core.documents.inference import ChatRecord, ConnectedServer
from firstlight_core.documents.ledger import (
    ChatValues,
    FailedValues,
    ModelValues,
    PrecisionValues,
    QuestionsValues,
    SkippedValues,
    TemplateValues,
    TurnValues,
)
from firstlight_core.documents.measure import (
    BenchDocument,
    BenchResult,
    QualitiesDocument,
    QualityDocument,
)
from firstlight_core.documents.reading import read_document
from firstlight_core.ledger import STATUSES, Entry, Run
from firstlight_core.session import Session
from firstlight_core.steps import STEPS, Step, find_step


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
    environment: DoctorDocument | None = None
    model: ModelValues | None = None
    precision: PrecisionValues | None = None
    conversions: tuple[ConversionDocument, ...] = ()
    template: TemplateValues | None = None
    deployment: Deployed | None = None
    server: ConnectedServer | None = None
    """The server that chat, benchmark and quality asked instead of an artifact."""
    chat: ChatValues | None = None
    benchmark: BenchDocument | None = None
    qualities: tuple[QualityDocument, ...] = ()
    in_use: str = ""
    """Folder of the artifact that template, deployment and chat worked on; empty when there is none."""

    @property
    def precision_in_use(self) -> str:
        """The precision of the artifact in use; empty for an adopted one."""
        return next(
            (str(c["precision"]) for c in self.conversions if c.get("artifact") == self.in_use), ""
        )

    def qualities_of(self, artifact: str) -> list[QualityDocument]:
        """Return the quality documents of one artifact, in the order in which they were made."""
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
    return _facts(run.id, entries, last_session(entries))


def current_facts(session: Session, run: Run | None) -> RunFacts:
    """Return the facts of an open session, with those that only its ledger has, such as a failure."""
    entries = list(run.entries()) if run is not None else []
    return _facts(run.id if run is not None else "", entries, session)


def _facts(run: str, entries: list[Entry], session: Session | None) -> RunFacts:
    latest = _latest_entries(entries)
    conversions, qualities = _converted_and_checked(entries)
    known = session or Session()
    for made in known.artifacts:
        conversions[made["precision"]] = made
    _add_qualities(qualities, known.quality)
    precision = read_document(PrecisionValues, _values(latest, "precision"))
    facts = RunFacts(
        id=run,
        begun=_begun(entries),
        environment=known.environment
        or read_document(DoctorDocument, _values(latest, "environment")),
        model=read_document(ModelValues, known.model or _values(latest, "model")),
        precision=precision,
        conversions=tuple(conversions.values()),
        template=read_document(TemplateValues, known.template or _values(latest, "template")),
        deployment=known.deployment or read_deployed(_values(latest, "deploy")),
        # With a session its word counts: the server may have been connected once and be disconnected again.
        server=known.endpoint
        if session is not None
        else read_document(ConnectedServer, _values(latest, "connect")),
        chat=known.chat or _chat(entries),
        benchmark=known.benchmark or read_document(BenchDocument, _values(latest, "benchmark")),
        qualities=tuple(qualities.values()),
    )
    documented = {
        *latest,
        *(step.id for step in STEPS if step.result and known.answer(step.result)),
    }
    return replace(
        facts,
        in_use=_in_use(known, facts, conversions),
        steps=tuple(
            _fact(step, entries, documented, converted=bool(conversions))
            for step in STEPS
            if step.id != "summary"
        ),
    )


def _latest_entries(entries: list[Entry]) -> dict[str, Entry]:
    """Return the last entry with a document of each step, without the steps that were taken back since."""
    latest: dict[str, Entry] = {}
    for entry in entries:
        if entry.status == "undone":
            latest.pop(entry.step, None)
        elif entry.step != "convert" and (entry.status == "done" or _answered_no(entry)):
            latest[entry.step] = entry
        elif entry.status == "cancelled" and entry.values.get("stopped"):
            # What was finished counts, unless there is a whole document, which says more.
            latest.setdefault(entry.step, entry)
    return {step: entry for step, entry in latest.items() if entry.values}


def _values(latest: Mapping[str, Entry], step: str) -> object:
    return latest[step].values if step in latest else None


def _converted_and_checked(
    entries: list[Entry],
) -> tuple[dict[str, ConversionDocument], dict[str, QualityDocument]]:
    """Return the newest conversion of each precision, and the newest quality document of each target."""
    conversions: dict[str, ConversionDocument] = {}
    qualities: dict[str, QualityDocument] = {}
    for entry in entries:
        if entry.status != "done" and not _answered_no(entry):
            continue
        if entry.step == "convert":
            made = read_document(ConversionDocument, entry.values)
            if made is not None and made.get("precision"):
                conversions[made["precision"]] = made
                # The folder holds another artifact now.
                qualities.pop(str(made.get("artifact")), None)
        elif entry.step == "quality":
            _add_qualities(qualities, read_quality(entry.values))
    return conversions, qualities


def read_deployed(values: object) -> Deployed | None:
    """Return the values of a ledger's `deploy` entry as the document of their kind."""
    match values:
        case {"kind": "export"}:
            return read_document(ExportDocument, values)
        case {"kind": "published"}:
            return read_document(PublishedDocument, values)
        case {"kind": "answered"}:
            return read_document(AnsweredDocument, values)
    return None


def _chat(entries: list[Entry]) -> ChatValues | None:
    """Return the turns that the wizard recorded one by one, or the questions of a run without a screen."""
    chats = [entry.values for entry in entries if entry.step == "chat" and entry.status == "done"]
    turns = [
        turn
        for values in chats
        if (turn := read_document(TurnValues, values)) is not None and "by" not in turn
    ]
    if turns:
        return {"kind": "turns", "turns": turns}
    if not chats:
        return None
    return read_document(QuestionsValues, chats[-1]) or read_document(ChatRecord, chats[-1])


def read_quality(values: object) -> QualityDocument | QualitiesDocument | None:
    """Return the values of a ledger's `quality` entry as the document of their kind."""
    match values:
        case {"kind": "qualities"}:
            return read_document(QualitiesDocument, values)
        case {"kind": "quality"}:
            return read_document(QualityDocument, values)
    return None


def _answered_no(entry: Entry) -> bool:
    """Return whether a step ran to its end and its answer is no: its document belongs into the report."""
    step = find_step(entry.step)
    keys = step.answered_no if step is not None else ()
    return entry.status == "failed" and any(key in entry.values for key in keys)


def _add_qualities(
    found: dict[str, QualityDocument], document: QualityDocument | QualitiesDocument | None
) -> None:
    """Keep the newest whole document of each target: a check that was stopped proves nothing."""
    for quality in each_quality(document):
        if quality.get("stopped"):
            continue
        target = quality.get("target", "")
        found.pop(target, None)
        found[target] = quality


def each_quality(
    document: QualityDocument | QualitiesDocument | None,
) -> list[QualityDocument]:
    """Return the documents of the targets that a quality check was about."""
    if document is None:
        return []
    return document["artifacts"] if document["kind"] == "qualities" else [document]


def _in_use(
    session: Session, facts: RunFacts, conversions: Mapping[str, ConversionDocument]
) -> str:
    """Return the session's artifact, that of the precision which the plan uses, or the one that was worked on."""
    if session.artifact:
        return session.artifact
    use = facts.precision.get("use") if facts.precision is not None else None
    if use and use in conversions:
        return conversions[use]["artifact"]
    if facts.chat is not None and facts.chat["kind"] == "questions":
        return facts.chat["artifact"]
    if facts.model is not None and (adopted := facts.model.get("artifact")):
        return adopted
    return next((made["artifact"] for made in conversions.values()), "")


def _begun(entries: list[Entry]) -> str:
    """Return when the first step began; an entry is written when its step has ended."""
    if not entries:
        return ""
    first = min(entry.at - entry.seconds for entry in entries)
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(first))


def last_session(entries: list[Entry]) -> Session | None:
    """Return the session that a wizard wrote whole; None when there is none."""
    for entry in reversed(entries):
        if entry.step == "session":
            return Session.from_json(entry.values)
        if entry.step == "summary" and isinstance(entry.values.get("session"), Mapping):
            return Session.from_json(entry.values["session"])
    return None


def result_of(benchmark: BenchDocument | None, artifact: str | None) -> BenchResult | None:
    """Return a benchmark's result of one artifact, or of its first target where it did not measure that one."""
    results = benchmark.get("results", []) if benchmark is not None else []
    own = (r for r in results if artifact and artifact in (r.get("folder"), r.get("target")))
    return next(own, results[0] if results else None)


def verdict_of(document: QualityDocument | QualitiesDocument | None) -> str:
    """Return the verdicts of a quality document in one text."""
    return " ".join(filter(None, (one.get("verdict") for one in each_quality(document))))


def _fact(
    step: Step, entries: list[Entry], documented: Collection[str], *, converted: bool
) -> StepFact:
    own = [e for e in entries if e.step == step.id and e.status in (*STATUSES, "undone")]
    # A step that leaves no document has happened when something was converted: what was converted was chosen.
    happened = step.id in documented or (not step.result and converted)
    if not own:
        return StepFact(id=step.id, title=step.title, status="done" if happened else "skipped")
    last = own[-1]
    if last.status == "undone":
        return StepFact(id=step.id, title=step.title, status="skipped", reason="taken back")
    alike = [e for e in own if e.status == last.status]
    if step.id == "convert":
        source = _source(last)
        alike = [e for e in alike if _source(e) == source]
    seconds = sum(e.seconds for e in alike) or None
    return StepFact(
        id=step.id,
        title=step.title,
        status=last.status,
        seconds=seconds,
        reason=_reason(step, last),
    )


def _source(entry: Entry) -> str:
    """Return the folder of the model that was converted; empty where the entry does not say it."""
    document = read_document(ConversionDocument, entry.values)
    return document["source"]["path"] if document is not None else ""


def _reason(step: Step, last: Entry) -> str:
    """Return why a step failed or was skipped; empty when the ledger does not say so."""
    failed = read_document(FailedValues, last.values)
    if failed is not None and "error" in failed:
        return failed["error"].get("message", "")
    skipped = read_document(SkippedValues, last.values)
    if skipped is not None and skipped.get("reason"):
        return skipped["reason"]
    if last.status == "failed" and step.id == "quality":
        return verdict_of(read_quality(last.values))
    return ""
