"""Estimates: sizes against artifacts that were really built, room, calibration."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.estimate.artifact_size import artifact_bytes, promoted_layers, quantised_bytes
from firstlight_core.estimate.calibration import factor, remember
from firstlight_core.estimate.estimates import (
    BASE_SECONDS,
    Room,
    bare_estimate,
    estimate,
    estimates,
    remember_conversion,
)
from firstlight_core.estimate.run_memory import kv_cache_bytes, run_bytes
from firstlight_core.model.config import read_shape
from firstlight_core.model.inspection import Inspection, inspect_model
from firstlight_core.paths import find_paths
from firstlight_core.precision.table import PRECISIONS, Precision, find_precision

PLENTY = Room(memory=2**45, disk=2**45)
# Bytes of the sample's artifacts without the manifest, converted with olive-ai 0.13.0 and onnxruntime-genai 0.18.0.
SAMPLE_BYTES = {
    "fp32": 9_600_349,
    "fp16": 4_874_865,
    "int8": 5_108_577,
    "int8-compact": 3_011_868,
    "int4": 1_718_885,
    "int4-quality": 2_445_264,
    "int4-calibrated": 2_175_000,
}


@pytest.mark.parametrize(("key", "measured"), SAMPLE_BYTES.items())
def test_sizes_of_the_sample(sample: Path, key: str, measured: int) -> None:
    assert artifact_bytes(inspect_model(sample), find_precision(key)) == pytest.approx(
        measured, rel=0.03
    )


NEAREST_BYTES = {"int4": 1_864_967, "int4-compact": 1_649_929}


@pytest.mark.parametrize(("key", "measured"), NEAREST_BYTES.items())
def test_sizes_of_the_sample_rounded_to_the_nearest(sample: Path, key: str, measured: int) -> None:
    nearest = find_precision(key).nearest
    assert nearest is not None
    assert artifact_bytes(inspect_model(sample), nearest) == pytest.approx(measured, rel=0.03)


def test_every_precision_has_an_estimate(sample: Path) -> None:
    estimated = estimates(inspect_model(sample))
    assert list(estimated) == [row.key for row in PRECISIONS]
    for row in estimated.values():
        assert {"bytes", "peak_ram_bytes", "seconds", "available", "reason"} <= row.keys()
        assert row["bytes"] > 0 and row["seconds"] > 0
    json.dumps(estimated, allow_nan=False)


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
    assert estimate(inspection, row, room=PLENTY)["seconds"] > 0


def test_kv_cache(sample: Path) -> None:
    # 2 × 3 layers × 2 heads × 64 × 1000 tokens × 4 bytes.
    assert kv_cache_bytes(inspect_model(sample), 1000) == 2 * 3 * 2 * 64 * 1000 * 4


def test_context_is_capped_by_the_model(sample: Path) -> None:
    guess = estimate(inspect_model(sample), find_precision("int4"), context=10**6, room=PLENTY)
    assert guess["context"] == 1024


def test_what_does_not_fit_says_so(sample: Path) -> None:
    inspection, row = inspect_model(sample), find_precision("int4")
    assert estimate(inspection, row, room=PLENTY)["available"]
    memory = estimate(inspection, row, room=Room(memory=2**20, disk=2**45))
    assert not memory["available"] and "memory" in memory["reason"]
    disk = estimate(inspection, row, room=Room(memory=2**45, disk=2**20))
    assert not disk["available"] and "disk" in disk["reason"]


def test_the_disk_holds_the_calibrated_checkpoint_too(sample: Path) -> None:
    """Watched while the sample was converted: Olive's folder of the rounded weights stays until the end."""
    inspection = inspect_model(sample)
    for key, checkpoint in (("int4", 3_195_000), ("int4-calibrated", 3_370_000)):
        row = estimate(inspection, find_precision(key), room=PLENTY)
        assert row["disk_bytes"] == pytest.approx(row["bytes"] + checkpoint, rel=0.02)
        short = Room(memory=2**45, disk=row["disk_bytes"] - 1)
        assert estimate(inspection, find_precision(key), room=short)["blocked_by"] == "disk"
    for key in ("int8", "int4-quality"):
        row = estimate(inspection, find_precision(key), room=PLENTY)
        assert row["disk_bytes"] == row["bytes"]


