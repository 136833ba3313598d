"""Conversion with the real Olive and the real onnxruntime-genai, on the sample model."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.artifact.publishing import read_manifest, sha256_of
from firstlight_core.conversion.convert import (
    convert,
    convert_many,
    convert_plans,
    plan_conversion,
)
from firstlight_core.conversion.work import ConversionWork
from firstlight_core.deploy.deployment import deploy
from firstlight_core.errors import (
    CheckFailed,
    JobDied,
    ModelRefused,
    OutOfMemory,
)
from firstlight_core.process.events import Event, Progress, Stage
from tests.conftest import make_once
from tests.support import faultkit

pytestmark = pytest.mark.real


def run(source: Path, output: Path, **options: Any) -> dict[str, Any]:
    return asyncio.run(convert(source, output, **options))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def change_weights(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Rewrite the weights in a process of its own: torch is not wanted in this one."""
    program = (
        "import json,sys\nfrom safetensors.numpy import load_file\n"
        "from safetensors.torch import load_file, save_file\n"
        "path=sys.argv[1]; tensors={k: v.clone() for k, v in load_file(path).items()}\n"
        "exec(sys.argv[2])\nsave_file(tensors, path, metadata={'format': 'pt'})\n"
    )
    lines: dict[str, Any] = {}
    change(lines)
    command = [sys.executable, "-P", "-c", program]
    command += [str(folder / "model.safetensors"), lines["do"]]
    subprocess.run(command, check=True)


@pytest.fixture
def source(sample: Path, tmp_path: Path) -> Path:
    """A private copy of the sample, to be broken."""
    return Path(shutil.copytree(sample, tmp_path / "source"))


LATER = ["fp32", "fp16", "int8", "int8-compact", "int4-compact", "int4-quality", "int4-calibrated"]


@pytest.mark.parametrize(
    "precision", ["int4", *(pytest.param(key, marks=pytest.mark.slow) for key in LATER)]
)
def test_artifact_is_what_was_asked_for(artifact: Callable[..., Path], precision: str) -> None:
    folder = artifact(precision, *(LATER if precision in LATER else ()))
    manifest = read_manifest(folder)
    assert manifest is not None
    built = manifest["built"]
    wanted = {
        "fp32": ([], [], "float"),
        "fp16": ([], [], "float16"),
        "int8": ([8], [32], "float"),
        "int8-compact": ([8], [32], "float"),
        "int4": ([4], [32, 128], "float"),
        "int4-compact": ([4], [128], "float"),
        "int4-quality": ([4, 8], [32], "float"),
        "int4-calibrated": ([4, 8], [32], "float"),
    }[precision]
    assert (built["bits"], built["block_size"], built["dtype"]) == wanted
    shared = {"int8-compact", "int4", "int4-compact", "int4-quality", "int4-calibrated"}
    assert built["embedding"].startswith("quantised") is (precision in shared)
    assert manifest["agreement"]["top1"] >= 0.9
    assert manifest["smoke"]["tokens"] == 8
    assert manifest["smoke"]["text"].strip()
    assert manifest["source"]["fingerprint"].startswith("sha256:")
    assert manifest["tools"]["olive-ai"]
    for name, facts in manifest["files"].items():
        assert sha256_of(folder / name) == facts["sha256"]
    assert set(manifest["files"]) | {"firstlight.json"} == set(names(folder))
    assert "model_config.json" not in names(folder)
    assert "inference_model.json" not in names(folder)
    text = json.dumps(manifest["files"]) + (folder / "genai_config.json").read_text()
    assert ".firstlight-" not in text
    assert logits_shape(folder)[1] == "1", (
        "the head is computed for the last token of a prompt only"
    )


