"""The required contents of the graph of a precision."""

from typing import TypedDict


class Expected(TypedDict, total=False):
    """Required contents of the produced graph; the gate reads them back."""

    bits: list[int]
    block_size: list[int]
    accuracy_level: list[int]
    dtype: str
    embedding: str
