"""Documents of deployments, exports and their removal."""

from typing import Literal, NotRequired, TypedDict

from firstlight_core.documents.artifact import ModelConfig
from firstlight_core.documents.foundry import (
    CommandDocument,
    ExaminationDocument,
    MovedCacheDocument,
    ReaderDocument,
    ScannedFolder,
)


class AnswerProof(TypedDict):
    """Foundry Local's answer with a deployment, beside the artifact's own."""

    verified: bool
    """Whether both answers are the same."""
    question: str
    answer: str
    artifact_answer: str
    finish_reason: str
    load_seconds: float
    answer_seconds: float


class Told(TypedDict, total=False):
    """Notes on a deployment, besides its names."""

    forced: str
    """Why the numbers gate was red for an artifact published by force."""
    model_config: ModelConfig
    """The default parameters of the deployment's answers."""
    notes: list[str]
    """Sentences for a reader."""


class DeployedNames(TypedDict):
    """The names of a deployment."""

    name: str
    id: str
    """Foundry Local's id, or the name where Foundry Local was not asked."""
    path: str
    target: str


class Visibility(TypedDict):
    """The programs that see a deployment, and commands to type."""

    cache: str
    seen_by: list[ReaderDocument]
    folder_drop: ScannedFolder
    commands: list[CommandDocument]


class Published(DeployedNames, Told, Visibility):
    """A copy of an artifact in a cache of Foundry Local."""

    precision: str | None


class PublishedDocument(Published):
    """The document of `firstlight deploy` for the target folder: nothing was asked."""

    kind: Literal["published"]
    verified: Literal[False]


class AnsweredDocument(Published, AnswerProof):
    """The document of `firstlight deploy` for the target foundry."""

    kind: Literal["answered"]
    ok: bool
    """As `verified`."""


class CapacityDocument(TypedDict):
    """The size of a vLLM server."""

    gpus: int
    """GPUs of one replica; 0 runs on the CPU."""
    context: int
    """Tokens of prompt and answer together."""
    concurrency: int
    """Requests side by side in one replica."""
    replicas: int


class SizingDocument(TypedDict):
    """The needs of one replica of a vLLM server. Every number is an estimate."""

    kv_cache_bytes: int
    memory_bytes: int
    gpu_bytes: NotRequired[int]
    """Memory that one GPU must have; absent on the CPU."""
    cpus: int
    startup_seconds: int


class WrittenExport(Told):
    """The written files of one export."""

    verified: bool
    """Whether it was read back and checked; a server that was not run is not verified."""
    files: list[str]
    commands: list[CommandDocument]
    bytes: NotRequired[int]
    """Size of a bundle; `sha256` is its hash."""
    sha256: NotRequired[str]
    capacity: NotRequired[CapacityDocument]
    """Size of a vLLM server; `estimates` are of its memory."""
    estimates: NotRequired[SizingDocument]


class ExportDocument(DeployedNames, WrittenExport):
    """The document of `firstlight deploy` for every other target."""

    kind: Literal["export"]


class RemovedDocument(TypedDict):
    """The document of `firstlight deploy --undo`."""

    kind: Literal["removed"]
    name: str
    removed: list[str]
    """Addresses of stopped services, ids of registrations, paths."""


Deployed = PublishedDocument | AnsweredDocument | ExportDocument
"""The deployment under a name after `deploy`."""
DeployDocument = Deployed | RemovedDocument | ExaminationDocument | MovedCacheDocument
"""The documents of `firstlight deploy`."""


class VerifyDocument(TypedDict):
    """The document of `firstlight verify`."""

    kind: Literal["bundle", "folder", "report"]
    path: str
    files: int
    problems: list[str]
    """One sentence each."""
    notes: NotRequired[list[str]]
    ok: bool
