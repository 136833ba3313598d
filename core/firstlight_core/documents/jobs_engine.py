"""The engine job: the request and the reply of each operation."""

from typing import NotRequired, TypedDict

from firstlight_core.documents.inference import (
    Alternative,
    ChatAnswer,
    ControlTokenNames,
    Guidance,
    RenderedPrompt,
    ResidentBytes,
    SearchOptions,
    TokenTimes,
)
from firstlight_core.documents.messages import Message
from firstlight_core.files import JsonValue
from firstlight_core.process.operations import Empty, Job, Operation

SessionOptions = dict[str, str | int]
"""Session options under the names of onnxruntime."""
TemplateVariables = dict[str, JsonValue]
"""Variables of a chat template; their names and types are the template's own."""


class LoadEngine(TypedDict):
    """Load an artifact."""

    folder: str
    context_length: int
    vocab_size: int
    max_length: int
    session: SessionOptions | None
    """Laid over the artifact's own; None takes what suits this machine."""
    variables: TemplateVariables


class EngineLoaded(TypedDict):
    """The artifact is loaded."""

    load_s: float
    load_cpu_s: float
    stop_ids: list[int]
    rss_bytes: ResidentBytes
    context_length: int
    max_length: int
    vocab_size: int


class PromptRequest(TypedDict):
    """A prompt, as `messages` or as token `ids`."""

    messages: NotRequired[list[Message]]
    ids: NotRequired[list[int]]


class ChatRequest(PromptRequest):
    """Answer a prompt."""

    max_tokens: int
    search: SearchOptions
    guidance: NotRequired[Guidance | None]
    stream: NotRequired[bool]
    """Whether tokens are streamed; true by default."""
    fresh: NotRequired[bool]
    """Whether the answer starts from an empty KV cache."""
    whole: NotRequired[bool]
    """Whether the prompt is computed in one piece, as Foundry Local does it."""


class RenderRequest(TypedDict):
    """Render a conversation."""

    messages: list[Message]


class FormRequest(TypedDict):
    """Make a grammar of a form, and drop it."""

    guidance: Guidance


class MeasureRequest(TypedDict):
    """Run one repetition of a benchmark with an exact number of tokens in and out."""

    prompt_tokens: int
    new_tokens: int


class ResidentNow(TypedDict):
    """Resident memory after a repetition."""

    now: int
    peak: NotRequired[int]


class Repetition(TokenTimes, total=False):
    """One repetition of a benchmark."""

    finish_reason: str
    rss_bytes: ResidentNow
    """Absent for a server."""
    text: str
    """Absent when the number of prompt tokens is exact."""
    prompt_words: int
    """Words of the prompt; only for a server."""


class AlternativesRequest(PromptRequest):
    """List the likeliest tokens at one place of an answer."""

    tokens: list[int]
    """The answer up to that place."""
    count: int


class Alternatives(TypedDict):
    """The likeliest tokens, likeliest first; empty when the request was stopped."""

    alternatives: list[Alternative]


class CompareRequest(TypedDict):
    """Score an artifact on one text against reference logits."""

    ids: list[int]
    prompt_tokens: int
    first_row: int
    rows: str
    """A file of float32 logits."""
    vocab: int


class TokenScores(TypedDict):
    """The scores of one text, one entry a token."""

    kl: list[float]
    """KL(original || artifact) in nats; rounding may leave a zero slightly negative."""
    agree: list[bool]
    """Whether both find the same token likeliest."""
    logprob: list[float]
    """The artifact's natural log-probability of the token."""
    reference: list[float]
    """The original's."""
    top: list[int]
    """The artifact's likeliest token."""
    cancelled: NotRequired[bool]
    """Whether the request was stopped; the lists then end there."""


ENGINE: Job[Empty, Empty] = Job("engine", large_pages=True)
LOAD: Operation[LoadEngine, EngineLoaded] = Operation("load")
RENDER: Operation[RenderRequest, RenderedPrompt] = Operation("render")
CONTROL_TOKENS: Operation[Empty, ControlTokenNames] = Operation("control_tokens")
CHAT: Operation[ChatRequest, ChatAnswer] = Operation("chat")
FORM: Operation[FormRequest, Empty] = Operation("form")
MEASURE: Operation[MeasureRequest, Repetition] = Operation("measure")
ALTERNATIVES: Operation[AlternativesRequest, Alternatives] = Operation("alternatives")
COMPARE: Operation[CompareRequest, TokenScores] = Operation("compare")
