"""Differences in tokens and in words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstlight_core.template.compare import differences, hunks


def said(expected: str, found: str) -> list[str]:
    """The sentences for two texts of one token a character."""
    rows = differences(
        shape="single",
        between="prompt-template",
        subject="PromptTemplate",
        expected=[ord(c) for c in expected],
        found=[ord(c) for c in found],
        pieces={ord(c): c for c in expected + found},
    )
    return [row["sentence"] for row in rows]


@pytest.mark.parametrize(
    ("expected", "found", "sentence"),
    [
        ("assistant\n", "assistant", "PromptTemplate lacks the newline after `assistant`: 1 token"),
        ("assistant", "assistant ", "PromptTemplate adds the space after `assistant`: 1 token"),
        ("<s>a", "a", "PromptTemplate lacks `<s>` at the start: 3 tokens"),
        (
            "[INST] x",
            "[INST] y",
            "PromptTemplate has `y` after `[INST]`, where the tokenizer's template has `x`: 1 token",
        ),
        (
            "<|im_end|>\n\n",
            "<|im_end|>",
            "PromptTemplate lacks the empty line after `<|im_end|>`: 2 tokens",
        ),
        ("a\tb", "ab", "PromptTemplate lacks the tab after `a`: 1 token"),
        ("a\u202eb", "ab", "PromptTemplate lacks `\ufffd` after `a`: 1 token"),
    ],
)
def test_the_first_difference_in_words(expected: str, found: str, sentence: str) -> None:
    assert said(expected, found)[0] == sentence


def test_same_is_silent_and_two_places_are_two_sentences() -> None:
    assert said("abc", "abc") == []
    assert said("xhello worldy", "hello world") == [
        "PromptTemplate lacks `x` at the start: 1 token",
        "PromptTemplate lacks `y` after `world`: 1 token",
    ]


IDS = st.lists(st.integers(0, 4), max_size=40)


@settings(max_examples=300, deadline=None)
@given(IDS, IDS)
def test_hunks_turn_one_into_the_other(expected: list[int], found: list[int]) -> None:
    rebuilt: list[int] = []
    at = 0
    for e1, e2, f1, f2 in hunks(expected, found):
        rebuilt += expected[at:e1] + found[f1:f2]
        at = e2
    assert rebuilt + expected[at:] == found


def test_long_middles_are_one_difference_and_quick() -> None:
    left, right = list(range(20_000)), list(range(100_000, 120_000))
    assert hunks([1, *left, 2], [1, *right, 2]) == [(1, 20_001, 1, 20_001)]
