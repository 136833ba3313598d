"""What a precision asks of the builder, and what the graph must hold."""

from typing import NotRequired, TypedDict


class Expected(TypedDict, total=False):
    """What the produced graph must hold; the gate reads it back."""

    bits: list[int]
    block_size: list[int]
    accuracy_level: list[int]
    dtype: str
    embedding: str


class ExtraOptions(TypedDict, total=False):
    """Options that Olive hands to the builder as they are."""

    hf_remote: bool
    shared_embeddings: bool


class BuilderOptions(TypedDict, total=False):
    """Options of Olive's ModelBuilder pass."""

    int4_block_size: int
    int4_accuracy_level: int
    int4_algo_config: str
    extra_options: NotRequired[ExtraOptions]
