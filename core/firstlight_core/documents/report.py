"""report.json: one run as one document. Every figure stands below a key `claim`, `estimate` or `measured`."""

from typing import Literal, NotRequired, TypedDict

from firstlight_core.documents.artifact import InferenceModel
from firstlight_core.documents.conversion import BuiltGraph, Method, Smoke
from firstlight_core.documents.deploy import Deployed
from firstlight_core.documents.inference import ChatStats, ConnectedServer
from firstlight_core.documents.ledger import ReportedModel
from firstlight_core.documents.measure import (
    BenchDocument,
    Closeness,
    MachineDocument,
    QualityDocument,
)
from firstlight_core.documents.tuning import TunedManifest
from firstlight_core.monitor import AlertThresholds


class ReportedRun(TypedDict):
    """Which run it was."""

    id: str
    begun: str
    written: str
    folder: str


class ClosingItem(TypedDict):
    """One of the course's closing items, with what this run really did."""

    title: str
    status: Literal["done", "not done"]
    note: str


class ProductionItem(TypedDict):
    """One row of the production checklist."""

    group: str
    title: str
    status: str
    """verified, failed, void, done or reminder."""
    note: str


class NextCommand(TypedDict):
    """A possible next step."""

    title: str
    command: str


class ReportedStep(TypedDict):
    """How one step ended."""

    id: str
    title: str
    status: str
    """done, skipped, failed or cancelled."""
    seconds: float | None
    reason: str


class ReportedMachine(TypedDict, total=False):
    """The machine of the benchmark, and the result of the environment check."""

    measured: MachineDocument
    checks: dict[str, str]
    """Title of a check → what was found."""


class ClaimDocument(TypedDict):
    """The course's claim about a precision."""

    size: str
    speed: str
    quality: str
    use: str


class ReportedEstimate(TypedDict, total=False):
    """The estimates of a precision."""

    bytes: int
    peak_ram_bytes: int
    seconds: float
    available: bool
    reason: str


class ReportedFigures(TypedDict, total=False):
    """The measurements of a precision."""

    bytes: int
    seconds: float
    peak_rss_bytes: int
    top1_agreement: float
    kl_mean: float
    kl_p95: float
    perplexity_ratio: float
    load_s: float
    prompt_tokens: int | None
    ttft_s: float
    prefill_tps: float
    decode_tps: float
    decode_range: list[float]
    """Slowest and fastest repetition."""
    run_rss_bytes: int
    """The most resident memory of the process that ran it."""
    void: bool
    """Whether the speeds and the memory of the benchmark are worth nothing."""
    kl_interval: list[float]
    closeness: Closeness


class PrecisionRow(TypedDict):
    """One precision with three kinds of figures side by side."""

    precision: str
    label: str
    claim: NotRequired[ClaimDocument]
    estimate: NotRequired[ReportedEstimate]
    measured: NotRequired[ReportedFigures]


class ReportedConversion(TypedDict, total=False):
    """One converted precision."""

    precision: str
    artifact: str
    method: Method
    command: list[str]
    smoke: Smoke
    built: BuiltGraph
    olive_load_seconds: float
    sha256: dict[str, str]
    """File of the artifact → its checksum."""
    tuned: TunedManifest


class ReportedTemplate(TypedDict, total=False):
    """The settled template."""

    locked: bool
    sentence: str
    fitted: str
    inference_model: InferenceModel
    differences: list[str]


class ChatPair(TypedDict):
    """One question and its answer."""

    question: str
    by: NotRequired[str]
    """Name of the compared model that answered; absent for the artifact of the run."""
    answer: NotRequired[str]
    measured: NotRequired[ChatStats]


class ReportedResult(TypedDict):
    """The run in a few sentences, as its report opens."""

    verdict: str
    machine: NotRequired[str]
    void: NotRequired[str]
    """Why the benchmark is worth nothing; absent where it is worth something."""
    precision: NotRequired[str]
    """Key of the precision in use."""


class ClaimRow(TypedDict):
    """One claim of the course about the precision in use, and what was measured for it."""

    precision: str
    subject: Literal["size", "speed", "quality"]
    claim: str
    measured: str
    holds: bool | None
    """Null where the measurement cannot decide it."""


class SampleAnswer(TypedDict):
    """The answers of one artifact."""

    name: str
    """Its precision, or the name of its folder."""
    text: str


class SampleRow(TypedDict):
    """One question, the original's answer, and those of the artifacts."""

    prompt: str
    original: NotRequired[str]
    """Absent where the original was not asked."""
    answers: list[SampleAnswer]


class ModelMetrics(TypedDict):
    """One target in the field names of the course's monitoring service; seconds and bytes."""

    status: Literal["healthy", "degraded", "void"]
    memory_usage: int | None
    inference_count: int
    average_latency: float
    error_rate: float


class ServiceMetrics(TypedDict):
    """The benchmark in the field names of the course's monitoring service."""

    timestamp: str
    models: dict[str, ModelMetrics]
    alert_thresholds: AlertThresholds


class LedgerDigest(TypedDict):
    """The ledger as far as the report was written from it."""

    bytes: int
    sha256: str


class ReportDigest(TypedDict):
    """Digests that show whether the report was changed after it was written."""

    content: str
    """SHA-256 of the document without `digest`."""
    ledger: LedgerDigest


class ReportDocument(TypedDict):
    """report.json; what was not measured is absent."""

    schema: str
    run: ReportedRun
    firstlight: str
    result: NotRequired[ReportedResult]
    """Absent from the reports of earlier versions, as `claims` and `samples`."""
    claims: NotRequired[list[ClaimRow]]
    samples: NotRequired[list[SampleRow]]
    closing: list[ClosingItem]
    steps: list[ReportedStep]
    machine: NotRequired[ReportedMachine]
    model: NotRequired[ReportedModel]
    precisions: NotRequired[list[PrecisionRow]]
    conversions: NotRequired[list[ReportedConversion]]
    template: NotRequired[ReportedTemplate]
    deployment: NotRequired[Deployed]
    server: NotRequired[ConnectedServer]
    chat: NotRequired[list[ChatPair]]
    transcripts: NotRequired[list[ChatPair]]
    """On request only: everything that was asked in this run, what was said before `/clear` too."""
    benchmark: NotRequired[BenchDocument]
    quality: NotRequired[list[QualityDocument]]
    metrics: NotRequired[ServiceMetrics]
    production: list[ProductionItem]
    limitations: list[str]
    fallback: NotRequired[str]
    next: list[NextCommand]
    texts: NotRequired[Literal[False]]
    """False when questions, answers and other texts are left out."""
    digest: NotRequired[ReportDigest]
