"""The job that holds Foundry Local's runtime: the request and the reply of each operation."""

from typing import TypedDict

from firstlight_core.documents.messages import Message
from firstlight_core.process.operations import Empty, Job, Operation


class FoundryRequest(TypedDict):
    """The settings with which the runtime is started."""

    folder: str
    """The application folder."""
    index: str
    """The folder of the registrations."""
    port: int
    """0 takes any free one."""


class RegisterRequest(TypedDict):
    """Register a folder."""

    folder: str
    id: str
    """name:version"""


class ModelId(TypedDict):
    """One registered model."""

    id: str


class RegisteredModel(TypedDict):
    """One model of the catalog."""

    id: str
    alias: str
    path: str
    loaded: bool


class RegisteredModels(TypedDict):
    """Every registered model."""

    models: list[RegisteredModel]


class FoundryLoaded(TypedDict):
    """The model is loaded."""

    id: str
    alias: str
    seconds: float
    rss_bytes: int


class AskRequest(TypedDict):
    """Ask for one greedy answer."""

    id: str
    messages: list[Message]
    max_tokens: int


class FoundryAnswer(TypedDict):
    """One greedy answer of Foundry Local."""

    text: str
    finish_reason: str
    prompt_tokens: int
    new_tokens: int
    seconds: float


class UnregisterRequest(TypedDict):
    """Forget the registrations of a name that point at the folder or at nothing."""

    name: str
    folder: str


class Unregistered(TypedDict):
    """The removed ids; may be empty."""

    removed: list[str]


class Served(TypedDict):
    """The service runs."""

    base_url: str


FOUNDRY: Job[FoundryRequest, Empty] = Job("foundry")
REGISTER: Operation[RegisterRequest, ModelId] = Operation("register")
LIST: Operation[Empty, RegisteredModels] = Operation("list")
LOAD: Operation[ModelId, FoundryLoaded] = Operation("load")
ASK: Operation[AskRequest, FoundryAnswer] = Operation("ask")
UNLOAD: Operation[ModelId, Empty] = Operation("unload")
UNREGISTER: Operation[UnregisterRequest, Unregistered] = Operation("unregister")
SERVE: Operation[Empty, Served] = Operation("serve")
STOP: Operation[Empty, Empty] = Operation("stop")
