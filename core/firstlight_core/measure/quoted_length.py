"""The prompt length whose speeds stand for an artifact wherever only one is quoted: tables, headlines, the report."""

from collections.abc import Sequence

from firstlight_core.documents.measure import BenchCase

QUOTED_TOKENS = 128
"""Of the prompt lengths that were measured, the one nearest to this is quoted."""


def quoted_index(lengths: Sequence[int | None]) -> int | None:
    """Return the index of the prompt length nearest to 128 tokens; None when no length is known."""
    known = [index for index, length in enumerate(lengths) if length]
    return min(known, key=lambda index: abs((lengths[index] or 0) - QUOTED_TOKENS), default=None)


def quoted_case(cases: Sequence[BenchCase]) -> BenchCase | None:
    """Return the figures at the quoted prompt length; None when nothing was measured.

    A server that counts no tokens is quoted at the lengths it was asked for, or else at the last.
    """
    index = quoted_index([case.get("prompt_tokens") or case.get("asked_tokens") for case in cases])
    if index is not None:
        return cases[index]
    return cases[-1] if cases else None
