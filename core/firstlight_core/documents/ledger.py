"""Values of the entries of a run's ledger: one type for each event and status."""

from collections.abc import Mapping
from typing import Literal, NotRequired, TypedDict

from firstlight_core.documents.artifact import AdoptedArtifact, InferenceModel
from firstlight_core.documents.conversion import ConversionDocument, FailedPrecision
from firstlight_core.documents.deploy import (
    AnsweredDocument,
    Deployed,
    ExportDocument,
    PublishedDocument,
)
from firstlight_core.documents.environment import DoctorDocument
from firstlight_core.documents.estimate import EstimateDocument
from firstlight_core.documents.inference import (
    ChatRecord,
    ChatStats,
    ConnectedServer,
    PromptedAnswer,
)
from firstlight_core.documents.measure import BenchDocument, QualitiesDocument, QualityDocument
from firstlight_core.documents.model import InspectDocument
from firstlight_core.documents.run_file import Configs
from firstlight_core.documents.template import Difference, SettledTemplate
from firstlight_core.documents.workflow import WrittenReport
from firstlight_core.errors import ErrorDocument


class CheckedEnvironment(DoctorDocument):
    """The environment of a run without a screen."""

    ok: bool
    """False where nothing can be converted."""


class FailedValues(TypedDict):
    """A step that failed with an error."""

    error: ErrorDocument


class CancelledValues(TypedDict, total=False):
    """A step that was cancelled."""

    precision: str
    """Precision that was being converted."""


class SkippedValues(TypedDict):
    """A step that did not happen."""

    reason: str


class UndoneValues(TypedDict, total=False):
    """A step that was taken back."""

    name: str
    """Of a deployment."""


class ReportedModel(TypedDict, total=False):
    """The model of a run, as a report shows it."""

    source: str
    path: str
    artifact: str
    """Of an artifact that was adopted."""
    architecture: str
    parameters: int
    dtype: str
    tied_embeddings: bool
    context_length: int | None
    weight_bytes: int
    licence: str | None
    fingerprint: str


class ModelValues(ReportedModel, total=False):
    """The subject of a run: the inspection of a source, or an adopted artifact with its `bytes`."""

    bytes: int
    estimates: dict[str, EstimateDocument]
    """Precision key → estimate."""


class InspectedModel(InspectDocument):
    """The inspection of a run's source."""

    path: str


class SettledStep(SettledTemplate):
    """The settled template of a run without a screen."""

    ok: bool
    """As `locked`."""


class PrecisionValues(TypedDict):
    """The chosen precisions and the conversion method."""

    precisions: list[str]
    use: NotRequired[str | None]
    """The precision that the later steps work on."""
    method: str
    edited: NotRequired[list[str]]
    """Precisions whose configuration was edited."""
    calibration: NotRequired[str]
    """Path of the text that a calibrated precision is rounded on."""


class TemplateValues(TypedDict):
    """The settled template; the last four are those of `SettledTemplate`."""

    locked: bool
    inference_model: InferenceModel
    sentence: NotRequired[str]
    fitted: NotRequired[str]
    exceptions: NotRequired[list[str]]
    differences: NotRequired[list[Difference]]


class QuestionsValues(TypedDict):
    """The questions of a run without a screen."""

    kind: Literal["questions"]
    artifact: str
    system: str
    turns: list[PromptedAnswer]


class TurnValues(TypedDict):
    """One question of the wizard's chat and its answer; each has an entry of its own."""

    kind: Literal["turn"]
    prompt: str
    text: str
    stats: ChatStats
    by: NotRequired[str]
    """Name of a model that was compared with the first one; absent for the first."""


class TurnsValues(TypedDict):
    """The chat of a run whose ledger has an entry for each turn."""

    kind: Literal["turns"]
    turns: list[TurnValues]


ChatValues = ChatRecord | QuestionsValues | TurnsValues
"""The chat of a run; `TurnsValues` is assembled from several entries."""


class SessionValues(TypedDict):
    """The session of the wizard; null means "not answered yet"."""

    environment: DoctorDocument | None
    source: str | None
    model: InspectDocument | None
    precisions: list[str]
    goal: str
    configs: Configs | None
    calibration: str | None
    method: str
    artifacts: list[ConversionDocument]
    artifact: str | None
    artifact_chosen: bool
    endpoint: ConnectedServer | None
    template: SettledTemplate | None
    deployment: Deployed | None
    chat: ChatRecord | None
    benchmark: BenchDocument | None
    quality: QualityDocument | QualitiesDocument | None
    more: NotRequired[Mapping[str, object]]
    """Documents of steps that have no answer of their own here."""


class AnswersValues(TypedDict):
    """Answers of the wizard that have changed, so that a run that was cut short can be continued."""

    at_step: str
    """Id of the step that is open."""
    answers: Mapping[str, object]
    """Keys of `SessionValues`."""


class OverValues(TypedDict):
    """The wizard's run is over."""

    how: Literal["finished", "declined"]


class SummaryValues(TypedDict):
    """The session when the Summary step was opened."""

    session: SessionValues


class SummaryResult(WrittenReport):
    """The report of a run without a screen."""

    ok: Literal[True]


class ReportValues(TypedDict):
    """The files of a report that was written."""

    sha256: dict[str, str]
    """json, markdown and html → digest of the file."""


LedgerValues = (
    DoctorDocument
    | CheckedEnvironment
    | InspectedModel
    | AdoptedArtifact
    | PrecisionValues
    | ConversionDocument
    | FailedPrecision
    | TemplateValues
    | SettledStep
    | Deployed
    | UndoneValues
    | TurnValues
    | QuestionsValues
    | BenchDocument
    | QualityDocument
    | QualitiesDocument
    | ConnectedServer
    | SummaryValues
    | SummaryResult
    | ReportValues
    | AnswersValues
    | OverValues
    | SessionValues
    | FailedValues
    | SkippedValues
    | CancelledValues
)
"""The values of one entry."""

LEDGER_VALUES: dict[str, tuple[type, ...]] = {
    "environment": (DoctorDocument,),
    "model": (ModelValues,),
    "precision": (PrecisionValues,),
    "convert": (ConversionDocument, FailedPrecision),
    "template": (TemplateValues,),
    "deploy": (PublishedDocument, AnsweredDocument, ExportDocument),
    "chat": (TurnValues, QuestionsValues),
    "benchmark": (BenchDocument,),
    "quality": (QualityDocument, QualitiesDocument),
    "connect": (ConnectedServer,),
    "report": (ReportValues,),
    "answers": (AnswersValues,),
    "wizard": (OverValues,),
}
"""Event → the types of what it leaves. A step that failed holds `FailedValues`, one that was skipped `SkippedValues`, one
that was taken back `UndoneValues`; `session` holds `Session.to_json`."""
