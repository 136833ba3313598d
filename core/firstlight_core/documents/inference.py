"""Requests to chat backends and their answers: messages, settings, figures, prompts, servers.

Times in seconds, rates in tokens a second, sizes in bytes. A figure that was not measured is absent.
"""

from typing import Literal, NotRequired, TypedDict

from firstlight_core.files import JsonValue

CountedBy = Literal["server", "chunks"]
"""The source of a server's token count: the server, or our count of text chunks."""


class SearchOptions(TypedDict, total=False):
    """Search options under the names of onnxruntime-genai; an absent one is the artifact's own."""

    do_sample: bool
    temperature: float
    top_p: float
    top_k: int
    repetition_penalty: float
    random_seed: int
    min_length: int
    max_length: int
    batch_size: int
    num_beams: int
    num_return_sequences: int


class ServerOptions(TypedDict, total=False):
    """Sampling settings under the names of the OpenAI API."""

    temperature: float
    top_p: float
    top_k: int
    seed: int


class Guidance(TypedDict):
    """The form that an answer is held to, as onnxruntime-genai takes it."""

    type: Literal["json_schema", "regex"]
    grammar: str


class TokenTimes(TypedDict, total=False):
    """Counts and times of one answer."""

    prompt_tokens: int
    new_tokens: int
    reused_tokens: int
    """Tokens of the prompt that were in the KV cache already."""
    total_s: float
    cpu_s: float
    ttft_s: float
    prefill_tps: float
    decode_tps: float
    counted_by: CountedBy


class ChatStats(TokenTimes, total=False):
    """The figures of one answer of a chat."""

    context_used: int
    context_limit: int
    rss_bytes: int


class TypedControl(TypedDict, total=False):
    """The control tokens that a user wrote into a prompt; absent when there are none."""

    special_in_content: list[str]
    special_as_text: bool
    """Whether they were encoded as text; otherwise the model reads them as control tokens."""


class ChatAnswer(TypedControl):
    """One answer of a chat."""

    text: str
    finish_reason: str
    """`stop`, `length`, `cancelled`, or the word of a server."""
    stats: ChatStats
    tokens: NotRequired[list[int]]
    """Token ids without the stop token; absent for a server."""


class ChatDocument(ChatAnswer):
    """The document of `firstlight chat`."""

    load_s: float
    template_variables: NotRequired[dict[str, JsonValue]]


class PromptedAnswer(ChatAnswer):
    """An answer together with its question, as a run records it."""

    prompt: str


class ChatTurn(TypedDict):
    """One question or answer of the wizard's chat."""

    role: str
    text: str


class ChatRecord(TypedDict):
    """The wizard's chat in the session and in the ledger."""

    kind: Literal["conversation"]
    turns: list[ChatTurn]
    stats: list[ChatStats]
    """Figures of each answer, in order."""
    ratings: list[int]
    """1 to 5 each."""
    prompt: NotRequired[str]
    """In the ledger: the newest question."""


class RenderedPrompt(TypedControl):
    """The prompt that a conversation becomes."""

    text: str
    ids: list[int]
    pieces: list[str]
    """The text of each token."""
    special_ids: list[int]
    prompt_tokens: int
    truncated: bool
    """Whether `ids` and `pieces` are only the first tokens."""


class Alternative(TypedDict):
    """One token that was likely at a place of an answer; the probability is that before sampling settings."""

    id: int
    text: str
    probability: float


class ControlTokenNames(TypedDict):
    """The control tokens of an artifact, and those of them that no answer may hold as text."""

    tokens: list[str]
    faults: list[str]


class ResidentBytes(TypedDict):
    """Resident memory of a process: before loading, after loading, and at its peak."""

    baseline: int
    loaded: int
    peak: int


class LoadedModel(TypedDict):
    """An opened backend. Lengths in tokens, prompt and answer together."""

    load_s: float
    """Seconds to load; for a server, to list its models."""
    load_cpu_s: NotRequired[float]
    context_length: NotRequired[int]
    """The context length of the model; only for an artifact."""
    max_length: NotRequired[int]
    """The context it was loaded with; absent for a server."""
    vocab_size: NotRequired[int]
    stop_ids: NotRequired[list[int]]
    rss_bytes: NotRequired[ResidentBytes]
    kv_bytes_per_token: NotRequired[int]
    kv_bytes: NotRequired[int]
    context: NotRequired[str]
    """A sentence: why the context is so long."""
    dtype: NotRequired[str]
    """Only of an original."""
    memory: NotRequired[str]
    """A sentence of an original: the memory it needs and the memory there is."""
    model: NotRequired[str]
    """Model name; only for a server."""
    models: NotRequired[list[str]]


class FoundServer(TypedDict):
    """One address that was looked at: its models, or `sentence` and `hint` when it is not `ok`."""

    name: str
    base_url: str
    ok: bool
    models: list[str]
    seconds: NotRequired[float]
    sentence: NotRequired[str]
    hint: NotRequired[str]


class ConnectDocument(TypedDict):
    """The document of `firstlight connect`."""

    servers: list[FoundServer]
    targets: list[str]
    """address#model of every model that is offered."""


class ConnectedServer(TypedDict):
    """The server that Chat, Benchmark and Quality ask instead of an artifact."""

    target: str
    """address#model"""
    server: str
    """Name of a well-known server; empty for a typed address."""
    model: str
    network: bool
    """Whether the user agreed to another machine."""


class SavedTurn(TypedDict):
    """One line of a saved conversation."""

    role: str
    content: str
    stats: NotRequired[ChatStats]
    finish_reason: NotRequired[str]
    rating: NotRequired[int]
    tokens: NotRequired[list[int]]
