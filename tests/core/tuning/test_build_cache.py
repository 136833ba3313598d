"""The builds that are kept: found again while source, configuration and files are the same, and only then."""

import json
from pathlib import Path

import pytest

from firstlight_core.artifact.manifest import write_manifest
from firstlight_core.conversion.plan import ConversionPlan, plan_conversion
from firstlight_core.documents.tuning import BuildDrift
from firstlight_core.locks import try_lock
from firstlight_core.paths import find_paths
from firstlight_core.precision.table import find_precision
from firstlight_core.tuning.build_cache import BuildCache
from firstlight_core.tuning.settings import Build
from firstlight_core.workflow.leftovers import find_leftovers

INT4 = Build(precision=find_precision("int4"))
WIDE = Build(precision=find_precision("int4"), options={"block_size": 64})
DRIFT: BuildDrift = {
    "top1_agreement": 0.99,
    "kl_mean": 0.01,
    "kl_p95": 0.02,
    "perplexity_ratio": 1.01,
}


def built(cache: BuildCache, build: Build, source: Path) -> ConversionPlan:
    plan = plan_conversion(source, cache.folder(build), precision=build.precision.key)
    plan.output.mkdir(parents=True)
    (plan.output / "model.onnx").write_bytes(b"weights")
    write_manifest(plan.output, {"precision": "int4", "run_config": plan.run_config})
    return plan


def test_a_build_is_found_again_wherever_its_source_lies(tmp_path: Path, sample: Path) -> None:
    cache = BuildCache.of(tmp_path / "tuning", sample, None)
    plan = built(cache, INT4, sample)
    assert cache.size(plan) == len(b"weights")
    moved = plan_conversion(tmp_path / "moved", plan.output, precision="int4")
    assert moved.run_config != plan.run_config
    assert cache.size(moved) == len(b"weights")
    assert cache.folder(WIDE) != cache.folder(INT4)
    other = BuildCache(cache.root, "another source")
    assert other.folder(INT4) != cache.folder(INT4)


@pytest.mark.parametrize("harm", ["cut", "gone", "other options", "no manifest", "strange"])
def test_what_is_not_whole_is_made_again(tmp_path: Path, sample: Path, harm: str) -> None:
    cache = BuildCache.of(tmp_path / "tuning", sample, None)
    plan = built(cache, INT4, sample)
    manifest = plan.output / "firstlight.json"
    facts = json.loads(manifest.read_text())
    if harm == "cut":
        (plan.output / "model.onnx").write_bytes(b"wei")
    elif harm == "gone":
        (plan.output / "model.onnx").unlink()
    elif harm == "other options":
        facts["run_config"]["passes"]["build"]["int4_block_size"] = 64
        manifest.write_text(json.dumps(facts))
    elif harm == "strange":
        manifest.write_text(json.dumps({**facts, "files": {"model.onnx": 7}}))
    else:
        manifest.unlink()
    assert cache.size(plan) is None


def test_a_drift_is_that_of_one_reference(tmp_path: Path) -> None:
    cache = BuildCache(tmp_path, "a source")
    assert cache.drift(INT4, "one") is None
    cache.keep_drift(INT4, "one", DRIFT)
    assert cache.drift(INT4, "one") == DRIFT
    assert cache.drift(INT4, "other") is None
    assert cache.drift(WIDE, "one") is None
    (damaged,) = tmp_path.glob("*.drift.json")
    damaged.write_text('{"one": {"kl_mean": 0.1}}')
    assert cache.drift(INT4, "one") is None


def test_they_are_left_over_unless_a_tuning_runs(sample: Path) -> None:
    cache = BuildCache.of(find_paths().tuning, sample, None)
    built(cache, INT4, sample)
    assert [item.kind for item in find_leftovers()] == ["tuning"]
    find_paths().work.mkdir(parents=True, exist_ok=True)
    lock = try_lock(find_paths().work / "tuning.lock")
    assert lock is not None
    try:
        assert find_leftovers() == []
    finally:
        lock.release()
