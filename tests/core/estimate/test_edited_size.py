"""Size estimates of rows with advanced options, against conversions that were really run."""

from pathlib import Path
from typing import Any

import pytest

from firstlight_core.conversion.olive_config import course_config, run_config
from firstlight_core.estimate.edited_size import edited_bytes
from firstlight_core.estimate.estimates import with_estimates
from firstlight_core.model.inspection import inspect_model
from firstlight_core.precision.options import costs_of, with_options
from firstlight_core.precision.table import Precision, find_precision

INT4 = find_precision("int4")
assert INT4.nearest is not None
NEAREST = INT4.nearest


def document(folder: Path) -> dict[str, Any]:
    inspection = inspect_model(folder)
    return dict(with_estimates(inspection))


def edited(sample: Path, key: str | Precision, **options: Any) -> int | None:
    row = find_precision(key) if isinstance(key, str) else key
    config = with_options(run_config(sample, row), options, precision=row, tied=True)
    return edited_bytes(document(sample), row, config)


@pytest.mark.slow
def test_the_rows_own_options_change_nothing(sample: Path) -> None:
    estimated = document(sample)["estimates"]
    for key in ("int8", "int8-compact", "int4", "int4-compact", "int4-quality", "int4-calibrated"):
        assert edited(sample, key) == estimated[key]["bytes"]
    nearest = document(sample)["nearest_estimates"]
    assert list(nearest) == ["int4", "int4-compact"]
    assert edited(sample, NEAREST) == nearest["int4"]["bytes"]


def test_one_row_with_the_options_of_another_has_its_size(sample: Path) -> None:
    model = document(sample)
    compact = edited(sample, NEAREST, block_size=128)
    assert compact == pytest.approx(model["nearest_estimates"]["int4-compact"]["bytes"], rel=0.005)
    quality = edited(sample, NEAREST, algorithm="k_quant_mixed")
    assert quality == pytest.approx(model["estimates"]["int4-quality"]["bytes"], rel=0.005)
    calibrated = edited(sample, "int4", block_size=32, algorithm="k_quant_last")
    assert calibrated == pytest.approx(model["estimates"]["int4-calibrated"]["bytes"], rel=0.005)


def test_what_the_formulas_do_not_know_has_no_size(sample: Path) -> None:
    model, row = document(sample), NEAREST
    other = run_config(sample, find_precision("int8"))
    assert edited_bytes(model, row, other) is None
    assert edited_bytes(model, find_precision("fp16"), run_config(sample, row)) is None
    assert edited_bytes({**model, "estimates": {}}, row, run_config(sample, row)) is None
    nothing = {key: model[key] for key in ("estimates", "nearest_estimates")}
    assert edited_bytes(nothing, row, run_config(sample, row)) is None
    two = run_config(sample, find_precision("fp16"))
    assert edited_bytes(model, find_precision("fp16"), two) is None
    course = course_config(sample, sample / "out", row)
    assert edited_bytes(model, row, course) == model["nearest_estimates"]["int4"]["bytes"]


MEASURED: tuple[tuple[str | Precision, dict[str, Any]], ...] = (
    (NEAREST, {"shared_embeddings": False, "algorithm": "k_quant_last", "block_size": 64}),
    ("int8", {"algorithm": "k_quant", "block_size": 128}),
    ("int4-calibrated", {"algorithm": "k_quant", "block_size": 64}),
)


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.usefixtures("loaded_jobs")
async def test_sizes_with_options_against_real_conversions(sample: Path, tmp_path: Path) -> None:
    from firstlight_core.conversion.convert import convert

    for number, (key, options) in enumerate(MEASURED):
        row = find_precision(key) if isinstance(key, str) else key
        config = with_options(run_config(sample, row), options, precision=row, tied=True)
        made = await convert(sample, tmp_path / str(number), precision=row.key, config=config)
        assert edited(sample, key, **options) == pytest.approx(made["bytes"], rel=0.03), options


def test_a_row_with_k_quant_costs_what_k_quant_costs(sample: Path) -> None:
    row = NEAREST
    own = run_config(sample, row)
    config = with_options(own, {"algorithm": "k_quant"}, precision=row, tied=True)
    assert costs_of(row, own) is row
    assert costs_of(row, config).key == "int4-quality"
