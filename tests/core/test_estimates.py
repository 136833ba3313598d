"""Estimates: sizes against artifacts that were really built, room, calibration."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from firstlight_core.estimate.artifact_size import artifact_bytes, promoted_layers, quantised_bytes
from firstlight_core.estimate.calibration import factor, remember
from firstlight_core.estimate.estimates import (
    Room,
    estimate,
    estimates,
    kv_cache_bytes,
    remember_conversion,
)
from firstlight_core.model.inspection import inspect_model
from firstlight_core.paths import find_paths
from firstlight_core.precisions import PRECISIONS, find_precision

PLENTY = Room(memory=2**45, disk=2**45)
# Bytes of the sample's artifacts without the manifest, converted with olive-ai 0.13.0 and onnxruntime-genai 0.18.0.
SAMPLE_BYTES = {
    "fp32": 9_600_349,
    "fp16": 4_874_865,
    "int8": 5_108_577,
    "int8-compact": 3_011_868,
    "int4": 1_864_967,
    "int4-compact": 1_649_929,
    "int4-quality": 2_445_264,
    "int4-calibrated": 2_175_000,
}


@pytest.mark.parametrize(("key", "measured"), SAMPLE_BYTES.items())
def test_sizes_of_the_sample(sample: Path, key: str, measured: int) -> None:
    assert artifact_bytes(inspect_model(sample), find_precision(key)) == pytest.approx(
        measured, rel=0.03
    )


def test_every_precision_has_an_estimate(sample: Path) -> None:
    found = estimates(inspect_model(sample))
    assert list(found) == [row.key for row in PRECISIONS]
    for row in found.values():
        assert {"bytes", "peak_ram_bytes", "seconds", "available", "reason"} <= row.keys()
        assert row["bytes"] > 0 and row["seconds"] > 0
    json.dumps(found, allow_nan=False)


@pytest.mark.real
def test_size_of_a_real_artifact(sample: Path, artifact: Callable[[str], Path]) -> None:
    folder = artifact("int4")
    real = sum(p.stat().st_size for p in folder.iterdir() if p.name != "firstlight.json")
    assert artifact_bytes(inspect_model(sample), find_precision("int4")) == pytest.approx(
        real, rel=0.03
    )


def test_blocks_are_padded() -> None:
    # 576 columns are 4.5 blocks of 128: the builder stores five.
    assert quantised_bytes(576, 1, 4, 128, zero_points=False) == 5 * (64 + 4)
    assert quantised_bytes(576, 10, 4, 32, zero_points=True) == 10 * 18 * (16 + 4 + 0.5)


@pytest.mark.parametrize(("layers", "promoted"), [(1, 1), (3, 2), (24, 12), (30, 14), (32, 16)])
def test_promoted_layers(layers: int, promoted: int) -> None:
    assert promoted_layers(layers) == promoted


def test_a_new_row_needs_no_figures_of_its_own(sample: Path) -> None:
    row = replace(find_precision("int4"), key="int4-new")
    inspection = inspect_model(sample)
    assert estimate(inspection, row, room=PLENTY).seconds > 0


def test_kv_cache(sample: Path) -> None:
    # 2 × 3 layers × 2 heads × 64 × 1000 tokens × 4 bytes.
    assert kv_cache_bytes(inspect_model(sample), 1000) == 2 * 3 * 2 * 64 * 1000 * 4


def test_context_is_capped_by_the_model(sample: Path) -> None:
    found = estimate(inspect_model(sample), find_precision("int4"), context=10**6, room=PLENTY)
    assert found.context == 1024


def test_what_does_not_fit_says_so(sample: Path) -> None:
    inspection, row = inspect_model(sample), find_precision("int4")
    assert estimate(inspection, row, room=PLENTY).available
    memory = estimate(inspection, row, room=Room(memory=2**20, disk=2**45))
    assert not memory.available and "memory" in memory.reason
    disk = estimate(inspection, row, room=Room(memory=2**45, disk=2**20))
    assert not disk.available and "disk" in disk.reason


def test_what_would_fit_is_said(sample: Path) -> None:
    inspection = inspect_model(sample)
    needs = {row.key: estimate(inspection, row, room=PLENTY).peak_ram_bytes for row in PRECISIONS}
    room = Room(memory=needs["fp32"], disk=2**45)
    found = estimates(inspection, room=room)
    assert found["fp32"]["available"] and found["fp32"]["reason"] == ""
    assert found["fp16"]["blocked_by"] == "memory"
    # Weights reach the quantiser one at a time, so INT4 needs no more than FP32.
    assert found["fp16"]["reason"].endswith("It would fit as: FP32, INT4, INT4 compact.")
    none = estimates(inspection, room=Room(memory=1, disk=1))
    assert none["int4"]["reason"].endswith("on a larger machine.")


def test_earlier_conversions_calibrate(sample: Path) -> None:
    inspection, row = inspect_model(sample), find_precision("int4")
    before = estimate(inspection, row, room=PLENTY)
    assert "not yet calibrated" in before.assumes
    for _ in range(3):
        remember_conversion(
            inspection,
            row,
            seconds=before.seconds * 2,
            peak_rss_bytes=round(before.peak_ram_bytes * 1.1),
        )
    after = estimate(inspection, row, room=PLENTY)
    assert after.seconds == pytest.approx(before.seconds * 2, rel=0.02)
    assert after.peak_ram_bytes == pytest.approx(before.peak_ram_bytes * 1.1, rel=0.02)
    assert "3 earlier conversions" in after.assumes
    other = estimate(inspection, find_precision("fp32"), room=PLENTY)
    assert "3 earlier" in other.assumes, "another precision borrows the factor"


def test_calibration_ignores_what_does_not_compare() -> None:
    remember("int4", 10**6, {"seconds": 10.0}, {"seconds": 20.0})
    assert factor("seconds", "int4", 10**6) == (2.0, 1)
    assert factor("seconds", "int4", 10**8) == (1.0, 0), "another size"
    remember("int4", 10**8, {"seconds": 10.0}, {"seconds": 4000.0})
    assert factor("seconds", "int4", 10**8) == (1.0, 0), "a suspended laptop"
    remember("int8", 10**9, {"seconds": 0.0}, {"seconds": 1.0})
    assert factor("seconds", "int8", 10**9) == (1.0, 0)


@pytest.mark.parametrize("content", [b"{", b"[1, null]", b'{"a": 1}', b'[{"formula": "x"}]', b"\0"])
def test_broken_calibration_is_none(content: bytes) -> None:
    path = find_paths().state / "calibration.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert factor("seconds", "int4", 10**6) == (1.0, 0)
    remember("int4", 10**6, {"seconds": 1.0}, {"seconds": 1.5})
    assert factor("seconds", "int4", 10**6) == (1.5, 1)
