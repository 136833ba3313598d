"""The endpoint job: the request and the reply of each operation."""

from typing import NotRequired, TypedDict

from firstlight_core.documents.inference import (
    ChatAnswer,
    FoundServer,
    ServerOptions,
    TokenTimes,
)
from firstlight_core.documents.jobs_engine import Repetition
from firstlight_core.documents.messages import Message
from firstlight_core.process.operations import Empty, Job, Operation


class ServerAddress(TypedDict):
    """One address to look at."""

    name: str
    base_url: str


class FindRequest(TypedDict):
    """Look at addresses side by side."""

    servers: list[ServerAddress]
    key: str | None
    """The API key for all of them."""


class FoundServers(TypedDict):
    """The server at each address, in the order of the request."""

    servers: list[FoundServer]


class Waits(TypedDict):
    """How long a server is waited for, in seconds, as `inference.servers.Limits`."""

    connect: float
    silence: float
    answer: float
    wait: float


class LoadServer(TypedDict):
    """List the models of a server and choose one."""

    base_url: str
    model: str | None
    """None takes the only model there is."""
    key: str | None
    limits: Waits


class ServerLoaded(TypedDict):
    """The model was chosen."""

    load_s: float
    model: str
    models: list[str]


class ServerChatRequest(TypedDict):
    """Ask one question."""

    messages: list[Message]
    max_tokens: int
    options: NotRequired[ServerOptions]


class ClientsRequest(TypedDict):
    """Run several clients at once; each asks its next question after an answer."""

    conversations: list[list[Message]]
    clients: int
    max_tokens: int
    options: NotRequired[ServerOptions]


class ClientsAnswered(TypedDict):
    """The answers of all clients together."""

    seconds: float
    answers: list[TokenTimes]
    asked_by: list[int]
    """The client of each answer."""
    faults: list[str]
    """One sentence for each question that failed."""


ENDPOINT: Job[Empty, Empty] = Job("endpoint", large_pages=True)
FIND: Operation[FindRequest, FoundServers] = Operation("find")
LOAD: Operation[LoadServer, ServerLoaded] = Operation("load")
CHAT: Operation[ServerChatRequest, ChatAnswer] = Operation("chat")
MEASURE: Operation[ServerChatRequest, Repetition] = Operation("measure")
CLIENTS: Operation[ClientsRequest, ClientsAnswered] = Operation("crowd")
