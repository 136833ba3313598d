"""Events survive the trip over the channel, and nothing else passes for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstlight_core.errors import TemplateRefused
from firstlight_core.process.context import as_failure
from firstlight_core.process.events import (
    Event,
    Failed,
    Finished,
    LogLine,
    LogPath,
    Measured,
    Notice,
    Progress,
    Reply,
    Stage,
    Token,
    decode,
    encode,
)

EVENTS: tuple[Event, ...] = (
    Stage("build", "Building"),
    Progress(3, 24, "layers", "layer 3"),
    LogLine("said"),
    LogPath("~/log"),
    Notice("Not kept."),
    Token("é", 17, 0),
    Measured("ttft_s", 0.25, "s"),
    Reply({"a": [1, None]}),
    Finished({"text": "\n"}),
    Failed("refused", "No.", "Try.", "why", field="a.b", line=3, signal="SIGKILL"),
)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_survives_the_trip(event: Event) -> None:
    line = encode(event, 7)
    assert "\n" not in line
    assert decode(line) == (7, event)


def test_the_oldest_event_answers_no_request() -> None:
    assert decode(encode(LogLine("x")))[0] == 0


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_a_value_error(raw: bytes) -> None:
    try:
        decode(raw)
    except ValueError as error:
        assert "not an event" in str(error)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[]",
        "null",
        "7",
        '{"kind": "Boom"}',
        '{"kind": "Token"}',
        '{"kind": "LogLine", "text": "x", "y": 1}',
        '{"kind": "LogLine", "re": "no", "text": "x"}',
        "[" * 100_000,
    ],
)
def test_what_is_no_event(line: str) -> None:
    with pytest.raises(ValueError, match="not an event"):
        decode(line)


def test_nan_never_travels() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        encode(Measured("x", float("nan")))


def test_what_an_error_is_about_survives_the_trip() -> None:
    failure = as_failure(TemplateRefused("No.", field="ModelConfig.top_p", line=7))
    assert decode(encode(failure))[1] == failure
    assert (failure.code, failure.field, failure.line) == (
        "template-refused",
        "ModelConfig.top_p",
        7,
    )
