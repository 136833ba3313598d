"""Plans and results of a conversion, and the verdict of the numbers gate."""

from typing import Literal, NotRequired, TypedDict

from firstlight_core.documents.estimate import EstimateDocument
from firstlight_core.errors import ErrorDocument
from firstlight_core.files import JsonObject

Method = Literal["config", "command"]
Level = Literal["proven", "compared", "wrong", "nothing"]
OliveConfig = JsonObject
"""A configuration file of Olive: foreign JSON, whose keys Olive defines."""


class CalibrationPlan(TypedDict):
    """The calibration text of a plan."""

    source: str
    prompts: int


class PlanDocument(TypedDict):
    """The command or configuration that a conversion runs, beside the course's."""

    source: str
    artifact: str
    precision: str
    method: Method
    command: list[str]
    course_command: list[str]
    course_config: OliveConfig
    run_config: OliveConfig
    reason: str
    base: NotRequired[str]
    calibration: NotRequired[CalibrationPlan]


class DryRunDocument(PlanDocument):
    """The document of `firstlight convert --dry-run`."""

    kind: Literal["plan"]
    estimate: EstimateDocument


class RestoredDocument(TypedDict):
    """The document of `firstlight convert --undo`."""

    kind: Literal["restored"]
    artifact: str
    restored: bool


class Spoken(TypedDict):
    """The first tokens of an artifact."""

    tokens: int
    text: str
    ids: list[int]


class Smoke(Spoken):
    """The first tokens of an artifact, from a fresh process."""

    prompt: str


class BuiltGraph(TypedDict):
    """The quantisation that the builder produced, read from the graph."""

    bits: list[int]
    block_size: list[int]
    accuracy_level: list[int]
    quantised_nodes: int
    plain_matmuls: int
    dtype: str
    embedding: str


class CalibrationDocument(TypedDict):
    """The calibration data of the weights."""

    source: str
    """`own answers`, `built-in`, or the path of the user's file."""
    prompts: int
    tokens: int
    sha256: NotRequired[str]
    """Hash of the user's file."""
    added_tokens: NotRequired[int]
    """Tokens of the original's answers that a short text was filled up with."""
    token_sha256: str
    seconds: NotRequired[float]


class Covered(TypedDict):
    """Lengths that the longest compared text reached, in tokens."""

    tokens: int
    window: int | None
    """The shortest attention window of the model."""
    window_passed: bool | None
    rope_length: int | None
    """The length that the model was trained on before its positions were stretched."""
    rope_length_passed: bool | None


class MovedFigures(TypedDict):
    """How matrices differ whose weights were moved together, so that their output on a text changes least (GPTQ)."""

    error: dict[str, float]
    """Bits → the largest relative error (Frobenius norm) of a matrix."""
    row_error: dict[str, float]
    """Bits → the largest relative error of a row, of its weights or of what it computes: whichever is smaller."""
    row_slope: dict[str, float]
    """Bits → the largest distance from 1 of the factor between the weights of a row and its original's."""
    slope: dict[str, float]
    """Bits → the largest distance from 1 of the factor that brings a matrix and what it computes, both counting alike,
    closest to its original and what that computes."""


class WeightFigures(TypedDict):
    """How the stored matrices of an artifact differ from those of the original, but for those of `moved`."""

    matrices: int
    unmatched: list[str]
    """Nodes whose matrix is none of the original's."""
    unused: list[str]
    """Matrices of the original that a layer of the artifact lacks."""
    error: dict[str, float]
    """Bits → the largest relative error (Frobenius norm) of a matrix."""
    row_error: dict[str, float]
    """Bits → the largest relative error of one row among rows of usual size."""
    slope: dict[str, float]
    """Bits → the largest distance from 1 of the factor between a matrix and its original."""
    moved: NotRequired[MovedFigures]
    """Matrices that were rounded on a text, held against their original by what they compute."""


class ProofDocument(TypedDict):
    """The proof of an artifact; part of a conversion's document and of the manifest."""

    level: Level
    """proven: it computes what its original computes with these very weights, and the weights are the original's but
    for rounding; compared: its logits lie near the original's; wrong: they do not, or its weights are not the
    original's; nothing: the original was not asked."""
    reason: str
    """Why it is not proven."""
    kind: str
    """Row of the limits that was applied."""
    covered: NotRequired[Covered]
    weights: NotRequired[WeightFigures]


class Distance(TypedDict):
    """The distance between two sets of logits, position by position."""

    positions: int
    error_max: float
    """The largest relative error of a position: norm of the difference over norm of the original's centred logits."""
    error_median: float
    kl_mean: float
    """Mean KL divergence from the original's distribution, in nats."""
    kl_max: float
    top1: float
    """Share of positions with the same likeliest token."""


class SpokenText(TypedDict):
    """One answer of the original, and after how many equal tokens the artifact's first choice is another."""

    prompt: str
    original: str
    same_tokens: int


class Agreement(TypedDict):
    """How an artifact compares with its original."""

    top1: float
    """Share of the original's greedy tokens that are the artifact's first choice too."""
    near: float
    """Share of them among the artifact's best hundredth of the vocabulary."""
    positions: int
    same_answers: int
    prompts: int
    original_dtype: str
    texts: list[SpokenText]
    plain: Distance
    """The artifact as a user runs it against the original."""
    structure: NotRequired[Distance]
    """The artifact with exact arithmetic against the original with the artifact's weights."""
    pieces: float
    """Share of the prompts' tokens whose text is the same for both tokenizers."""


class Verdict(TypedDict):
    """The verdict of the numbers gate on one artifact."""

    proof: ProofDocument
    agreement: NotRequired[Agreement]
    forced: NotRequired[str]
    """Why the gate was red for an artifact published by force."""


class SourceDocument(TypedDict):
    """The model that an artifact was made of."""

    path: str
    fingerprint: str


class OliveFigures(TypedDict):
    """The measurements of one run of Olive."""

    olive_seconds: NotRequired[float]
    """Of Olive alone, loading it included; absent where an older version converted, whose `seconds` were these."""
    olive_peak_rss_bytes: int
    olive_load_seconds: NotRequired[float]
    """Absent for the second and later conversions of one process, and for a foreign Olive."""
    calibration: NotRequired[CalibrationDocument]


class ConversionFigures(OliveFigures, Verdict):
    """One published artifact: what it is, how it was made, and what was measured meanwhile."""

    artifact: str
    precision: str
    bytes: int
    seconds: float
    """From its own beginning to its publication: Olive, the original's answers, the check."""
    peak_rss_bytes: int
    """The most resident memory of all processes of the conversion together."""
    peak_rss_by_stage: dict[str, int]
    """`build` and `check`."""
    command: list[str]
    smoke: Smoke
    method: Method
    built: BuiltGraph
    source: SourceDocument


class ConversionDocument(ConversionFigures):
    """The document of `firstlight convert`."""

    kind: Literal["conversion"]
    total_seconds: NotRequired[float]
    """Of the whole command; of several conversions, their document has it."""


class ConversionFailure(TypedDict):
    """A precision that could not be converted."""

    kind: Literal["failure"]
    error: ErrorDocument


class FailedPrecision(ConversionFailure):
    """A precision that could not be converted, and its key."""

    precision: str


ConversionOutcome = ConversionDocument | ConversionFailure
"""How the conversion to one precision ended."""


class ConversionsDocument(TypedDict):
    """Several conversions of one source."""

    ok: bool
    results: list[ConversionDocument]
    failures: list[FailedPrecision]
    total_seconds: float
