"""A template on one line: any text comes back, and nothing that a terminal obeys is shown raw."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstlight_core.template.escapes import escaped, unescaped
from firstlight_core.text import visible

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=60)
TRICKY = st.text(alphabet="\\ntruU0041\n\t\r\x1b\u202e{}", max_size=40)


@given(ANY_TEXT | TRICKY)
def test_every_text_comes_back(text: str) -> None:
    assert unescaped(escaped(text)) == text


@given(ANY_TEXT | TRICKY)
def test_the_line_holds_nothing_that_a_terminal_obeys(text: str) -> None:
    line = escaped(text)
    assert "\n" not in line and "\t" not in line
    assert visible(line) == line


@given(TRICKY)
def test_typing_any_line_is_safe_and_stable(line: str) -> None:
    meant = unescaped(line)
    assert unescaped(escaped(meant)) == meant


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        (r"a\nb\tc", "a\nb\tc"),
        (r"a\\nb", r"a\nb"),
        (r"\d \| \{", r"\d \| \{"),
        ("\\", "\\"),
        (r"\u202e", "\u202e"),
        (r"\U0010ffff\U99999999", "\U0010ffff\\U99999999"),
    ],
)
def test_what_a_line_means(line: str, meant: str) -> None:
    assert unescaped(line) == meant
