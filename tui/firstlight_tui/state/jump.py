"""Letters of the jump mode."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
LETTERS = "asdfghjklqwertyuiopzxcvbnm"
"""The letters under the fingers first."""
DIGITS = "1234567890"
"""The keys of the steps, in their order."""


def lettered(targets: Iterable[T]) -> Iterator[tuple[str, T]]:
    """Yield each target with its letter, as far as the letters go."""
    yield from zip(LETTERS, targets, strict=False)
