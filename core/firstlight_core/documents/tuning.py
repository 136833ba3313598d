"""Documents of tuning: settings measured in turns, the best against the baseline, and the entry of the manifest.

Times in seconds, rates in tokens a second, sizes in bytes; every figure is measured.
"""

from typing import Literal, NotRequired, TypedDict

from firstlight_core.documents.figures import Figure
from firstlight_core.documents.jobs_engine import Repetition
from firstlight_core.documents.measure import MachineDocument

TuneStage = Literal["threads", "scout", "build", "comparison"]
"""`scout`: a first look at builds, of which some drift too far, to see whether a gentler one of the kind is worth making."""


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
    head_block_size: NotRequired[int]
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


class Gain(TypedDict):
    """How many times as fast, over all prompt lengths."""

    ratio: float
    """Of the medians; over several lengths their geometric mean."""
    interval: list[float] | None
    """Bootstrap interval of `ratio`; null with too few repeats. A gain whose interval holds 1 is noise."""


class Gains(TypedDict):
    """How many times as fast, with intervals."""

    answer: Gain
    decode: Gain
    prefill: Gain
    level: float
    """Confidence level of each interval."""


class LengthFigures(TypedDict):
    """The figures at one prompt length."""

    prompt_tokens: int
    total_s: Figure
    decode_tps: NotRequired[Figure]
    prefill_tps: NotRequired[Figure]
    ttft_s: NotRequired[Figure]


class TrialRow(TypedDict):
    """One setting that was measured; of several prompt lengths, each sample is the geometric mean of a round."""

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
    gain: NotRequired[Gains]
    """Speed against the baseline with intervals, which decide; absent from the records of earlier versions."""
    by_length: NotRequired[list[LengthFigures]]
    """Absent from the records of earlier versions."""
    drift: NotRequired[BuildDrift | None]
    """Drift of a build; only when a source is tuned, like `bytes`."""
    bytes: NotRequired[int | None]


class PeerFigures(TypedDict):
    """Another program that was measured in turns with the best setting."""

    name: Literal["llama.cpp"]
    program: str
    version: str
    model: str
    """Its model file."""
    label: str
    threads: int
    total_s: Figure
    decode_tps: Figure
    prefill_tps: Figure
    by_length: list[LengthFigures]
    gain: Gains
    """How many times as fast as it the best setting is."""


class Comparison(TypedDict):
    """The last comparison, in measurements of its own."""

    baseline: TrialRow
    """The build that Olive makes, without thread settings."""
    best: TrialRow
    refuted: NotRequired[TrialRow]
    """The winner of the race, where it did not win again; the baseline is the best then."""
    peer: NotRequired[PeerFigures]
    """Another program on the same weights, where one was measured."""


class BuildRow(TypedDict):
    """One build that was tried."""

    label: str
    settings: BuildSettings
    bytes: NotRequired[int]
    drift: NotRequired[BuildDrift]
    excluded: NotRequired[str]
    """Why it was not measured any further."""
    reused: NotRequired[bool]
    """Whether an earlier tuning had made it."""


class DriftLimit(TypedDict):
    """How far a build may drift."""

    kl_mean: float
    """Mean KL divergence in nats."""
    why: str


class TakenOver(TypedDict):
    """The work that an earlier tuning had done already."""

    builds: int
    measurements: int


class TuneConditions(TypedDict):
    """The conditions of a tuning."""

    trials: list[TrialRow]
    """The trials in the order of measurement."""
    machine: MachineDocument
    prompt_tokens: int
    """The longest of `lengths`."""
    lengths: NotRequired[list[int]]
    """Prompt lengths; absent from the records of earlier versions."""
    new_tokens: int
    repeats: int
    taken_over: NotRequired[TakenOver]


class TuneFigures(TuneConditions, Comparison):
    """The result that every tuning has."""

    notes: list[str]
    void: bool
    """Whether the figures are worth nothing; `notes` says why."""
    void_reasons: NotRequired[list[str]]
    """The notes that make the figures void; absent from the records of earlier versions."""


class StoppedTuningDocument(TuneConditions):
    """The work that a stopped tuning has done; the next one with the same options takes it over."""

    kind: Literal["stopped"]
    target: str
    builds: list[BuildRow]
    kept: TakenOver
    notes: list[str]


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


class JournalSample(TypedDict):
    """A line of a tuning's journal: one measurement."""

    kind: Literal["sample"]
    session: str
    """The process that measured."""
    race: str
    trial: str
    prompt_tokens: int
    at: float
    """Seconds since the epoch."""
    sample: Repetition


class JournalJudged(TypedDict):
    """A line of a tuning's journal: whether the machine was disturbed while a process measured one race."""

    kind: Literal["judged"]
    session: str
    race: str
    reasons: list[str]


JournalEntry = JournalSample | JournalJudged


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
