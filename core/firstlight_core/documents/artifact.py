"""The files of an artifact folder: the manifest, the course's inference_model.json, genai_config.json."""

from typing import NotRequired, TypedDict

from firstlight_core.documents.conversion import (
    Agreement,
    BuiltGraph,
    CalibrationDocument,
    Method,
    OliveConfig,
    ProofDocument,
    Smoke,
    SourceDocument,
)
from firstlight_core.documents.tuning import TunedManifest


class ModelConfig(TypedDict, total=False):
    """`ModelConfig` of inference_model.json."""

    max_length: int
    temperature: float
    top_p: float
    repetition_penalty: float


class InferenceModel(TypedDict, total=False):
    """The course's inference_model.json; keys that the course does not know are kept."""

    Name: str
    Description: str
    Version: str
    PromptTemplate: dict[str, str]
    """The fields system, user, assistant and prompt, each with `{Content}` once."""
    ModelConfig: ModelConfig


class SearchValues(TypedDict, total=False):
    """Values that ModelConfig sets in `search` of genai_config.json."""

    max_length: int
    temperature: float
    top_p: float
    repetition_penalty: float
    do_sample: bool


class AdoptedArtifact(TypedDict):
    """A folder that a walk works on as it is."""

    artifact: str
    bytes: int


class FileEntry(TypedDict):
    """Size and hash of one file of an artifact."""

    bytes: int
    sha256: str


class DeploymentMark(TypedDict):
    """The deployment in the manifest of a published copy."""

    target: str
    id: str
    at: float
    """Seconds since the epoch."""
    proven: NotRequired[bool]
    """False until the runtime has answered once; absent where nothing is asked."""
    verified: NotRequired[bool]
    """Whether it answered as the artifact does."""


class ManifestValues(TypedDict, total=False):
    """A manifest without its files: the document of the conversion, and the tools that made the artifact."""

    artifact: str
    """Name of the folder."""
    precision: str
    bytes: int
    seconds: float
    olive_seconds: float
    olive_load_seconds: float
    olive_peak_rss_bytes: int
    calibration: CalibrationDocument
    peak_rss_bytes: int
    peak_rss_by_stage: dict[str, int]
    command: list[str]
    smoke: Smoke
    method: Method
    built: BuiltGraph
    proof: ProofDocument
    agreement: Agreement
    forced: str
    source: SourceDocument
    run_config: OliveConfig
    tools: dict[str, str]
    """Package → version."""
    made_at: str
    """UTC, ISO 8601."""
    tuned: TunedManifest
    deployment: DeploymentMark
    """Where a copy was published."""


class Manifest(ManifestValues):
    """`firstlight.json` of an artifact."""

    schema: str
    files: NotRequired[dict[str, FileEntry]]
