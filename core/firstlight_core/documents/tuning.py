"""Documents of tuning: settings measured in turns, the best against the baseline, and the entry of the manifest.

Times in seconds, rates in tokens a second, sizes in bytes; every figure is measured.
"""

from typing import Literal, NotRequired, TypedDict

from firstlight_core.documents.figures import Figure
from firstlight_core.documents.measure import MachineDocument

TuneStage = Literal["threads", "build", "comparison"]


class ThreadSettings(TypedDict):
    """How onnxruntime uses the processor; null leaves the choice to onnxruntime."""

    intra_op_num_threads: int | None
    """0: onnxruntime counts the cores, and binds a thread to each."""
    spin_us: int | None
    """Microseconds that an idle thread stays awake."""


class BuildSettings(TypedDict):
    """One way to quantise: the row of the precision table, and the options that differ from it."""

    precision: str
    block_size: NotRequired[int]
    algorithm: NotRequired[str]
    accuracy_level: NotRequired[int]


class BuildAndThreads(BuildSettings, ThreadSettings):
    """The settings of one trial of a source."""


TrialSettings = ThreadSettings | BuildAndThreads
"""The settings of one trial; only threads where builds were not compared."""


class BuildDrift(TypedDict):
    """How far a build is from the original."""

    top1_agreement: float
    kl_mean: float
    """Mean KL divergence in nats."""
    kl_p95: float
    perplexity_ratio: float


class Speedup(TypedDict):
    """How many times the baseline's speed, round by round."""

    answer: Figure
    """Seconds for a whole answer, prefill included."""
    decode: Figure
    prefill: Figure


class TrialRow(TypedDict):
    """One setting that was measured."""

    stage: TuneStage
    label: str
    settings: TrialSettings
    rounds: int
    decode_tps: NotRequired[Figure]
    prefill_tps: NotRequired[Figure]
    ttft_s: NotRequired[Figure]
    total_s: Figure
    dropped: NotRequired[bool]
    """Whether it left early because it was clearly slower."""
    faster: NotRequired[Speedup]
    """Speed against the baseline; only in the last comparison."""
    drift: NotRequired[BuildDrift | None]
    """Drift of a build; only when a source is tuned, like `bytes`."""
    bytes: NotRequired[int | None]


class Comparison(TypedDict):
    """The last comparison, in measurements of its own."""

    baseline: TrialRow
    """The build that Olive makes, without thread settings."""
    best: TrialRow
    refuted: NotRequired[TrialRow]
    """The winner of the race, where it did not win again; the baseline is the best then."""


class BuildRow(TypedDict):
    """One build that was tried."""

    label: str
    settings: BuildSettings
    bytes: NotRequired[int]
    drift: NotRequired[BuildDrift]
    excluded: NotRequired[str]
    """Why it was not measured any further."""


class DriftLimit(TypedDict):
    """How far a build may drift."""

    kl_mean: float
    """Mean KL divergence in nats."""
    why: str


class TuneFigures(Comparison):
    """The result that every tuning has."""

    trials: list[TrialRow]
    """The trials in the order of measurement."""
    machine: MachineDocument
    prompt_tokens: int
    new_tokens: int
    repeats: int
    notes: list[str]
    void: bool
    """Whether the figures are worth nothing; `notes` says why."""
    void_reasons: NotRequired[list[str]]
    """The notes that make the figures void; absent from the records of earlier versions."""


class TunedArtifactDocument(TuneFigures):
    """The document of `firstlight tune ARTIFACT`."""

    kind: Literal["artifact"]
    artifact: str
    applied: bool
    """Whether the best threads were written into it."""


class SourceFigures(TuneFigures):
    """The result of tuning a source."""

    source: str
    precision: str
    prompts: str
    """Where the questions for the drift came from."""
    builds: list[BuildRow]
    max_drift: DriftLimit


class TunedSourceDocument(SourceFigures):
    """The document of `firstlight tune SOURCE`: figures only."""

    kind: Literal["source"]


class PublishedTuningDocument(SourceFigures):
    """The document of `firstlight tune SOURCE -o DIR`."""

    kind: Literal["published"]
    artifact: str
    """The published artifact."""


class ResetDocument(TypedDict):
    """The document of `firstlight tune ARTIFACT --reset`."""

    kind: Literal["reset"]
    artifact: str
    removed: dict[str, int | str]
    """The session options that were taken out."""


TunedDocument = TunedArtifactDocument | TunedSourceDocument | PublishedTuningDocument
TuneDocument = TunedDocument | ResetDocument
"""The documents of `firstlight tune`."""


class TunedMachine(TypedDict, total=False):
    """The machine that was tuned on."""

    cpu: str
    cores: int
    threads: int
    versions: dict[str, str]


class TunedManifest(TypedDict):
    """The tuning in an artifact's manifest."""

    settings: TrialSettings
    faster: NotRequired[dict[str, float]]
    """`answer`, `decode` and `prefill`: times the baseline's speed, medians."""
    void: NotRequired[bool]
    machine: TunedMachine
