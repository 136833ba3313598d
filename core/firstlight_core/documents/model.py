"""Documents of the inspection of a model folder."""

from typing import Literal, NotRequired, TypedDict

from firstlight_core.documents.estimate import EstimateDocument

SupportStatus = Literal["proven", "unproven", "wrong"]


class SupportDocument(TypedDict):
    """The support of one model according to the measured matrix."""

    status: SupportStatus
    reason: str


class ParametersByKind(TypedDict):
    """Parameter counts; a tied head counts zero."""

    embedding: int
    body: int
    head: int


class AdapterDocument(TypedDict):
    """A LoRA adapter."""

    folder: str
    base: str
    """The base model as the adapter's configuration names it."""
    rank: int
    alpha: float
    targets: list[str]
    parameters: int
    weight_bytes: int


class InspectionDocument(TypedDict):
    """The inspection of a model folder, from its headers only."""

    source: str
    architecture: str
    model_type: str
    supported: bool | None
    """Whether the installed builder converts the architecture; null when no builder is installed."""
    support: SupportDocument | None
    parameters: int
    parameters_by_kind: ParametersByKind
    dtype: str
    tied_embeddings: bool
    context_length: int | None
    layers: int
    hidden_size: int
    attention_heads: int
    key_value_heads: int
    head_size: int
    intermediate_size: int
    vocab_size: int
    weight_bytes: int
    weight_files: int
    template: str | None
    """Name of the file that holds the chat template; null when there is none."""
    special_tokens: dict[str, str]
    eos_token_ids: list[int]
    licence: str | None
    fingerprint: str
    warnings: list[str]
    adapter: NotRequired[AdapterDocument]
    base_folder: NotRequired[str]
    """Folder of the adapter's base model."""


class InspectDocument(InspectionDocument):
    """The document of `firstlight inspect`."""

    estimates: dict[str, EstimateDocument]
    """Precision key → estimate."""
    nearest_estimates: NotRequired[dict[str, EstimateDocument]]
    """Precision key → estimate with weights rounded to the nearest, for rows that are rounded on a text unless asked not to."""


class FoundModelDocument(TypedDict):
    """One model on this machine."""

    name: str
    path: str
    origin: str
    """`sample`, `recent`, `folder` (of the settings) or `cache` (Hugging Face)."""
    architecture: str
    weight_bytes: int
