"""The whole walk with the real tools: from the sample to the report, repeated from its own file, without a network."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.artifact.manifest import read_manifest
from firstlight_core.conversion.olive_config import run_config
from firstlight_core.ledger import Run
from firstlight_core.paths import find_paths
from firstlight_core.precision.options import with_options
from firstlight_core.precision.table import find_precision
from firstlight_core.session import Session
from firstlight_core.workflow.plan import plan_of
from firstlight_core.workflow.run_file import read_run_toml, write_plan
from tests.support.schemas import checked

pytestmark = [pytest.mark.real, pytest.mark.slow]

PLAN = """
source = "sample"
precisions = ["int4"]
[template]
[deploy]
name = "walked"
[chat]
prompts = ["What is int4 quantization?", "And why should I use it?"]
max_tokens = 64
[bench]
lengths = [32, 128]
new_tokens = 16
repeats = 2
[quality]
prompts = "sample"
reference = "source"
"""


def alone() -> list[str]:
    """A prefix that takes the network away, where this user may do so."""
    if shutil.which("unshare") is None:
        return []
    tried = subprocess.run(["unshare", "-n", "true"], capture_output=True, timeout=10, check=False)
    return ["unshare", "-n"] if tried.returncode == 0 else []


def walk(path: Path) -> dict[str, Any]:
    done = subprocess.run(
        [*alone(), sys.executable, "-m", "firstlight_tui", "run", str(path), "--yes", "--json"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        stdin=subprocess.DEVNULL,
        env=dict(os.environ),
    )
    assert "Traceback" not in done.stderr, done.stderr
    document = checked(json.loads(done.stdout))
    # Two workers share this machine, so speeds may be too unsteady to judge; everything else must be done.
    failed = [
        step
        for step in document["steps"]
        if step["status"] != "done"
        and step["id"] != "quality"
        and step.get("reason") != "not in the plan"
    ]
    assert not failed, document
    assert done.returncode == (0 if document["ok"] else 1)
    return document


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan" / "run.toml"
    path.parent.mkdir()
    path.write_text(PLAN)
    return path


def test_a_whole_walk_and_its_repetition(plan: Path) -> None:
    first = walk(plan)
    folder = Path(first["folder"])
    report = json.loads(Path(first["report"]["json"]).read_text())

    assert [item["status"] for item in report["closing"]][:3] == ["done"] * 3
    measured = report["closing"][3]
    # Beside other programs the benchmark is void, or the speeds cannot be judged; then that is what it says.
    assert (
        measured["status"] == "done" or "void" in measured["note"] or "failed" in measured["note"]
    )
    assert (folder / "artifacts" / "int4" / "genai_config.json").is_file()
    assert report["template"]["locked"] is True
    assert report["deployment"]["verified"] is True
    assert "4 bits" in report["deployment"]["answer"]
    assert report["chat"][0]["answer"] == report["deployment"]["answer"]
    # Greedy answers keep whole chunks of a prompt only, and this conversation is shorter than one.
    assert report["chat"][1]["measured"]["reused_tokens"] == 0
    (row,) = [row for row in report["precisions"] if "measured" in row]
    measured, estimated = row["measured"], row["estimate"]
    assert measured["decode_tps"] > 0 and measured["ttft_s"] > 0
    assert measured["bytes"] == pytest.approx(estimated["bytes"], rel=0.03)
    assert 0 <= measured["kl_mean"] < 0.01 and measured["top1_agreement"] > 0.98
    checks = {check["id"]: check["status"] for check in report["quality"][0]["checks"]}
    assert len(checks) == 5
    assert all(status in ("pass", "needs-you") for status in checks.values()), checks
    assert checks["domain-answers"] == "pass"

    hashes = report["conversions"][0]["sha256"]
    model = folder / "artifacts" / "int4" / "model.onnx"
    assert hashes["model.onnx"] == hashlib.sha256(model.read_bytes()).hexdigest()

    assert [e.step for e in Run.open(first["run"]).entries()][-1] == "summary"
    assert not list(find_paths().models.rglob(".firstlight-*-????????"))

    again = walk(folder / "run.toml")
    assert again["run"] != first["run"]
    other = json.loads(Path(again["report"]["json"]).read_text())
    assert other["chat"] and [c["answer"] for c in other["chat"]] == [
        c["answer"] for c in report["chat"]
    ]
    assert other["deployment"]["verified"] is True


def test_a_broken_model_ends_the_walk_early_and_leaves_nothing(
    plan: Path, sample: Path, tmp_path: Path
) -> None:
    broken = Path(shutil.copytree(sample, tmp_path / "broken"))
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    plan.write_text(PLAN.replace('"sample"\nprecisions', f'"{broken}"\nprecisions'))
    done = subprocess.run(
        [sys.executable, "-m", "firstlight_tui", "run", str(plan), "--yes", "--json"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        stdin=subprocess.DEVNULL,
        env=dict(os.environ),
    )
    assert done.returncode == 1
    document = checked(json.loads(done.stdout))
    steps = {step["id"]: step for step in document["steps"]}
    assert steps["model"]["status"] == "failed"
    assert "model.safetensors" in steps["model"]["error"]["message"]
    assert not (Path(document["folder"]) / "artifacts").exists()
    assert not find_paths().models.exists()


def test_an_edited_configuration_is_repeated(sample: Path, tmp_path: Path) -> None:
    """The plan that the wizard writes after advanced options: the graph holds them when it is repeated."""
    row = find_precision("int4")
    config = with_options(run_config(sample, row), {"block_size": 64}, precision=row, tied=True)
    session = Session().decide(source=str(sample), precisions=("int4",), configs={"int4": config})
    document_read = walk(write_plan(tmp_path / "run.toml", plan_of(session)))
    folder = Path(document_read["folder"])
    manifest = read_manifest(folder / "artifacts" / "int4")
    assert manifest is not None
    assert manifest["built"]["block_size"] == [32, 64]
    assert read_run_toml(folder / "run.toml").configs["int4"]["passes"] == config["passes"]
