"""Requests and replies of the render job."""

from collections.abc import Sequence
from typing import Literal, NotRequired, TypedDict

from firstlight_core.documents.messages import Message, Tool, ToolMessage
from firstlight_core.files import JsonValue
from firstlight_core.process.operations import Job

Renderer = Literal["jinja", "transformers", "genai", "file"]


class Conversation(TypedDict):
    """One conversation to render."""

    messages: Sequence[Message | ToolMessage]
    add_generation_prompt: bool
    tools: NotRequired[Sequence[Tool]]
    variables: NotRequired[dict[str, JsonValue]]
    """Further variables of the chat template."""


class RenderRequest(TypedDict):
    """Conversations to render, and texts to encode, with one renderer."""

    op: Renderer
    folder: str
    conversations: list[Conversation]
    texts: list[str]
    template: str | None
    """A chat template in place of the folder's own."""
    now: NotRequired[str]
    """ISO time that the template sees."""
    cpu_seconds: NotRequired[int]


class Rendering(TypedDict, total=False):
    """One rendered conversation: `text` and, from a renderer with a tokenizer, `ids`; or `error` alone."""

    text: str
    ids: list[int]
    error: str


class RenderReply(TypedDict):
    """The rendering of the request by one renderer."""

    renders: list[Rendering]
    encoded: list[list[int]]
    pieces: dict[str, str]
    """Token id → text."""
    eos_token_ids: NotRequired[list[int]]


RENDER: Job[RenderRequest, RenderReply] = Job("render")
