"""JSON from outside is a document of its type or none: nothing that is read has another shape."""

from typing import Any

import pytest

from firstlight_core.documents.ledger import LEDGER_VALUES, ModelValues
from firstlight_core.documents.measure import BenchDocument
from firstlight_core.documents.reading import fits, only_known, read_document
from firstlight_core.documents.report import ReportedModel
from firstlight_core.steps import STEPS
from tests.support import documents


def test_a_whole_document_is_read_as_it_is() -> None:
    bench = documents.bench(documents.bench_result("/m"))
    assert read_document(BenchDocument, {**bench, "from the future": 1}) == {
        **bench,
        "from the future": 1,
    }


@pytest.mark.parametrize(
    "damage",
    [
        {"results": None},
        {"results": [{"target": "/m"}]},
        {"repeats": "3"},
        {"void": 1},
        {"machine": {"cores": 1.5}},
        {"results": [{**documents.bench_result("/m"), "kind": "toaster"}]},
    ],
)
def test_another_shape_is_no_document(damage: dict[str, Any]) -> None:
    assert read_document(BenchDocument, {**documents.bench(), **damage}) is None
    assert read_document(BenchDocument, [documents.bench()]) is None


def test_a_document_that_lacks_a_key_is_none() -> None:
    bench: dict[str, Any] = {**documents.bench()}
    del bench["machine"]
    assert read_document(BenchDocument, bench) is None


def test_numbers_are_no_truth_values_and_whole_numbers_are_numbers() -> None:
    assert fits(1, float) and fits(1.5, float) and not fits(1.5, int)
    assert not fits(True, int) and not fits(True, float)


def test_unknown_keys_and_nulls_can_be_left_out() -> None:
    model: ModelValues = {"architecture": "X", "licence": None, "bytes": 7}
    assert only_known(ReportedModel, model) == {"architecture": "X"}


def test_every_step_that_leaves_a_document_has_its_types() -> None:
    assert {step.id for step in STEPS if step.result} <= LEDGER_VALUES.keys()
