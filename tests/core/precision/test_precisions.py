"""The precision table: one row is all it takes, and each row is consistent with itself."""

from dataclasses import replace

import pytest

from firstlight_core.conversion.olive_config import course_config, run_config
from firstlight_core.conversion.verdict import thresholds
from firstlight_core.errors import UsageError
from firstlight_core.precision.table import (
    DEFAULT_PRECISION,
    PRECISIONS,
    Precision,
    closer_precisions,
    cost_of,
    find_precision,
    precision_key,
)


def test_keys_are_unique_and_the_default_exists() -> None:
    keys = [row.key for row in PRECISIONS]
    assert len(set(keys)) == len(keys)
    assert find_precision(DEFAULT_PRECISION).key == "int4"


FORMS = [form for row in PRECISIONS for form in row.forms]


@pytest.mark.parametrize("row", FORMS, ids=lambda row: f"{row.key}-{row.calibrated}")
def test_row_is_consistent(row, tmp_path) -> None:  # type: ignore[no-untyped-def]
    options = row.builder_options
    assert row.expected["bits"] == sorted(row.expected["bits"])
    if "int4_block_size" in options:
        block = row.body_block
        assert row.expected["block_size"] == sorted({block, row.block_size})
        if not row.has_zero_points:
            # 4 bits a weight and one 32-bit scale a block.
            assert row.weight_bits == 4 + 32 / block
        if row.calibrated:
            # And a zero point of 4 bits; the output head is not counted.
            assert row.weight_bits == 4 + 36 / block
    if row.expected["bits"]:
        assert row.expected["accuracy_level"] == [options["int4_accuracy_level"]]
    passes = run_config(tmp_path, row)["passes"]
    assert ("half" in passes) == row.half_pass
    assert row.note.endswith(".")
    assert course_config(tmp_path, tmp_path, row)["passes"]["builder"]["config"]["precision"]


def test_claims_are_the_course_s() -> None:
    claims = {row.key: row.claim for row in PRECISIONS if row.claim}
    assert claims["fp16"].size == "×0.5"
    assert claims["int8"].speed == "Very Fast"
    assert claims["int4"].quality == "Acceptable"
    assert find_precision("fp32").claim is None


@pytest.mark.parametrize("key", ["", "4", "int", "int9", "x" * 10_000, "\x1b[2J"])
def test_unknown_key_is_a_usage_error_with_the_list(key: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_precision(key)
    assert "int4-compact" in caught.value.hint
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("row", PRECISIONS, ids=lambda row: row.key)
def test_a_row_is_found_by_its_label_and_in_any_case(row: Precision) -> None:
    key = row.key.replace("-", "_")
    for name in (row.label, row.label.lower(), row.key.upper(), key, f" {row.label}  "):
        assert find_precision(name) is row
        assert precision_key(name) == row.key
    assert precision_key("int9") == "int9"


def test_a_row_names_its_course_precision_its_gate_limits_and_its_cost() -> None:
    keys = {row.key for row in PRECISIONS}
    for row in PRECISIONS:
        assert row.course_name in keys and row.gate_limits in thresholds()["limits"]
        assert cost_of(row) is row.cost
    unmeasured = replace(find_precision("int4-quality"), cost=None)
    assert cost_of(unmeasured) is find_precision("int4").nearest.cost


def test_what_lies_closer_to_the_original_follows_from_the_rows() -> None:
    assert closer_precisions("int4-compact") == ("int8", "fp16", "fp32")
    assert closer_precisions("int8") == ("fp16", "fp32") and closer_precisions("fp16") == ("fp32",)
    assert closer_precisions("fp32") == closer_precisions("another") == ()
