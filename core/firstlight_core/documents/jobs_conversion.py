"""Requests and replies of the jobs that convert a model and check the result: convert, gate."""

from typing import NotRequired, TypedDict

from firstlight_core.documents.conversion import (
    Agreement,
    BuiltGraph,
    Covered,
    OliveConfig,
    OliveFigures,
    Smoke,
    WeightFigures,
)
from firstlight_core.documents.messages import Message
from firstlight_core.documents.precision import Expected
from firstlight_core.process.operations import Operation


class ConvertStart(TypedDict):
    """The request that opens the convert job."""

    work: str
    olive: str
    """A command line that replaces Olive; empty for Olive itself."""


class CalibrationRequest(TypedDict):
    """The text that a calibrated precision is rounded on, before it is tokens."""

    source: str
    conversations: list[list[Message]]
    further: list[list[Message]]
    """Questions that fill up a short text."""
    passages: list[str]
    tokens: int
    longest_answer: int
    sha256: NotRequired[str]


class ConvertRequest(TypedDict):
    """`convert`: one run of Olive; the reply is `conversion.OliveFigures`."""

    config: OliveConfig
    folder: str
    layers: int
    calibration: CalibrationRequest | None
    force: bool


class AnswersRequest(TypedDict):
    """`answers`: what the original computes, beside an artifact."""

    config: OliveConfig
    artifact: str


class OriginalAnswer(TypedDict):
    """One greedy answer of the original."""

    prompt: str
    ids: list[int]
    """The rendered prompt."""
    answer: list[int]
    """The ids after the prompt, including the end of turn."""
    dtype: str
    pieces: list[str]
    """The text of each token of the prompt; empty for control tokens."""


class Text(TypedDict):
    """One sequence: `ids` are appended as one prompt up to `prompt_tokens`, then token by token."""

    kind: str
    ids: list[int]
    prompt_tokens: int
    first_row: int
    """First row in the file of logits; one row for the prompt and one for each appended token but the last."""


class Reference(TypedDict):
    """Logits and answers of the original; a row holds the float32 logits of its whole vocabulary."""

    answers: list[OriginalAnswer]
    texts: list[Text]
    rows: str
    """Path of the file of logits."""
    vocab: int
    dtype: str
    model_type: str
    parameters: int
    covered: Covered


class Proof(TypedDict):
    """Logits of the original with the weights of an artifact in place."""

    texts: list[Text]
    """The computed texts: the first turn and the long text."""
    rows: str
    """Path of a file of logits as in Reference; empty when no weight could be replaced."""
    weights: WeightFigures | None
    reason: str
    """Reason for missing rows."""


class AnswersReply(TypedDict):
    """The reply to `answers`; both are null when the original could not be asked."""

    reference: Reference | None
    proof: Proof | None
    reason: str


class CheckRequest(TypedDict):
    """`check`: load an artifact and generate with it."""

    artifact: str
    expected: Expected


class CheckReply(TypedDict):
    """The reply to `check`."""

    smoke: Smoke
    built: BuiltGraph


class CompareRequest(TypedDict):
    """`compare`: hold the artifact against its original."""

    artifact: str
    rounded: bool
    reference: Reference
    proof: Proof


class CompareReply(TypedDict):
    """The reply to `compare`."""

    smoke: Smoke
    agreement: Agreement


class Checked(CheckReply):
    """The result of the gate process: the reply to `check`, and to `compare` where the original was run."""

    agreement: NotRequired[Agreement]
    calibrated: NotRequired[bool]
    """Whether the weights were moved beyond the nearest step to balance each other's rounding (GPTQ)."""
    precision: NotRequired[str]
    """Key of the row that was asked for."""


CONVERT: Operation[ConvertRequest, OliveFigures] = Operation("convert")
ANSWERS: Operation[AnswersRequest, AnswersReply] = Operation("answers")
CHECK: Operation[CheckRequest, CheckReply] = Operation("check")
COMPARE: Operation[CompareRequest, CompareReply] = Operation("compare")
