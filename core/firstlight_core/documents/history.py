"""Earlier measurements and their differences: rows of the history, exports, comparisons.

Every figure is measured. Ratios are new over old; an interval is `[low, high]`.
"""

from typing import Literal, NotRequired, TypedDict

from firstlight_core.documents.measure import MachineDocument
from firstlight_core.errors import ErrorDocument
from firstlight_core.files import JsonObject

RecordKind = Literal["bench", "tune", "quality", "conversion"]
Unit = Literal["s", "tokens/s", "bytes", "nats", "share"]
Better = Literal["lower", "higher"]
ChangeVerdict = Literal["regression", "improvement", "no-change", "not-judged"]


class SampleSeries(TypedDict):
    """One figure of a record with every sample that was taken."""

    measure: str
    """`decode_tps`, `prefill_tps`, `ttft_s`, `load_s`, `peak_rss_bytes`, `kl` …"""
    unit: Unit
    better: Better
    prompt_tokens: int | None
    """Length of the prompt; null where the figure belongs to none."""
    samples: list[float]


class RecordSettings(TypedDict, total=False):
    """The conditions of a record besides the artifact and the machine."""

    new_tokens: int
    prompt_tokens: int
    """Of a tuning."""
    repeats: int
    context: int
    """Tokens of context that the artifact was loaded with."""
    through_foundry: bool
    method: str
    """Of a conversion."""
    prompts: str
    """Where the questions of a quality check came from."""
    template: str
    """Digest of the chat template and inference_model.json that a quality check used."""
    threads: str
    """The best setting that a tuning found."""


class RecordFacts(TypedDict):
    """The subject of one record."""

    kind: RecordKind
    label: str
    target: str
    """As it was named: a folder, a deployed name or a server."""
    folder: str | None
    artifact_fingerprint: str | None
    """Of its weights, graph and options; null for a server and for a folder that was not readable."""
    source_fingerprint: str | None
    precision: str | None
    settings: RecordSettings
    void: bool
    void_reasons: list[str]
    series: list[SampleSeries]


class RecordRow(RecordFacts):
    """One record: what was measured of one target at one time."""

    id: int
    recorded_at: str
    """UTC, ISO 8601."""
    machine_fingerprint: str
    versions: dict[str, str]
    """Package → version, of those that decide the figures."""
    firstlight: str
    """Firstlight's own version."""


class HistoryDocument(TypedDict):
    """The document of `firstlight history`."""

    kind: Literal["history"]
    database: str
    records: list[RecordRow]
    """The newest first."""
    notes: list[str]


class WholeRecord(RecordRow):
    """One record with the machine and the document that it comes from."""

    machine: MachineDocument
    document: JsonObject
    """As the verb of its kind printed it; of several targets all of them."""


class RecordDocument(TypedDict):
    """The document of `firstlight history ID`."""

    kind: Literal["record"]
    record: WholeRecord
    notes: list[str]


class ExportedHistory(TypedDict):
    """The document of `firstlight history --export FORMAT`."""

    kind: Literal["export"]
    format: str
    records: int
    text: str
    output: str | None
    """The file that was written; null when the text was only printed."""
    notes: list[str]


class ComparedSide(TypedDict):
    """One side of a comparison."""

    id: int | None
    """Null for a document from a file, and for one that was just measured."""
    label: str
    recorded_at: str | None
    precision: str | None


class SideFigure(TypedDict):
    """One figure of one side."""

    median: float
    low: float
    high: float
    """Smallest and largest sample."""
    samples: int


class ChangeRow(TypedDict):
    """How one figure has changed."""

    measure: str
    unit: Unit
    better: Better
    prompt_tokens: int | None
    """Null for a figure without a length, and for the row of all lengths together."""
    lengths: int
    """How many prompt lengths stand behind the row."""
    before: SideFigure | None
    """Null, as `after`, in the row of all lengths together."""
    after: SideFigure | None
    ratio: float
    """New median over old; of all lengths the geometric mean of the ratios."""
    interval: list[float] | None
    """Of `ratio`, at the level of the comparison; null where too few samples were taken."""
    detectable: float | None
    """The smallest slowdown that these samples would have shown, as a share: 0.04 is 4 %."""
    verdict: ChangeVerdict


class ComparisonDocument(TypedDict):
    """The document of `firstlight compare`."""

    kind: Literal["comparison"]
    ok: bool
    """False when a regression is flagged."""
    before: ComparedSide
    after: ComparedSide
    rows: list[ChangeRow]
    level: float
    """Confidence level of every interval, widened for the number of rows."""
    regressions: int
    improvements: int
    notes: list[str]
    """The differences between both sides, and the figures that were not compared."""
    error: NotRequired[ErrorDocument]
