"""The numbers gate's verdict: which figures are red, what `--force` records, and that nothing is called proven in vain."""

import json
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.artifact.manifest import MANIFEST_SCHEMA, forced_reason
from firstlight_core.conversion.verdict import decide, judge, kind_of, thresholds
from firstlight_core.errors import CheckFailed

BUILT: dict[str, dict[str, Any]] = {
    "fp32": {"bits": [], "dtype": "float"},
    "fp16": {"bits": [], "dtype": "float16"},
    "int8": {"bits": [8], "dtype": "float"},
    "int4": {"bits": [4, 8], "dtype": "float"},
}


def figures(kind: str = "int4", **values: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a right artifact is measured as; `values` say what is wrong with it."""
    limits = thresholds()["limits"][kind]
    bits = {"fp32": "32", "fp16": "16", "int8": "8", "int4": "4"}[kind]
    weights = {
        "matrices": 3,
        "unmatched": [],
        "unused": [],
        "error": {bits: limits["weight_error"] / 2},
        "row_error": {bits: limits["row_error"] / 2},
        "slope": {bits: limits["slope"] / 2},
    } | {name: values[name] for name in ("unmatched", "unused", "error", "slope") if name in values}
    agreement: dict[str, Any] = {
        "near": 1.0,
        "positions": 24,
        "pieces": values.get("pieces", 1.0),
        "plain": {"kl_mean": values.get("kl", min(limits["kl_mean"], limits["kl_alone"]) / 2)},
    }
    if "structure" not in values or values["structure"] is not None:
        error = values.get("structure", limits["structure_error"] / 2)
        agreement["structure"] = {"error_max": error}
    reference = {
        "dtype": values.get("dtype", "float32"),
        "model_type": values.get("model_type", "llama"),
        "covered": {"tokens": 96},
    }
    proof = {"weights": weights if values.get("matched", True) else None, "reason": ""}
    passed = {"built": BUILT[kind], "agreement": agreement}
    return passed, {"reference": reference, "proof": proof, "reason": ""}


@pytest.mark.parametrize("kind", sorted(BUILT))
def test_what_is_within_its_limits_is_proven(kind: str) -> None:
    assert kind_of(BUILT[kind]) == kind
    judged = decide(*figures(kind))
    assert (judged.fault, judged.proof["level"]) == ("", "proven")


@pytest.mark.parametrize("kind", sorted(BUILT))
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"structure": 0.3}, "does not compute what its original does"),
        ({"structure": float("nan")}, "does not compute what its original does"),
        ({"kl": 20.0}, "KL divergence is 20 nats"),
        ({"kl": float("nan")}, "KL divergence"),
        ({"unmatched": ["/model/layers.0/mlp/up_proj/MatMul"]}, "weights are not its original's"),
        ({"unused": ["model.layers.0.mlp.up_proj.weight"]}, "cannot be found again"),
        ({"error": {"4": 0.9}}, "at 4 bits they differ by 0.9"),
        ({"error": {"8": float("nan")}}, "at 8 bits they differ by nan"),
        ({"slope": {"32": 0.2}}, "at 32 bits they differ by 0.2"),
        ({"pieces": 0.1}, "tokenizer is not its original's"),
    ],
)
def test_every_figure_beyond_its_limit_is_red(kind: str, wrong: dict[str, Any], words: str) -> None:
    passed, original = figures(kind, **wrong)
    with pytest.raises(CheckFailed, match=words) as caught:
        judge(passed, original, force=False)
    assert "--force" in caught.value.hint
    document = judge(passed, original, force=True)
    assert words.split()[0] in document["forced"]
    assert document["proof"]["level"] == "wrong"


def moved(**values: float) -> dict[str, dict[str, float]]:
    """Figures of matrices that were rounded on a text; `values` say what is wrong with them."""
    limits = thresholds()["limits"]["int4-calibrated"]
    right = {
        "error": limits["weight_error"] / 2,
        "row_error": limits["row_error"] / 2,
        "row_slope": limits["row_slope"] / 2,
        "slope": limits["slope"] / 2,
    }
    return {name: {"4": value} for name, value in {**right, **values}.items()}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({}, ""),
        ({"error": 0.5}, "differ by 0.5"),
        ({"row_slope": 1.0}, "differ by 1"),
        ({"row_error": 1.0}, "differ by 1"),
        ({"slope": 0.04}, "differ by 0.04"),
        ({"slope": float("nan")}, "differ by nan"),
    ],
)
def test_calibrated_weights_are_judged_by_what_they_compute(
    wrong: dict[str, float], words: str
) -> None:
    passed, original = figures("int4")
    original["proof"]["weights"]["moved"] = moved(**wrong)
    judged = decide({**passed, "calibrated": True}, original)
    assert judged.proof["kind"] == "int4-calibrated"
    assert words in judged.fault and bool(words) == bool(judged.fault)


@pytest.mark.parametrize("bits", ["4", "8"])
def test_what_a_calibration_did_not_move_is_held_to_the_limits_of_others(bits: str) -> None:
    passed, original = figures("int4", slope={bits: 0.05})
    original["proof"]["weights"]["moved"] = moved()
    assert f"at {bits} bits" in decide({**passed, "calibrated": True}, original).fault


def test_an_unknown_architecture_falls_back_and_says_so() -> None:
    strange = {"unmatched": ["/model/layers.0/odd/MatMul"], "model_type": "never_seen"}
    passed, original = figures("int4", structure=None, **strange)
    original["proof"]["reason"] = "/model/layers.0/odd/MatMul holds no matrix of the original"
    judged = decide(passed, original)
    assert (judged.fault, judged.proof["level"]) == ("", "compared")
    assert "odd" in judged.proof["reason"]


def test_a_yardstick_in_sixteen_bits_proves_no_structure() -> None:
    judged = decide(*figures("int8", dtype="bfloat16", structure=0.01))
    assert judged.proof["level"] == "compared"
    assert "not in float32" in judged.proof["reason"]


def test_without_the_original_nothing_is_proven() -> None:
    document = judge({"built": BUILT["int4"]}, {"reason": "It does not fit."}, force=False)
    assert document == {"proof": {"level": "nothing", "reason": "It does not fit.", "kind": "int4"}}


def test_a_manifest_says_that_it_was_forced(tmp_path: Path) -> None:
    assert forced_reason(tmp_path) == ""
    manifest = {"schema": MANIFEST_SCHEMA, "files": {}, "forced": "The artifact is wrong.\n"}
    (tmp_path / "firstlight.json").write_text(json.dumps(manifest))
    assert forced_reason(tmp_path) == "The artifact is wrong."


def test_limits_ship_with_the_wheel_and_leave_room_for_rounding() -> None:
    limits = thresholds()["limits"]
    assert sorted(limits) == sorted([*BUILT, "int4-calibrated"])
    for kind in ("fp32", "int8", "int4"):
        assert 1e-5 < limits[kind]["structure_error"] < 1e-2
    assert limits["fp32"]["weight_error"] < limits["int8"]["weight_error"]
    assert limits["int8"]["weight_error"] < limits["int4"]["weight_error"] < 0.5
