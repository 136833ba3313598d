"""The tree of errors: codes and exit codes are a contract, and they survive the process border."""

import pytest

from firstlight_core import errors
from firstlight_core.errors import FirstlightError, JobFailed, error_from_code, error_from_document

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, FirstlightError)
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_survives_the_border(kind: type[FirstlightError]) -> None:
    facts = {"hint": "do", "detail": "why", "field": "a.b", "line": 3, "signal": "SIGKILL"}
    rebuilt = error_from_code(kind.code, "what", **facts)
    assert type(rebuilt) is kind
    assert rebuilt.to_json() == {"code": kind.code, "message": "what", **facts}
    again = error_from_document(rebuilt.to_json())
    assert type(again) is kind and again.to_json() == rebuilt.to_json()
    bare = error_from_document(kind("what").to_json())
    assert (bare.detail, bare.field, bare.line, bare.signal) == ("", "", None, "")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_has_a_way_on(kind: type[FirstlightError]) -> None:
    assert kind("what").to_json()["hint"] == kind.way_on
    assert kind.way_on


def test_codes_are_unique() -> None:
    assert len({kind.code for kind in KINDS}) == len(KINDS)


def test_the_exit_codes_of_the_contract() -> None:
    by_name = {kind.__name__: kind.exit_code for kind in KINDS}
    special = {"UsageError": 2, "ToolchainMissing": 3, "Interrupted": 130}
    assert {name: code for name, code in by_name.items() if code != 1} == special


def test_the_docstring_draws_the_whole_tree() -> None:
    assert all(kind.__name__ in (errors.__doc__ or "") for kind in KINDS)


def test_an_unknown_code_is_a_failed_job() -> None:
    assert type(error_from_code("from the future", "x")) is JobFailed


def test_no_detail_no_key() -> None:
    assert "detail" not in FirstlightError("x").to_json()
