"""Records of the history, and its exports. Every figure is measured."""

from typing import Literal, TypedDict

from firstlight_core.documents.comparison import Better, Unit
from firstlight_core.documents.measure import MachineDocument
from firstlight_core.files import JsonObject

RecordKind = Literal["bench", "tune", "quality", "conversion"]


class SampleSeries(TypedDict):
    """One figure of a record with every sample that was taken."""

    measure: str
    """`decode_tps`, `prefill_tps`, `ttft_s`, `load_s`, `load_cold_s`, `joules_per_token`, `peak_rss_bytes`, `kl` …"""
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
