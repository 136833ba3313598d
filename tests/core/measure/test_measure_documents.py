"""The documents that tests of other rooms build are documents that the core makes."""

import json
from collections.abc import Mapping

import pytest

from tests.support.measured_documents import (
    bench_document,
    bench_result,
    qualities_document,
    quality_document,
)
from tests.support.schemas import faults
from tests.support.wizard_documents import BENCHMARK, QUALITY


@pytest.mark.parametrize(
    ("verb", "document"),
    [
        ("bench", BENCHMARK),
        ("bench", bench_document(bench_result("/a", precision="int4", void=True), void=True)),
        ("quality", QUALITY),
        ("quality", {**quality_document("/a"), "drift": None}),
        ("quality", {**qualities_document(QUALITY, QUALITY)}),
    ],
)
def test_a_builder_makes_what_the_schema_says(verb: str, document: Mapping[str, object]) -> None:
    whole = json.loads(json.dumps({"schema": f"firstlight/{verb}/1", "ok": True, **document}))
    assert not list(faults(whole, verb))
