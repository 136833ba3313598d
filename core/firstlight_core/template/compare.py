"""Where two renderings of one conversation part, in tokens and in words."""

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from firstlight_core.text import one_line

_WORD = re.compile(r"(<[^<>\s]{1,60}>|\[/?[A-Z_]{1,30}\]|\w+|[^\w\s])\s*$")
_NAMES = {"\n": "the newline", " ": "the space", "\n\n": "the empty line", "\t": "the tab"}
HUNK_LIMIT = 4
"""Differences reported for one conversation."""
_ALIGN_LIMIT = 3000
"""Tokens; beyond it two differing middles are one difference."""


def hunks(expected: Sequence[int], found: Sequence[int]) -> list[tuple[int, int, int, int]]:
    """The differing stretches `(e1, e2, f1, f2)` of two token sequences, in order."""
    start = 0
    while start < min(len(expected), len(found)) and expected[start] == found[start]:
        start += 1
    end = 0
    while end < min(len(expected), len(found)) - start and expected[-1 - end] == found[-1 - end]:
        end += 1
    left, right = expected[start : len(expected) - end], found[start : len(found) - end]
    if not left and not right:
        return []
    if not left or not right or max(len(left), len(right)) > _ALIGN_LIMIT:
        return [(start, start + len(left), start, start + len(right))]
    blocks = difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes()
    return [
        (start + a, start + b, start + c, start + d) for tag, a, b, c, d in blocks if tag != "equal"
    ]


def differences(
    *,
    shape: str,
    between: str,
    subject: str,
    expected: Sequence[int],
    found: Sequence[int],
    pieces: Mapping[int, str],
) -> list[dict[str, Any]]:
    """The differences of one conversation as the document shows them, the first one first.

    `subject` is what is wrong when they differ: "PromptTemplate", "onnxruntime-genai".
    """
    return [
        {
            "shape": shape,
            "between": between,
            "index": e1,
            "expected": _tokens(expected[e1:e2], pieces),
            "found": _tokens(found[f1:f2], pieces),
            "sentence": _sentence(
                subject,
                before=_text(expected[max(0, e1 - 60) : e1], pieces),
                expected=_text(expected[e1 : min(e2, e1 + 60)], pieces),
                found=_text(found[f1 : min(f2, f1 + 60)], pieces),
                counts=(e2 - e1, f2 - f1),
            ),
        }
        for e1, e2, f1, f2 in hunks(expected, found)[:HUNK_LIMIT]
    ]


def _text(ids: Sequence[int], pieces: Mapping[int, str]) -> str:
    return "".join(pieces.get(token, "�") for token in ids)


def _tokens(ids: Sequence[int], pieces: Mapping[int, str]) -> list[dict[str, Any]]:
    return [{"id": token, "text": pieces.get(token, "")} for token in ids[:40]]


def _named(text: str) -> str:
    if text in _NAMES:
        return _NAMES[text]
    flat = text.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    return f"`{one_line(flat, 60) if flat.strip() else flat[:60]}`"


def _count(number: int) -> str:
    return f"{number} token" + ("" if number == 1 else "s")


def _sentence(
    subject: str, *, before: str, expected: str, found: str, counts: tuple[int, int]
) -> str:
    word = _WORD.search(before)
    where = f"after `{one_line(word[1], 60)}`" if word else "at the start"
    if not found and not counts[1]:
        return f"{subject} lacks {_named(expected)} {where}: {_count(counts[0])}"
    if not expected and not counts[0]:
        return f"{subject} adds {_named(found)} {where}: {_count(counts[1])}"
    return (
        f"{subject} has {_named(found)} {where}, where the tokenizer's template has "
        f"{_named(expected)}: {_count(max(counts))}"
    )
