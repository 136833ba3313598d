"""What the graph of a precision must hold."""

from typing import TypedDict


class Expected(TypedDict, total=False):
    """What the produced graph must hold; the gate reads it back."""

    bits: list[int]
    block_size: list[int]
    accuracy_level: list[int]
    dtype: str
    embedding: str
