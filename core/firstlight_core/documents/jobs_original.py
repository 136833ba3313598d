"""The job that runs the original through transformers: the request and the reply of each operation."""

from typing import TypedDict

from firstlight_core.documents.inference import ChatAnswer, ResidentBytes, SearchOptions
from firstlight_core.documents.messages import Message
from firstlight_core.process.operations import Empty, Job, Operation


class LoadOriginal(TypedDict):
    """Load the original."""

    source: str
    base: str | None
    """The base of a LoRA adapter."""
    exact: bool
    """Whether it runs in float32 instead of its stored type."""
    template_folder: str | None
    """The artifact whose chat template renders the prompts; None takes the original's own."""
    stop_ids: list[int]
    """Stop ids in addition to the original's own."""
    max_length: int


class OriginalLoaded(TypedDict):
    """The original is loaded."""

    load_s: float
    max_length: int
    dtype: str
    rss_bytes: ResidentBytes


class OriginalChatRequest(TypedDict):
    """Ask one question."""

    messages: list[Message]
    max_tokens: int
    search: SearchOptions


ORIGINAL: Job[Empty, Empty] = Job("original")
LOAD: Operation[LoadOriginal, OriginalLoaded] = Operation("load")
CHAT: Operation[OriginalChatRequest, ChatAnswer] = Operation("chat")
