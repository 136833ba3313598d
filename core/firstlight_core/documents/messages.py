"""A conversation as chat templates read it."""

from typing import Literal, NotRequired, TypedDict

from firstlight_core.files import JsonObject, JsonValue

Role = Literal["system", "user", "assistant", "tool"]


class Message(TypedDict):
    """One message of a conversation."""

    role: str
    content: str


class ToolCallFunction(TypedDict):
    """The function that a tool call names."""

    name: str
    arguments: JsonValue
    """JSON as text, or an object: templates expect either."""


class ToolCall(TypedDict):
    """One tool call of an assistant's message."""

    id: NotRequired[str]
    type: Literal["function"]
    function: ToolCallFunction


class ToolMessage(TypedDict):
    """A message around a tool call; `content` may be absent from what the assistant says."""

    role: str
    content: str | None
    tool_calls: NotRequired[list[ToolCall]]
    name: NotRequired[str]
    tool_call_id: NotRequired[str]
    reasoning_content: NotRequired[str]


class ToolFunction(TypedDict):
    """The function that a tool offers; `parameters` is a JSON Schema."""

    name: str
    description: str
    parameters: JsonObject


class Tool(TypedDict):
    """A tool that a conversation offers."""

    type: Literal["function"]
    function: ToolFunction
