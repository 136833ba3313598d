"""Time left and memory running out: arithmetic; and the text of a configuration."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstlight_core.conversion.config_text import LIMIT, line_of, parse_config
from firstlight_core.conversion.progress import memory_alarm, seconds_left
from firstlight_core.errors import UsageError


@pytest.mark.parametrize(
    ("done", "elapsed", "left"),
    [
        (0.0, 30.0, 100.0),
        (2.0, 30.0, 98.0),
        (50.0, 50.0, 50.0),
        (50.0, 200.0, 200.0),
        (50.0, 5.0, 50.0),
    ],
)
def test_what_is_left_follows_the_pace(done: float, elapsed: float, left: float) -> None:
    assert seconds_left(100.0, done, elapsed) == pytest.approx(left)


@given(st.floats(0.1, 1e6), st.floats(0, 1e6), st.floats(0, 1e6))
def test_what_is_left_is_never_negative(expected: float, done: float, elapsed: float) -> None:
    assert seconds_left(expected, done, elapsed) >= 0


@pytest.mark.parametrize(
    ("resident", "predicted", "available", "alarm"),
    [
        (116, 100, 9, True),
        (114, 100, 9, False),
        (116, 100, 10, False),
        (116, None, 1, False),
        (50, 100, 1, False),
    ],
)
def test_the_alarm_needs_a_broken_prediction_and_short_memory(
    resident: float, predicted: float | None, available: float, alarm: bool
) -> None:
    assert memory_alarm(resident, predicted, available=available, total=100) is alarm


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{\n  "a": 1,\n  "b": }\n', "Line 3, column 8"),
        ("[1]", "not a JSON object"),
        ("", "Line 1, column 1"),
        ('{"a": NaN}', "NaN is not a number"),
        ("[" * 100_000, "nested too deeply"),
        (" " * (LIMIT + 1), f"{LIMIT} are the most"),
    ],
)
def test_a_wrong_text_is_named_by_its_line(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_config(text)


def test_the_line_of_a_key() -> None:
    text = '{\n  "passes": {\n    "build": {"type": "Evil"}\n  }\n}'
    assert line_of(text, "passes.build.type") == 3
    assert line_of(text, "passes.build.precision") == 3, "of a missing key, the line of its parent"
    assert line_of(text, "input_model") is None
    assert line_of(text, "") is None
