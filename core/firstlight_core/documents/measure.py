"""Documents of measurements: benchmark, quality checks, drift.

Times in seconds, rates in tokens a second, sizes in bytes; every figure is measured, and absent where it was not.
"""

from typing import Literal, NotRequired, TypedDict

from firstlight_core.documents.bench_parts import (
    BenchConditions,
    ClientsLevel,
    EnergyFigures,
    LoadFigures,
    MemoryBandwidth,
)
from firstlight_core.documents.comparison import ComparisonDocument
from firstlight_core.documents.figures import Figure, LatencyPercentiles
from firstlight_core.documents.inference import CountedBy, ResidentBytes
from firstlight_core.errors import ErrorDocument

CheckStatus = Literal["pass", "fail", "not-run", "needs-you"]
Usability = Literal["usable", "with-caution", "not-good-enough"]
Closeness = Literal["very-close", "close", "noticeable", "far"]


class SpeedFigures(TypedDict, total=False):
    """The speed figures of several repetitions."""

    ttft_s: Figure
    prefill_tps: Figure
    decode_tps: Figure
    total_s: Figure


class BenchCase(SpeedFigures, total=False):
    """The figures of one target at one prompt length."""

    prompt_tokens: int
    """Absent where a server does not count them."""
    asked_tokens: int
    """The wanted length in tokens, for a target that is prompted in words."""
    prompt_words: int
    counted_by: CountedBy
    latency_s: LatencyPercentiles
    new_tokens: int
    joules_per_token: Figure
    """Energy of the processor for each written token, reading the prompt included; absent where it is not counted."""
    roofline_share: float
    """Share of the memory bandwidth that decoding reaches; absent where the weights may stay in the caches."""


class BenchResult(TypedDict):
    """One target of a benchmark: an artifact (with `folder`) or a server (with `endpoint`)."""

    kind: Literal["artifact", "server"]
    target: str
    label: str
    load_s: float
    """Of the process that was measured: with an artifact's files in the page cache where `load` is there."""
    cases: list[BenchCase]
    void: NotRequired[bool]
    load: NotRequired[LoadFigures]
    """Cold and warm loading of an artifact; absent from the records of earlier versions."""
    energy: NotRequired[EnergyFigures]
    """Absent where the machine counts none; the document then says why in `conditions`."""
    folder: NotRequired[str]
    precision: NotRequired[str]
    bytes: NotRequired[int]
    token_bytes: NotRequired[int]
    """Bytes of weights that a token reads; absent as `roofline_share`."""
    context: NotRequired[int]
    """Tokens of context that the artifact was loaded with."""
    rss_bytes: NotRequired[ResidentBytes]
    cpu_percent: NotRequired[float]
    """Processor load in percent of all cores."""
    endpoint: NotRequired[str]
    model: NotRequired[str]
    errors: NotRequired[int]
    error_rate: NotRequired[float]
    faults: NotRequired[list[str]]
    clients: NotRequired[list[ClientsLevel]]


class OverheadCase(TypedDict):
    """The overhead of a service at one prompt length; differences and ratios within each pair of questions."""

    prompt_tokens: int
    pairs: int
    same_answers: int
    ttft_added_s: NotRequired[Figure]
    decode_ratio: NotRequired[Figure]
    total_ratio: NotRequired[Figure]
    summary: str


class Overhead(TypedDict):
    """The overhead of a service in front of an artifact."""

    target: str
    label: str
    service: str
    cases: list[OverheadCase]


class MachineDocument(TypedDict, total=False):
    """The machine that was measured on."""

    cpu: str
    cores: int
    threads: int
    memory_bytes: int
    memory: str
    system: str
    architecture: str
    python: str
    versions: dict[str, str]
    """Package → version, of those that decide speed."""


class BenchDocument(TypedDict):
    """The document of `firstlight bench`."""

    machine: MachineDocument
    lengths: list[int]
    """Prompt lengths in tokens."""
    new_tokens: int
    repeats: int
    interleaved: bool
    """Whether the targets were measured in turns."""
    results: list[BenchResult]
    overhead: NotRequired[list[Overhead]]
    memory_bandwidth: NotRequired[MemoryBandwidth]
    conditions: NotRequired[BenchConditions]
    """Absent from the records of earlier versions."""
    notes: list[str]
    void: bool
    """Whether the figures are worth nothing; `notes` says why."""
    void_reasons: NotRequired[list[str]]
    """The notes that make the figures void; absent from the records of earlier versions."""
    stopped: NotRequired[bool]
    """Whether it was cancelled before the last measurement; the figures are of those that were finished."""
    against: NotRequired[list[ComparisonDocument]]
    """With `--against`: the changes since, for each target that has an earlier record."""
    ok: NotRequired[bool]
    """With `--against`: false for a regression, and when void figures could not be compared."""
    error: NotRequired[ErrorDocument]


