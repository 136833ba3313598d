"""Sampling ranges: one table for the core, the command line's values and the wizard's fields."""

import pytest

from firstlight_core.artifact.model_config import SEARCH_KEYS
from firstlight_core.artifact.sampling_ranges import SAMPLING_RANGES
from firstlight_core.errors import UsageError
from firstlight_core.inference.backend import check_max_tokens
from firstlight_core.inference.sampling import Sampling


@pytest.mark.parametrize("name", SAMPLING_RANGES)
def test_a_range_holds_its_ends_and_nothing_beyond(name: str) -> None:
    span = SAMPLING_RANGES[name]
    assert span.holds(span.most) and span.holds(span.least) is not span.open
    for value in (span.least - 1, span.most + 1, float("nan"), "1", True, None):
        assert not span.holds(value)
    assert span.holds(1.5) is (span.kind is float and span.most >= 1.5)


def test_a_range_in_words() -> None:
    assert SAMPLING_RANGES["temperature"].rule == "a number from 0 to 2"
    assert SAMPLING_RANGES["top_p"].rule == "a number above 0 and up to 1"
    assert SAMPLING_RANGES["max_length"].rule == "a whole number from 1 to 16777216"


def test_what_is_written_and_what_is_sampled_have_a_range() -> None:
    assert set(SEARCH_KEYS) <= SAMPLING_RANGES.keys()
    with pytest.raises(UsageError, match="max-tokens 100001"):
        check_max_tokens(100_001)
    with pytest.raises(UsageError, match="temperature") as caught:
        Sampling(temperature=3).search({})
    assert caught.value.hint == "It must be a number from 0 to 2."
