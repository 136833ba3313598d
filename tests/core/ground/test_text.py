"""Nothing from outside reaches a terminal raw, however it is cut; and nothing private leaves."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstlight_core.text import (
    bytes_text,
    first_difference,
    one_line,
    redact,
    seconds_text,
    shown_path,
    visible,
)
from tests.support import faultkit

EVERYTHING = st.text(st.characters(), max_size=200)
"""Any code point, surrogates included."""


def obeyed(text: str) -> list[str]:
    """Characters that a terminal could obey or that reorder what is read."""
    allowed = "\n\t"
    bad = [c for c in text if unicodedata.category(c) in ("Cc", "Cs") and c not in allowed]
    bidi = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
    return bad + [
        c for c in text if c in bidi or c in "\u2028\u2029" or 0xE0000 <= ord(c) < 0xE0080
    ]


@given(EVERYTHING)
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    assert not obeyed(visible(text))
    visible(text).encode()


@given(EVERYTHING, st.integers(0, 200))
def test_where_a_stream_is_cut_cannot_matter(text: str, at: int) -> None:
    assert visible(text[:at]) + visible(text[at:]) == visible(text)


@given(EVERYTHING)
def test_it_is_idempotent_and_keeps_plain_text(text: str) -> None:
    assert visible(visible(text)) == visible(text)
    plain = "Grüße, 世界 🙂\n\tx"
    assert visible(plain) == plain


def test_the_hostile_payload_leaks_nothing() -> None:
    assert faultkit.leaks(visible(faultkit.PAYLOAD).encode()) == []
    assert faultkit.leaks(faultkit.PAYLOAD.encode()) != []


@given(EVERYTHING, st.integers(1, 60))
def test_one_line_is_one_line_of_limited_length(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert "\n" not in line and "\t" not in line and not obeyed(line)
    assert len(line) <= limit


@given(EVERYTHING)
def test_a_path_is_one_line(text: str) -> None:
    assert not {"\n", "\t"} & set(shown_path(text))


def test_a_path_with_undecodable_bytes_can_be_shown() -> None:
    shown_path(b"\xff\x1b[31m".decode("utf-8", "surrogateescape")).encode()


def test_tokens_home_and_user_are_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "not-of-the-usual-shape")
    text = "hf_abcdefghijklmnop1234 sk-abcdefghijklmnop1234 not-of-the-usual-shape /home/anna/x anna Annabel"
    redacted = redact(text, home="/home/anna")
    assert redacted == "<token> <token> <token> ~/x <user> Annabel"


@pytest.mark.parametrize("home", ["/", "", "/a"])
def test_a_short_home_redacts_nothing_else(home: str) -> None:
    assert redact("a/b c", home=home) == "a/b c"


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (4.6e6, "4.39 MiB"),
        (15 * 2**20, "15.0 MiB"),
        (2**30, "1.00 GiB"),
        (-2048, "-2.00 KiB"),
    ],
)
def test_bytes_in_words(count: float, words: str) -> None:
    assert bytes_text(count) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.42, "0.42 s"), (12.4, "12 s"), (119.4, "119 s"), (200, "3 min 20 s"), (3840, "1 h 04 min")],
)
def test_seconds_in_words(seconds: float, words: str) -> None:
    assert seconds_text(seconds) == words


def test_first_difference() -> None:
    assert first_difference([1, 2, 3], [1, 2, 3]) is None
    assert first_difference([1, 2, 3], [1, 5, 3]) == 1
    assert first_difference([1, 2], [1, 2, 3]) == 2
