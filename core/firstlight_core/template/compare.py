"""Differences between two renderings of one conversation, in tokens and in words."""

import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from firstlight_core.documents.template import Between, Cause, Difference, TokenDocument
from firstlight_core.template.escapes import escaped
from firstlight_core.text import one_line

_WORD = re.compile(r"(<[^<>\s]{1,60}>|\[/?[A-Z_]{1,30}\]|\w+|[^\w\s])\s*$")
_NAMES = {"\n": "the newline", " ": "the space", "\n\n": "the empty line", "\t": "the tab"}
HUNK_LIMIT = 4
"""Differences reported for one conversation."""
_ALIGN_LIMIT = 3000
"""Tokens; beyond it two differing middles are one difference."""


def hunks(expected: Sequence[int], actual: Sequence[int]) -> list[tuple[int, int, int, int]]:
    """Return the differing stretches `(e1, e2, f1, f2)` of two token sequences, in order."""
    start = 0
    while start < min(len(expected), len(actual)) and expected[start] == actual[start]:
        start += 1
    end = 0
    while end < min(len(expected), len(actual)) - start and expected[-1 - end] == actual[-1 - end]:
        end += 1
    left, right = expected[start : len(expected) - end], actual[start : len(actual) - end]
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
    between: Between,
    subject: str,
    expected: Sequence[int],
    actual: Sequence[int],
    pieces: Mapping[int, str],
    cause: Cause = "template",
    truth: str = "the tokenizer's template",
) -> list[Difference]:
    """Return the differences of one conversation as the document shows them, the first one first.

    `subject` is what is wrong when they differ ("PromptTemplate", "onnxruntime-genai"), `truth` what it is held against,
    `cause` why: "template" (another template), "renderer" (the same template, rendered otherwise) or "tokenizer" (the
    same text, other tokens).
    """
    return [
        {
            "shape": shape,
            "between": between,
            "cause": cause,
            "index": e1,
            "expected": _tokens(expected[e1:e2], pieces),
            "found": _tokens(actual[f1:f2], pieces),
            "sentence": _sentence(
                subject,
                truth,
                before=_text(expected[max(0, e1 - 60) : e1], pieces),
                expected=Stretch(_text(expected[e1 : min(e2, e1 + 60)], pieces), expected[e1:e2]),
                actual=Stretch(_text(actual[f1 : min(f2, f1 + 60)], pieces), actual[f1:f2]),
            ),
        }
        for e1, e2, f1, f2 in hunks(expected, actual)[:HUNK_LIMIT]
    ]


def _text(ids: Sequence[int], pieces: Mapping[int, str]) -> str:
    return "".join(pieces.get(token, "�") for token in ids)


def _tokens(ids: Sequence[int], pieces: Mapping[int, str]) -> list[TokenDocument]:
    return [{"id": token, "text": pieces.get(token, "")} for token in ids[:40]]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive tokens and the text that they are."""

    text: str
    ids: Sequence[int]

    def quoted(self, *, with_ids: bool = False) -> str:
        """Return the text so that two that differ look different; tokens without a text by their ids."""
        if not self.text or "\ufffd" in self.text:
            # Nothing, or parts of characters.
            return self.numbers
        flat = _plain(self.text)
        named = _NAMES.get(self.text) or f"`{one_line(flat, 60) if flat.strip() else flat}`"
        return f"{named} ({self.numbers})" if with_ids else named

    @property
    def numbers(self) -> str:
        """The ids in words."""
        some = ", ".join(map(str, self.ids[:6])) + (" …" if len(self.ids) > 6 else "")
        return f"token {some}" if len(self.ids) == 1 else f"tokens {some}"

    @property
    def count(self) -> str:
        """Number of tokens."""
        return f"{len(self.ids)} token" + ("" if len(self.ids) == 1 else "s")


def _plain(text: str) -> str:
    """White space and look-alike characters (no-break spaces, combining accents) as escapes."""
    return "".join(
        f"\\u{ord(letter):04x}"
        if unicodedata.combining(letter)
        else escaped(letter)
        if letter.isspace() and letter != " "
        else letter
        for letter in text[:60]
    )


def _sentence(subject: str, truth: str, *, before: str, expected: Stretch, actual: Stretch) -> str:
    word = _WORD.search(before)
    where = f"after `{one_line(word[1], 60)}`" if word else "at the start"
    if not actual.ids:
        return f"{subject} lacks {expected.quoted()} {where}: {expected.count}"
    if not expected.ids:
        return f"{subject} adds {actual.quoted()} {where}: {actual.count}"
    alike = expected.quoted() == actual.quoted()
    longer = max(expected, actual, key=lambda stretch: len(stretch.ids))
    return (
        f"{subject} has {actual.quoted(with_ids=alike)} {where}, where {truth} has "
        f"{expected.quoted(with_ids=alike)}: {longer.count}"
    )