def test_what_would_fit_is_said(sample: Path) -> None:
    inspection = inspect_model(sample)
    needs = {
        row.key: estimate(inspection, row, room=PLENTY)["peak_ram_bytes"] for row in PRECISIONS
    }
    middle = sorted(needs.values())[len(needs) // 2]
    estimated = estimates(inspection, room=Room(memory=middle, disk=2**45))
    fitting = [row for row in PRECISIONS if needs[row.key] <= middle]
    assert 0 < len(fitting) < len(PRECISIONS)
    for row in PRECISIONS:
        assert estimated[row.key]["available"] is (row in fitting)
        assert (estimated[row.key]["blocked_by"] == "memory") is (row not in fitting)
    blocked = next(row for row in estimated.values() if not row["available"])
    labels = ", ".join(row.label for row in fitting)
    assert blocked["reason"].endswith(f"It would fit as: {labels}.")
    none = estimates(inspection, room=Room(memory=1, disk=1))
    assert none["int4"]["reason"].endswith("on a larger machine.")


def test_the_seconds_are_those_until_the_artifact_is_published(sample: Path) -> None:
    row = estimate(inspect_model(sample), find_precision("int4"), room=PLENTY)
    assert 0.5 < row["check_seconds"] < row["seconds"] - BASE_SECONDS


def test_a_conversion_beside_another_teaches_nothing_of_time(sample: Path) -> None:
    inspection, row = inspect_model(sample), find_precision("int4")
    before = estimate(inspection, row, room=PLENTY)
    peak = round(before["peak_ram_bytes"] * 1.2)
    for _ in range(3):
        remember_conversion(inspection, row, seconds=None, peak_rss_bytes=peak)
    after = estimate(inspection, row, room=PLENTY)
    assert after["seconds"] == before["seconds"]
    assert after["peak_ram_bytes"] == pytest.approx(peak, rel=0.02)


def test_earlier_conversions_calibrate(sample: Path) -> None:
    inspection, row = inspect_model(sample), find_precision("int4")
    before = estimate(inspection, row, room=PLENTY)
    assert "not yet calibrated" in before["assumes"]
    for _ in range(3):
        remember_conversion(
            inspection,
            row,
            seconds=before["seconds"] * 2,
            peak_rss_bytes=round(before["peak_ram_bytes"] * 1.1),
        )
    after = estimate(inspection, row, room=PLENTY)
    assert after["seconds"] == pytest.approx(before["seconds"] * 2, rel=0.02)
    assert after["peak_ram_bytes"] == pytest.approx(before["peak_ram_bytes"] * 1.1, rel=0.02)
    assert "3 earlier conversions" in after["assumes"]
    other = estimate(inspection, find_precision("fp32"), room=PLENTY)
    assert "3 earlier" in other["assumes"], "another precision borrows the machine's speed"
    assert other["peak_ram_bytes"] == round(
        bare_estimate(inspection, find_precision("fp32"))["peak_ram_bytes"]
    )


def test_one_run_on_a_busy_machine_does_not_decide_alone() -> None:
    for ratio in (1.0, 1.1, 0.9, 1.2):
        remember("int8", 10**6, {"seconds": 10.0}, {"seconds": 10.0 * ratio})
    remember("int4", 10**6, {"seconds": 10.0}, {"seconds": 50.0})
    assert factor("seconds", "int4", 10**6) == (1.1, 5)
    for _ in range(2):
        remember("int4", 10**6, {"seconds": 10.0}, {"seconds": 50.0})
    assert factor("seconds", "int4", 10**6) == (5.0, 3), "it is slow with this one"


RUNS = {
    ("smollm2", "fp32"): 801,
    ("smollm2", "int8"): 343,
    ("smollm2", "int8-compact"): 369,
    ("smollm2", "int4"): 282,
    ("smollm2", "int4 nearest"): 293,
    ("smollm2", "int4-compact"): 277,
    ("smollm2", "int4-compact nearest"): 275,
    ("smollm2", "int4-quality"): 329,
    ("smollm2", "int4-calibrated"): 320,
    ("gemma3", "fp32"): 2431,
    ("gemma3", "int8"): 661,
    ("gemma3", "int8-compact"): 822,
    ("gemma3", "int4"): 540,
    ("gemma3", "int4 nearest"): 546,
    ("gemma3", "int4-compact"): 494,
    ("gemma3", "int4-compact nearest"): 494,
    ("gemma3", "int4-quality"): 815,
    ("gemma3", "int4-calibrated"): 794,
}
"""MiB: VmHWM of the engine with a context of 2048 tokens after a prompt of 270, onnxruntime-genai 0.18 on Linux."""
RUNS_WITH_PAGES = {
    ("smollm2", "fp32"): 812,
    ("smollm2", "int8"): 368,
    ("smollm2", "int8-compact"): 398,
    ("smollm2", "int4 nearest"): 320,
    ("smollm2", "int4-compact nearest"): 292,
    ("smollm2", "int4-quality"): 361,
    ("gemma3", "fp32"): 2356,
    ("gemma3", "int8"): 646,
    ("gemma3", "int8-compact"): 806,
    ("gemma3", "int4 nearest"): 598,
    ("gemma3", "int4-compact nearest"): 518,
    ("gemma3", "int4-quality"): 754,
}
"""The same before an engine gave pages back, as where it cannot; of Gemma the tokenizer was read after the weights."""
SHAPES: dict[str, tuple[dict[str, Any], dict[str, Any], int]] = {
    "smollm2": (
        {
            "layers": 30,
            "hidden": 576,
            "heads": 9,
            "kv_heads": 3,
            "head_size": 64,
            "intermediate": 1536,
        }
        | {"vocab": 49_152, "context": 8_192, "rope_positions": 8_192},
        {"body": 106_203_456, "matrices": ((576, 138_240), (1536, 17_280)), "vectors": 35_136},
        3_525_000,
    ),
    "gemma3": (
        {
            "layers": 18,
            "hidden": 640,
            "heads": 4,
            "kv_heads": 1,
            "head_size": 256,
            "intermediate": 2048,
        }
        | {
            "vocab": 262_144,
            "context": 32_768,
            "rope_positions": 65_536,
            "window": 512,
            "windowed_layers": 15,
        },
        {
            "body": 100_326_016,
            "matrices": ((640, 101_376), (1024, 11_520), (2048, 11_520)),
            "vectors": 55_936,
        },
        33_400_000,
    ),
}


def real_shape(sample: Path, model: str) -> Inspection:
    plain = inspect_model(sample)
    shape, structure, tokenizer = SHAPES[model]
    vocabulary = shape["vocab"] * shape["hidden"]
    return replace(
        plain,
        shape=replace(plain.shape, **shape),
        structure=replace(plain.structure, embedding=vocabulary, head=0, tied=True, **structure),
        tokenizer=replace(plain.tokenizer, bytes=tokenizer),
    )


def form(name: str) -> Precision:
    """The row of this key, or the one that is rounded to the nearest."""
    key, _, nearest = name.partition(" ")
    row = find_precision(key)
    return row.nearest or row if nearest else row


@pytest.mark.parametrize(("model", "key"), RUNS)
def test_memory_to_run_real_models(sample: Path, model: str, key: str) -> None:
    inspection = real_shape(sample, model)
    estimated = run_bytes(inspection, form(key), 2048, releases_pages=True)
    assert estimated / 2**20 == pytest.approx(RUNS[model, key], rel=0.1)


@pytest.mark.parametrize(("model", "key"), RUNS_WITH_PAGES)
def test_memory_to_run_where_pages_stay(sample: Path, model: str, key: str) -> None:
    inspection = real_shape(sample, model)
    estimated = run_bytes(inspection, form(key), 2048, releases_pages=False)
    assert estimated / 2**20 == pytest.approx(RUNS_WITH_PAGES[model, key], rel=0.13)


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


@pytest.mark.parametrize(
    ("key", "measured"),
    [("fp32", 1_173_056_369), ("int8", 1_073_556_538), ("int4", 262_134_045)],
)
def test_size_of_a_model_with_two_rotary_tables(sample: Path, key: str, measured: int) -> None:
    inspection = real_shape(sample, "gemma3")
    assert artifact_bytes(inspection, find_precision(key)) == pytest.approx(measured, rel=0.002)


def test_windowed_layers_keep_their_window_only(sample: Path) -> None:
    inspection = real_shape(sample, "gemma3")
    # 3 layers see everything, 15 their last 512 tokens; one head of 256 elements, keys and values in float32.
    assert kv_cache_bytes(inspection, 2048) == (3 * 2048 + 15 * 512) * 256 * 2 * 4
    assert kv_cache_bytes(inspection, 100) == 18 * 100 * 256 * 2 * 4


PLAIN = {
    "hidden_size": 64,
    "num_hidden_layers": 12,
    "num_attention_heads": 4,
    "vocab_size": 100,
    "max_position_embeddings": 1_000,
}
KINDS = ["sliding_attention"] * 5 + ["full_attention"]


@pytest.mark.parametrize(
    ("config", "window", "windowed", "positions"),
    [
        ({}, 0, 0, 1_000),
        ({"sliding_window": 128}, 0, 0, 1_000),
        ({"sliding_window": 128, "layer_types": KINDS * 2}, 128, 10, 1_000),
        ({"sliding_window": None, "layer_types": KINDS * 2}, 0, 0, 1_000),
        ({"sliding_window": 128, "sliding_window_pattern": 6}, 128, 10, 1_000),
        ({"sliding_window": 128, "sliding_window_pattern": 0}, 0, 0, 1_000),
        ({"sliding_window": True, "layer_types": "x"}, 0, 0, 1_000),
        ({"model_type": "gemma3_text"}, 0, 0, 2_000),
        ({"rope_parameters": {"full_attention": {}, "sliding_attention": {}}}, 0, 0, 2_000),
        (
            {"rope_scaling": {"type": "longrope", "original_max_position_embeddings": 400}},
            0,
            0,
            1_400,
        ),
        ({"rope_scaling": "longrope"}, 0, 0, 1_000),
    ],
)
def test_windows_and_rotary_tables_of_a_config(
    config: dict[str, Any], window: int, windowed: int, positions: int
) -> None:
    shape = read_shape({**PLAIN, **config})
    assert (shape.window, shape.windowed_layers, shape.rope_positions) == (
        window,
        windowed,
        positions,
    )


@pytest.mark.parametrize("columns", [96, 128, 576])
def test_k_quant_is_offered_for_rows_of_an_odd_number_of_blocks(sample: Path, columns: int) -> None:
    """`jobs/odd_blocks.py` packs their zero points; onnxruntime's quantiser failed after the whole build."""
    inspection = inspect_model(sample)
    inspection = replace(
        inspection, structure=replace(inspection.structure, matrices=((columns, 64),))
    )
    for key in ("int4", "int4 nearest", "int4-quality", "int4-calibrated"):
        assert estimate(inspection, form(key), room=PLENTY)["available"]