class DriftFigures(TypedDict):
    """How an artifact's predictions differ from the original's, over tokens; intervals are 95 % [low, high]."""

    top1_agreement: float
    """Share of tokens that both find likeliest."""
    top1_interval: NotRequired[list[float]]
    """Absent, as `tokens`, from the records of earlier versions."""
    kl_mean: float
    """KL(original || artifact) in nats."""
    kl_p95: float
    kl_interval: NotRequired[list[float]]
    """Absent for few texts, as `perplexity_interval`."""
    perplexity_ratio: float
    """The artifact's perplexity over the original's."""
    perplexity_interval: NotRequired[list[float]]
    tokens: NotRequired[int]
    """Tokens compared."""


class DriftExample(TypedDict):
    """One prompt, answered by both."""

    prompt: str
    kl_mean: float
    original: str
    artifact: str
    first_divergence: int | None
    """Index of the first token that the artifact would not have chosen."""
    texts_differ_at: int | None
    """Index of the first character."""


class Perplexities(TypedDict):
    """Perplexity on the same text."""

    original: float
    artifact: float


class OwnTextDrift(DriftFigures):
    """Drift on the user's own text."""

    perplexity: Perplexities
    stretches: int
    text_tokens: int
    """Tokens of the whole text."""
    reference_cached: bool


class DriftDocument(DriftFigures):
    """Drift on prompts."""

    prompts: int
    prompts_equal: int
    """Prompts that the artifact's own tokenizer and template turn into the same tokens."""
    prompts_skipped: int
    """Prompts that do not fit into the context."""
    prompts_diverged: int
    first_divergence: int | None
    reference_cached: bool
    kl_by_prompt: NotRequired[list[float]]
    """Mean KL of each prompt in nats, in the order of the prompts; absent from the records of earlier versions."""
    worst: list[DriftExample]
    closeness: Closeness
    closeness_sure: bool
    """Whether the intervals bear the word out."""
    own_text: NotRequired[OwnTextDrift]


class PromptFault(TypedDict):
    """One question that a check found wrong."""

    prompt: str
    answer: NotRequired[str]
    fault: str


class PromptAnswer(TypedDict):
    """One question and its answer."""

    prompt: str
    answer: str


class EdgeRow(TypedDict):
    """One unusual input."""

    name: str
    outcome: Literal["answered", "refused", "failed"]
    words: str


class Growth(TypedDict):
    """Bytes a generation, with the 95 % interval."""

    value: float
    low: float
    high: float


class Evidence(TypedDict):
    """The evidence of a check; every check has a summary, the other keys are present where they apply."""

    summary: str
    ratings: NotRequired[list[int]]
    right: NotRequired[int]
    asked: NotRequired[int]
    answers: NotRequired[list[PromptAnswer]]
    faults: NotRequired[list[PromptFault]]
    ended: NotRequired[int]
    """Answers that ended by themselves."""
    generations: NotRequired[int]
    bytes_per_generation: NotRequired[Growth]
    first_bytes: NotRequired[int]
    last_bytes: NotRequired[int]
    one_step: NotRequired[bool]
    decode_tps: NotRequired[dict[str, float]]
    """Prompt length → rate."""
    slowest_share: NotRequired[float]
    variation: NotRequired[float]
    cases: NotRequired[list[EdgeRow]]


class CheckRow(TypedDict):
    """The result of one check."""

    id: str
    title: str
    status: CheckStatus
    evidence: Evidence


class CheckedAnswer(TypedDict):
    """One question with its answer, or with the error it met."""

    prompt: str
    text: NotRequired[str]
    error: NotRequired[str]


class QualityFacts(TypedDict):
    """The results of the checks of one target."""

    kind: Literal["quality"]
    ok: bool
    target: str
    prompts: str
    """Path of the prompts file, or `sample`, `given`, `general`."""
    checks: list[CheckRow]
    answers: list[CheckedAnswer]
    verdict: str
    text: NotRequired[str]
    """Path of the user's own text."""
    stopped: NotRequired[bool]
    """Whether it was cancelled before the last check: `answers` has the questions that were finished, and a check that was
    not reached is `not-run`. `ok` is false then."""


class QualityDocument(QualityFacts):
    """The result of the checks of one target."""

    drift: NotRequired[DriftDocument]


class QualitiesDocument(TypedDict):
    """The result of the checks of several targets."""

    kind: Literal["qualities"]
    ok: bool
    artifacts: list[QualityDocument]


class CheckedTarget(QualityFacts):
    """The checks of one target, as `firstlight quality` prints them."""

    drift: DriftDocument | None


class QualityVerb(CheckedTarget):
    """The document of `firstlight quality` on one target; "Not good enough" is an error."""

    error: NotRequired[ErrorDocument]


class QualitiesVerb(TypedDict):
    """The document of `firstlight quality` on several targets; one that is not good enough is an error."""

    kind: Literal["qualities"]
    ok: bool
    artifacts: list[CheckedTarget]
    error: NotRequired[ErrorDocument]