def logits_shape(folder: Path) -> list[str]:
    """Return the dimensions of the graph's logits: batch, tokens, vocabulary; read in a process of its own."""
    program = (
        "import onnx,sys\ngraph=onnx.load(sys.argv[1], load_external_data=False).graph\n"
        "shape=next(o for o in graph.output if o.name == 'logits').type.tensor_type.shape\n"
        "print(*(d.dim_param or d.dim_value for d in shape.dim))\n"
    )
    command = [sys.executable, "-c", program, str(folder / "model.onnx")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.split()


@pytest.mark.slow
def test_old_artifact_is_replaced_whole_with_honest_progress(
    artifact: Callable[[str], Path], sample: Path, tmp_path: Path
) -> None:
    path = tmp_path / "my models" / "phi-3.5 żółć"
    output = Path(shutil.copytree(artifact("int4"), path))
    events: list[Event] = []
    before = {p: p.stat().st_mtime_ns for p in sample.iterdir()}
    document = run(sample, output, precision="int4-compact", on_event=events.append)
    stages = [event.name for event in events if isinstance(event, Stage)]
    assert stages == [
        "start",
        "load-olive",
        "load-original",
        "calibration",
        "calibrate",
        "build",
        "quantise",
        "original",
        "check",
        "publish",
    ]
    ticks = [e for e in events if isinstance(e, Progress) and e.unit == "nodes"]
    # The layers are rounded by then, and the output head is one node, which is done when the stage ends.
    assert [(t.done, t.total) for t in ticks] == [(0, 1)]
    built = next(n for n, e in enumerate(events) if isinstance(e, Stage) and e.name == "build")
    rounded, layers = (
        [(e.done, e.total) for e in part if isinstance(e, Progress) and e.unit == "layers"]
        for part in (events[:built], events[built:])
    )
    assert list(dict.fromkeys(rounded)) == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert layers == [(1, 3), (2, 3), (3, 3)]
    assert names(output.parent) == [output.name]
    manifest = read_manifest(output)
    assert manifest is not None
    assert manifest["precision"] == "int4-compact"
    # The check is a process of its own, and waits while Olive works.
    assert document["peak_rss_bytes"] > document["olive_peak_rss_bytes"] + 10e6 > 200e6
    assert document["peak_rss_bytes"] == max(document["peak_rss_by_stage"].values())
    assert list(document["peak_rss_by_stage"]) == ["build", "check"]
    assert 0 < document["olive_load_seconds"] < document["olive_seconds"] < document["seconds"]
    assert document["seconds"] < document["total_seconds"]
    assert {p: p.stat().st_mtime_ns for p in sample.iterdir()} == before


def keep_old(artifact: Callable[[str], Path], tmp_path: Path) -> tuple[Path, str]:
    output = Path(shutil.copytree(artifact("int4"), tmp_path / "root" / "out"))
    return output, sha256_of(output / "firstlight.json")


def assert_intact(output: Path, digest: str) -> None:
    assert sha256_of(output / "firstlight.json") == digest
    assert names(output.parent) == [output.name]
    assert faultkit.foundry_sees(str(output.parent)) == {}


_NAN = "tensors['model.layers.1.mlp.up_proj.weight'][:] = float('nan')"
BROKEN = {
    "missing tensor": (
        "tensors.pop('model.layers.1.self_attn.q_proj.bias')",
        ModelRefused,
        "incomplete: .*q_proj.bias",
    ),
    "NaN weights": (_NAN, ModelRefused, "original computes numbers that are not finite"),
    "NaN weights, rounded to the nearest": (_NAN, CheckFailed, "not finite"),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", sorted(BROKEN))
@pytest.mark.usefixtures("loaded_jobs")
def test_broken_weights_are_refused_and_the_old_artifact_stays(
    fault: str, source: Path, artifact: Callable[[str], Path], tmp_path: Path
) -> None:
    output, digest = keep_old(artifact, tmp_path)
    do, kind, why = BROKEN[fault]
    change_weights(source, lambda lines: lines.update(do=do))
    with pytest.raises(kind, match=why) as caught:
        run(source, output, calibration="none" if "nearest" in fault else None)
    assert caught.value.hint
    assert_intact(output, digest)


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("truncated", "cut off"),
        ("no tokenizer", "no tokenizer"),
        ("no config", r"no config\.json"),
        ("unsupported", "MambaForCausalLM"),
        ("other shapes", "contradict"),
    ],
)
def test_broken_folders_are_refused_before_olive(
    fault: str, why: str, source: Path, artifact: Callable[[str], Path], tmp_path: Path
) -> None:
    output, digest = keep_old(artifact, tmp_path)
    config = json.loads((source / "config.json").read_text())
    match fault:
        case "truncated":
            weights = source / "model.safetensors"
            os.truncate(weights, weights.stat().st_size - 1000)
        case "no tokenizer":
            for name in ("tokenizer.json", "tokenizer_config.json"):
                (source / name).unlink()
        case "no config":
            (source / "config.json").unlink()
        case "unsupported":
            config |= {"architectures": ["MambaForCausalLM"], "model_type": "mamba"}
            (source / "config.json").write_text(json.dumps(config))
        case "other shapes":
            config["intermediate_size"] = 600
            (source / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelRefused, match=why) as caught:
        run(source, output, started=lambda pid: pytest.fail("Olive was started"))
    assert caught.value.hint
    assert_intact(output, digest)


