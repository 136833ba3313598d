"""The one record that walks through the steps."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self, TypedDict, Unpack

from firstlight_core.documents.conversion import ConversionDocument
from firstlight_core.documents.deploy import Deployed
from firstlight_core.documents.environment import DoctorDocument
from firstlight_core.documents.inference import ChatRecord, ConnectedServer
from firstlight_core.documents.ledger import SessionValues
from firstlight_core.documents.measure import BenchDocument, QualitiesDocument, QualityDocument
from firstlight_core.documents.model import InspectDocument
from firstlight_core.documents.reading import field_types, fits
from firstlight_core.documents.run_file import Configs
from firstlight_core.documents.template import SettledTemplate
from firstlight_core.precision.table import preferred_precision
from firstlight_core.steps import STEPS, Step, cleared_answers, results_of


class Answers(TypedDict, total=False):
    """Answers to set in a session: its fields."""

    environment: DoctorDocument | None
    source: str | None
    model: InspectDocument | None
    precisions: tuple[str, ...]
    goal: str
    configs: Configs | None
    calibration: str | None
    method: str
    artifacts: tuple[ConversionDocument, ...]
    artifact: str | None
    artifact_chosen: bool
    endpoint: ConnectedServer | None
    template: SettledTemplate | None
    deployment: Deployed | None
    chat: ChatRecord | None
    benchmark: BenchDocument | None
    quality: QualityDocument | QualitiesDocument | None
    more: Mapping[str, object] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The decisions and results of a run so far; every step returns a new one.

    The field order is the step order. `None` or empty means "not answered yet".
    """

    environment: DoctorDocument | None = None
    """The doctor's document: verdict and checks."""
    source: str | None = None
    """Folder of the fine-tuned model."""
    model: InspectDocument | None = None
    """The inspection of `source`."""
    precisions: tuple[str, ...] = ()
    """Keys of the marked rows, in table order."""
    goal: str = "smallest"
    """Goal of the recommendation; a key of `recommendation.GOALS`."""
    configs: Configs | None = None
    """Edited Olive configurations by precision, for method `config`."""
    calibration: str | None = None
    """The file that weights are rounded on, or a word (`own-answers`, `none`); None means the built-in text."""
    method: str = "config"
    """Conversion method of the course: `command` or `config`."""
    artifacts: tuple[ConversionDocument, ...] = ()
    """One conversion document for each converted precision."""
    artifact: str | None = None
    """Folder of the artifact that the following steps work on."""
    artifact_chosen: bool = False
    """Whether the user chose it among several; what was not chosen gives way to a better one."""
    endpoint: ConnectedServer | None = None
    """The server that Chat, Benchmark and Quality ask instead."""
    template: SettledTemplate | None = None
    deployment: Deployed | None = None
    chat: ChatRecord | None = None
    benchmark: BenchDocument | None = None
    quality: QualityDocument | QualitiesDocument | None = None
    more: Mapping[str, object] | None = None
    """Documents of steps that have no field of their own here, by the `result` of their row."""

    def decide(self, **decision: Unpack[Answers]) -> Self:
        """Set answers, and clear those that depended on what really changed, as the table of steps has it.

        Raises:
            TypeError: a name is neither a field nor the result of a step.
        """
        changed = {name for name, value in decision.items() if self.answer(name) != value}
        answers = {name: _EMPTY.get(name) for name in cleared_answers(changed)} | decision
        known: dict[str, Any] = {k: value for k, value in answers.items() if k in _EMPTY}
        if len(known) == len(answers):
            return replace(self, **known)
        more = {**(self.more or {}), **{k: v for k, v in answers.items() if k not in known}}
        more = {name: value for name, value in more.items() if value is not None}
        return replace(self, **known, more=more or None)

    def answer(self, name: str) -> object:
        """Return the answer of this name: a field, or the result of a step that has no field here.

        Raises:
            TypeError: it is neither.
        """
        if name in _EMPTY:
            return getattr(self, name)
        if all(name != step.result for step in STEPS):
            raise TypeError(f"{name!r} is no answer of a session")
        return (self.more or {}).get(name)

    def changed_since(self, before: Self) -> set[str]:
        """Return the names of the answers that were other ones in `before`."""
        names = {*_EMPTY, *(step.result for step in STEPS if step.result)}
        return {name for name in names if self.answer(name) != before.answer(name)}

    def passes_by(self, step: Step) -> bool:
        """Return whether the step has nothing to ask.

        An adopted artifact has the precision that it was made in; a connected server needs no model of one's own.
        """
        adopted = self.source is None and self.artifact is not None
        return (step.converts and adopted) or (step.about_a_model and self.endpoint is not None)

    def converted(self, document: ConversionDocument, *, keep: bool = False) -> Self:
        """Add an artifact; use it when none is in use, or when it is preferred and nothing depends on the other.

        An artifact that the user chose, or that a later step has worked on, stays in use; with `keep` any does.
        """
        others = [a for a in self.artifacts if a["precision"] != document["precision"]]
        artifacts = (*others, document)
        in_use = self.artifact
        worked_on = any(self.answer(name) is not None for name in results_of("artifact"))
        if in_use is None or not (keep or self.artifact_chosen or worked_on):
            best = preferred_precision(a["precision"] for a in artifacts)
            chosen = next((a for a in artifacts if a["precision"] == best), document)
            in_use = chosen["artifact"]
        return self.decide(artifacts=artifacts, artifact=in_use)

    @property
    def precision_in_use(self) -> str | None:
        """The precision of the artifact in use; None for an adopted one."""
        return self.precision_of(self.artifact)

    def precision_of(self, artifact: str | None) -> str | None:
        """Return the precision that an artifact was made in; None for one that was not made here."""
        return next((a["precision"] for a in self.artifacts if a["artifact"] == artifact), None)

    @property
    def target(self) -> str | None:
        """The target of Chat, Benchmark and Quality: the connected server, else the artifact."""
        return self.endpoint["target"] if self.endpoint is not None else self.artifact

    @property
    def network(self) -> bool:
        """True if the connected server may be on another machine."""
        return self.endpoint is not None and self.endpoint["network"]

    def measured(self, precision: str) -> ConversionDocument | None:
        """Return the conversion document of one precision, if it has been converted."""
        return next((a for a in self.artifacts if a["precision"] == precision), None)

    def to_json(self) -> SessionValues:
        """Return what the ledger keeps of it; `from_json` is its inverse."""
        values: SessionValues = {
            "environment": self.environment,
            "source": self.source,
            "model": self.model,
            "precisions": list(self.precisions),
            "goal": self.goal,
            "configs": self.configs,
            "calibration": self.calibration,
            "method": self.method,
            "artifacts": list(self.artifacts),
            "artifact": self.artifact,
            "artifact_chosen": self.artifact_chosen,
            "endpoint": self.endpoint,
            "template": self.template,
            "deployment": self.deployment,
            "chat": self.chat,
            "benchmark": self.benchmark,
            "quality": self.quality,
        }
        if self.more is not None:
            values["more"] = self.more
        return values

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read a session back, from a ledger of this or another version.

        Keys that are unknown, or have another shape, are passed over.
        """
        values: dict[str, Any] = {
            name: tuple(document[name]) if isinstance(document[name], list) else document[name]
            for name, hint in field_types(Session).items()
            if name in document and fits(document[name], hint)
        }
        return cls(**values)


_EMPTY: dict[str, Any] = {field.name: field.default for field in fields(Session)}
