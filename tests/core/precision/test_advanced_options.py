"""The quantiser's options: what is offered, how it lands in the configuration, what the gate reads back."""

import itertools
from pathlib import Path

import pytest

from firstlight_core.conversion.convert import convert
from firstlight_core.conversion.olive_config import run_config
from firstlight_core.conversion.plan import plan_conversion
from firstlight_core.errors import UsageError
from firstlight_core.precision.options import (
    expected_of,
    options_for,
    read_options,
    with_options,
)
from firstlight_core.precision.table import PRECISIONS, Precision, find_precision

SOURCE = Path("/models/m")


FORMS = [form for row in PRECISIONS for form in row.forms]
INT4 = find_precision("int4")
assert INT4.nearest is not None
NEAREST = INT4.nearest


@pytest.mark.parametrize("precision", FORMS, ids=lambda row: f"{row.key}-{row.calibrated}")
def test_a_rows_own_configuration_is_what_its_row_expects(precision: Precision) -> None:
    wanted = {k: v for k, v in precision.expected.items() if k != "dtype" and v}
    options = expected_of(run_config(SOURCE, precision))
    assert options.items() <= wanted.items() if options_for(precision, tied=True) else not options


def test_only_quantised_rows_have_options_and_only_tied_models_an_embedding() -> None:
    def keys(precision: Precision, *, tied: bool) -> list[str]:
        return [option.key for option in options_for(precision, tied=tied)]

    fp32, fp16, int8 = map(find_precision, ("fp32", "fp16", "int8"))
    assert keys(fp32, tied=True) == keys(fp16, tied=True) == []
    assert keys(NEAREST, tied=True) == [
        "block_size",
        "accuracy_level",
        "algorithm",
        "shared_embeddings",
    ]
    assert keys(INT4, tied=True) == [
        "block_size",
        "accuracy_level",
        "algorithm",
        "head_block_size",
    ]
    assert "shared_embeddings" not in keys(NEAREST, tied=False)
    assert "shared_embeddings" not in keys(int8, tied=True)


def test_options_come_back_as_they_went_in() -> None:
    rows = (NEAREST, *map(find_precision, ("int4", "int8", "int4-quality", "int4-calibrated")))
    for row in rows:
        own = run_config(SOURCE, row)
        offered = options_for(row, tied=True)
        for values in itertools.product(*([c.value for c in o.choices] for o in offered)):
            chosen = {o.key: v for o, v in zip(offered, values, strict=True)}
            changed = with_options(own, chosen, precision=row, tied=True)
            assert {k: v for k, v in read_options(changed).items() if k in chosen} == chosen
            # The builder's own default, where the row does not ask either, is not asked for.
            expected = {"block_size": [32], **expected_of(changed)}
            blocks = {
                int(chosen[key]) for key in ("block_size", "head_block_size") if key in chosen
            }
            assert expected["block_size"] == sorted(blocks)
            assert expected["accuracy_level"] == [chosen["accuracy_level"]]
            # It passes the check of an edited configuration.
            plan = plan_conversion(SOURCE, "/out", precision=row.key, config=changed)
            assert plan.precision is row
            assert plan.expected == expected_of(changed)


def test_the_rows_own_values_change_nothing() -> None:
    for row in (INT4, NEAREST):
        own = run_config(SOURCE, row)
        offered = {option.key for option in options_for(row, tied=True)}
        values = {key: value for key, value in read_options(own).items() if key in offered}
        assert with_options(own, values, precision=row, tied=True) == own


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("block_size", 256),
        ("block_size", True),
        ("symmetric", False),
        ("algorithm", "awq"),
        ("accuracy_level", 2),
    ],
)
def test_what_is_not_known_to_load_is_refused(key: str, value: int | str | bool) -> None:
    for row in (INT4, NEAREST):
        with pytest.raises(UsageError, match="not known to load with INT4"):
            with_options(run_config(SOURCE, row), {key: value}, precision=row, tied=True)


@pytest.mark.real
@pytest.mark.usefixtures("loaded_jobs")
async def test_the_graph_holds_what_was_chosen(tmp_path: Path, sample: Path) -> None:
    row = NEAREST
    chosen: dict[str, int | str | bool] = {
        "block_size": 64,
        "accuracy_level": 1,
        "algorithm": "k_quant",
        "shared_embeddings": False,
    }
    config = with_options(run_config(sample, row), chosen, precision=row, tied=True)
    document = await convert(sample, tmp_path / "out", precision="int4", config=config)
    built = document["built"]
    assert (built["bits"], built["block_size"], built["accuracy_level"]) == ([4], [64], [1])
    assert built["embedding"] == "float"