@pytest.mark.slow
def test_killed_child_is_a_sentence(
    sample: Path, artifact: Callable[[str], Path], tmp_path: Path
) -> None:
    output, digest = keep_old(artifact, tmp_path)
    pids: list[int] = []

    def kill(event: Event) -> None:
        if isinstance(event, Stage) and event.name == "load-olive":
            os.killpg(pids[0], signal.SIGKILL)

    with pytest.raises(JobDied, match="SIGKILL"):
        run(sample, output, on_event=kill, started=pids.append)
    assert_intact(output, digest)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("size", ["1m", "3m", "4m"])
def test_full_disk_is_recognised_and_nothing_stays(sample: Path, tmp_path: Path, size: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    program = (
        f"mount -t tmpfs -o size={size} none '{disk}' || exit 77; "
        f"'{sys.executable}' -m firstlight_tui convert '{sample}' -o '{disk}/o/x' -p int8 --force "
        f"--json; echo '{{}}'; ls -A '{disk}'"
    )
    done = subprocess.run(
        ["unshare", "-m", "bash", "-c", program], capture_output=True, text=True, check=False
    )
    if done.returncode == 77:
        pytest.skip("tmpfs cannot be mounted")
    document, _, left = done.stdout.rpartition("{}")
    assert json.loads(document)["error"]["message"] == "The disk is full."
    assert left.strip() == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_too_small_disk_is_refused_before_olive(sample: Path, tmp_path: Path) -> None:
    program = (
        f"mount -t tmpfs -o size=1m none '{tmp_path}' || exit 77; "
        f"'{sys.executable}' -m firstlight_tui convert '{sample}' -o '{tmp_path}/x' --json"
    )
    done = subprocess.run(
        ["unshare", "-m", "bash", "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "FIRSTLIGHT_HOME": f"{tmp_path}-home"},
    )
    if done.returncode == 77:
        pytest.skip("tmpfs cannot be mounted")
    assert done.returncode == 1
    assert "free; this conversion needs" in json.loads(done.stdout)["error"]["message"]


@pytest.fixture
def small_memory() -> Any:
    """A control group (v1) with 150 MB of memory; a function that puts a process into it."""
    group = Path("/sys/fs/cgroup/memory") / f"firstlight-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(150 * 2**20))
    except OSError:
        pytest.skip("no writable memory control group")
    yield lambda pid: (group / "cgroup.procs").write_text(str(pid))
    # The kernel needs a moment to forget the dead.
    for _ in range(1000):
        try:
            group.rmdir()
            break
        except OSError:
            os.sched_yield()


@pytest.mark.slow
def test_memory_limit_is_named(
    small_memory: Callable[[int], Any],
    sample: Path,
    artifact: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    output, digest = keep_old(artifact, tmp_path)
    with pytest.raises(OutOfMemory) as caught:
        run(sample, output, force=True, started=small_memory)
    assert "memory" in str(caught.value)
    assert_intact(output, digest)


@pytest.mark.slow
def test_several_precisions_share_one_olive_and_one_failure_stops_no_other(
    sample: Path, tmp_path: Path
) -> None:
    pids: list[int] = []
    done: list[str] = []
    document = asyncio.run(
        convert_many(
            sample,
            {key: tmp_path / "out" / key for key in ("int4", "int8", "fp16")},
            started=pids.append,
            on_done=lambda key, _: done.append(key),
        )
    )
    assert document["ok"]
    assert done == ["int4", "int8", "fp16"]
    assert len(pids) == 1
    assert names(tmp_path / "out") == ["fp16", "int4", "int8"]
    first = document["results"][0]["olive_seconds"]
    assert all(result["olive_seconds"] < first for result in document["results"][1:])


@pytest.mark.slow
@pytest.mark.usefixtures("loaded_jobs")
def test_adapter_is_merged_into_its_base(
    artifact: Callable[..., Path], sample: Path, tmp_path: Path
) -> None:
    adapter = sample.parent / "adapter"
    document = run(adapter, tmp_path / "out", precision="fp32")
    plain = artifact("fp32", *LATER)
    size = sum(path.stat().st_size for path in plain.iterdir() if path.name != "firstlight.json")
    assert document["bytes"] == pytest.approx(size, rel=0.01)
    merged, base = tmp_path / "out" / "model.onnx.data", plain / "model.onnx.data"
    assert sha256_of(merged) != sha256_of(base)
    assert document["source"]["path"] == str(adapter)


@pytest.mark.slow
@pytest.mark.usefixtures("loaded_jobs")
def test_readonly_source_and_long_names_work_and_paths_stay_out_of_the_result(
    source: Path, tmp_path: Path
) -> None:
    deep = tmp_path / "é a.b" / ("n" * 200)
    deep.parent.mkdir()
    source.rename(deep)
    for path in deep.iterdir():
        path.chmod(0o444)
    deep.chmod(0o555)
    document = run(deep, tmp_path / "out" / ("m" * 200))
    assert document["smoke"]["tokens"] == 8
    deep.chmod(0o755)


@pytest.fixture
def configured(shared_folder: Path, sample: Path) -> Path:
    """The sample as an edited configuration and as the course's make it, in one process of Olive."""

    def make(folder: Path) -> None:
        plan = plan_conversion(sample, folder / "edited", calibration="none")
        edited = plan.run_config
        edited["passes"]["build"]["int4_block_size"] = 64
        edited["output_dir"] = "/elsewhere"
        plans = [
            plan_conversion(sample, folder / name, config=config)
            for name, config in (("edited", edited), ("course", plan.course_config))
        ]
        document = asyncio.run(convert_plans(plans))
        assert document["ok"], document["failures"]

    return make_once(shared_folder / "configured", make)


@pytest.mark.slow
@pytest.mark.usefixtures("loaded_jobs")
def test_edited_configuration_is_run_as_it_is(configured: Path) -> None:
    manifest = read_manifest(configured / "edited")
    assert manifest is not None
    assert manifest["built"]["block_size"] == [64]


@pytest.mark.slow
@pytest.mark.usefixtures("loaded_jobs")
def test_course_configuration_runs_with_its_own_limits(configured: Path) -> None:
    manifest = read_manifest(configured / "course")
    assert manifest is not None
    # The course asks for block 128, and ModelBuilder ignores it: what was made is read back.
    assert manifest["built"]["bits"] == [4]
    assert manifest["built"]["block_size"] != [128]


@pytest.mark.slow
@pytest.mark.usefixtures("loaded_jobs")
def test_a_source_that_changes_meanwhile_is_refused(source: Path, tmp_path: Path) -> None:
    def touch(event: Event) -> None:
        if isinstance(event, Stage) and event.name == "check":
            (source / "config.json").write_text((source / "config.json").read_text() + "\n")

    with pytest.raises(ModelRefused, match=r"changed while.*config\.json"):
        run(source, tmp_path / "out", on_event=touch)
    assert not (tmp_path / "out").exists()


def test_original_and_artifact_agree_on_the_sample(artifact: Callable[[str], Path]) -> None:
    manifest = read_manifest(artifact("int4"))
    assert manifest is not None
    agreement = manifest["agreement"]
    assert agreement["top1"] >= 0.9
    assert agreement["positions"] > 10
    assert agreement["prompts"] == 3
    assert all(text["original"].strip() for text in agreement["texts"])


def test_the_manifest_says_what_was_proven(artifact: Callable[[str], Path]) -> None:
    manifest = read_manifest(artifact("int4"))
    assert manifest is not None
    assert manifest["proof"]["level"] == "proven"
    assert manifest["proof"]["weights"]["unmatched"] == []
    assert manifest["agreement"]["structure"]["error_max"] < 1e-4
    assert "forced" not in manifest


@pytest.mark.slow
@pytest.mark.usefixtures("loaded_jobs")
def test_damage_is_not_published_unless_forced(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The yardstick reads other weights than the artifact was made of."""
    other = Path(shutil.copytree(source, tmp_path / "other"))
    name = "model.layers.0.mlp.up_proj.weight"
    turned = f"tensors[{name!r}] = tensors[{name!r}].flip(0).contiguous()"
    change_weights(other, lambda lines: lines.update(do=turned))
    right = ConversionWork._ask_original

    async def ask_another(self: ConversionWork, plan: Any, staging: Any) -> dict[str, Any]:
        config = json.loads(json.dumps(plan.run_config).replace(str(source), str(other)))
        return await right(self, replace(plan, run_config=config), staging)

    monkeypatch.setattr(ConversionWork, "_ask_original", ask_another)
    with pytest.raises(CheckFailed, match="weights are not its original's") as caught:
        run(source, tmp_path / "out")
    assert "--force" in caught.value.hint
    assert not (tmp_path / "out").exists()
    damaged = run(source, tmp_path / "forced", force=True)
    assert "weights are not its original's" in damaged["forced"]
    assert damaged["proof"]["level"] == "wrong"
    assert (read_manifest(tmp_path / "forced") or {})["forced"] == damaged["forced"]
    with pytest.raises(CheckFailed, match="published by force"):
        asyncio.run(deploy(tmp_path / "forced", "wrong", target="folder"))
    deployed = asyncio.run(deploy(tmp_path / "forced", "wrong", target="folder", force=True))
    assert deployed["forced"] == damaged["forced"]
