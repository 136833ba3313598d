"""Differences in tokens and in words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstlight_core.template.compare import differences, hunks


def said(expected: str, actual: str) -> list[str]:
    """The sentences for two texts of one token a character."""
    rows = differences(
        shape="single",
        between="prompt-template",
        subject="PromptTemplate",
        expected=[ord(c) for c in expected],
        actual=[ord(c) for c in actual],
        pieces={ord(c): c for c in expected + actual},
    )
    return [row["sentence"] for row in rows]


@pytest.mark.parametrize(
    ("expected", "actual", "sentence"),
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
def test_the_first_difference_in_words(expected: str, actual: str, sentence: str) -> None:
    assert said(expected, actual)[0] == sentence


def test_same_is_silent_and_two_places_are_two_sentences() -> None:
    assert said("abc", "abc") == []
    assert said("xhello worldy", "hello world") == [
        "PromptTemplate lacks `x` at the start: 1 token",
        "PromptTemplate lacks `y` after `world`: 1 token",
    ]


IDS = st.lists(st.integers(0, 4), max_size=40)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(IDS, IDS)
def test_hunks_turn_one_into_the_other(expected: list[int], actual: list[int]) -> None:
    rebuilt: list[int] = []
    at = 0
    for e1, e2, f1, f2 in hunks(expected, actual):
        rebuilt += expected[at:e1] + actual[f1:f2]
        at = e2
    assert rebuilt + expected[at:] == actual


def test_long_middles_are_one_difference_and_quick() -> None:
    left, right = list(range(20_000)), list(range(100_000, 120_000))
    assert hunks([1, *left, 2], [1, *right, 2]) == [(1, 20_001, 1, 20_001)]


def shown(expected: list[int], actual: list[int], pieces: dict[int, str]) -> str:
    rows = differences(
        shape="whitespace",
        between="genai",
        subject="onnxruntime-genai's tokenizer",
        truth="transformers'",
        cause="tokenizer",
        expected=expected,
        actual=actual,
        pieces=pieces,
    )
    assert rows[0]["cause"] == "tokenizer"
    return str(rows[0]["sentence"])


def test_pieces_that_look_alike_are_told_by_their_ids() -> None:
    sentence = shown([1, 26], [1, 19, 71], {1: "user", 26: "\n \n", 19: "\n ", 71: "\n"})
    assert sentence == (
        "onnxruntime-genai's tokenizer has `\\n \\n` (tokens 19, 71) after `user`, "
        "where transformers' has `\\n \\n` (token 26): 2 tokens"
    )


def test_accents_and_spaces_that_look_alike_are_told_by_code_points() -> None:
    pieces = {1: "e", 2: "\u0301", 3: "é", 4: "\u00a0", 5: " "}
    assert "has `e\\u0301` at the start, where transformers' has `é`" in shown([3], [1, 2], pieces)
    assert "has `\\u00a0` at the start, where transformers' has the space" in shown(
        [5], [4], pieces
    )


def test_a_piece_without_a_text_is_told_by_its_id() -> None:
    assert "adds token 29871 at the start: 1 token" in shown([1], [29871, 1], {1: "a", 29871: ""})
    assert "has tokens 8, 9 " in shown([7], [8, 9], {7: "é", 8: "\ufffd", 9: "\ufffd"})
