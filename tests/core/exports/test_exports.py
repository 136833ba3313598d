"""Exports through the deploy verb: what is written, noted, refused and taken back."""

import json
import os
from pathlib import Path

import pytest

from firstlight_core.artifact.publishing import read_manifest, write_manifest
from firstlight_core.deploy.deployment import deploy
from firstlight_core.errors import InputRefused, UsageError
from firstlight_core.exports.export import export_place, undo_export
from firstlight_core.exports.ollama import MLX_ONLY
from firstlight_core.exports.source_weights import changed_since, licences, original_weights
from firstlight_core.exports.vllm_command import Capacity
from firstlight_core.model.fingerprint import fingerprint
from tests.support.template_families import FAMILIES, write_family


def small_artifact(folder: Path, **manifest: object) -> Path:
    made = write_family(folder, FAMILIES[0])
    (made / "model.onnx").write_bytes(b"weights" * 100)
    write_manifest(made, {"precision": "int4", **manifest})
    return made


def test_weights_that_are_gone_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="original weights"):
        original_weights(small_artifact(tmp_path / "artifact"))
    with pytest.raises(InputRefused, match="There is no folder"):
        original_weights(tmp_path / "artifact", tmp_path / "gone")
    with pytest.raises(InputRefused, match="no safetensors"):
        original_weights(tmp_path / "artifact", tmp_path / "artifact")


def test_a_path_that_no_file_can_name_is_refused(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"x")
    with pytest.raises(InputRefused, match="not UTF-8"):
        original_weights(tmp_path, folder)


def test_licences_of_adapter_and_base_are_both_found(tmp_path: Path) -> None:
    for name in ("adapter", "base"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "LICENSE").write_text(name)
    (tmp_path / "base" / "NOTICE.txt").write_text("n")
    (tmp_path / "base" / "Licence.long").write_bytes(b"x" * (2**20 + 1))
    texts = licences(tmp_path / "adapter", None, tmp_path / "base", tmp_path / "gone")
    assert texts == {"LICENSE": b"adapter", "NOTICE.txt": b"n"}


def test_changed_weights_are_noticed(sample: Path, tmp_path: Path) -> None:
    weights = original_weights(tmp_path, sample)
    about = {"path": str(sample), "fingerprint": fingerprint(sample)}
    artifact = small_artifact(tmp_path / "artifact", source=about)
    assert original_weights(artifact) == weights and not changed_since(artifact, weights)
    other = small_artifact(tmp_path / "other", source={**about, "fingerprint": "sha256:0"})
    assert changed_since(other, weights)
    assert not changed_since(small_artifact(tmp_path / "unknown"), weights)


@pytest.mark.real
async def test_vllm_of_the_sample_and_its_adapter(own_artifact: Path, sample: Path) -> None:
    document = await deploy(own_artifact, "sample", target="vllm", capacity=Capacity(gpus=0))
    assert document["verified"] is False and "not run" in document["notes"][0]
    assert "Estimate" in document["notes"][1]
    assert document["estimates"]["memory_bytes"] > 2**30
    script = (Path(document["path"]) / "serve.sh").read_text()
    # The sample's context, not the 2048 that were asked for.
    assert "--max-model-len 1024" in script and str(sample) in script
    assert "2,048 tokens of context were asked for; the model has 1,024." in document["notes"]
    assert (Path(document["path"]) / "serve.sh").stat().st_mode & 0o111
    with pytest.raises(InputRefused, match="a vllm export sample already"):
        await deploy(own_artifact, "sample", target="vllm")
    await deploy(own_artifact, "sample", target="vllm", replace=True)
    assert "--dtype" in script
    assert "--dtype" not in (Path(document["path"]) / "serve.sh").read_text()
    undo_export("sample", "vllm")
    with pytest.raises(UsageError, match="4 attention heads"):
        await deploy(own_artifact, "sample", target="vllm", capacity=Capacity(gpus=3))
    adapter = sample.parent / "adapter"
    document = await deploy(own_artifact, "tuned", target="vllm", source=adapter)
    script = (Path(document["path"]) / "serve.sh").read_text()
    assert "--enable-lora --max-lora-rank 8" in script and str(adapter) in script
    assert f"vllm serve {sample} " in script and "tuned-base" in document["notes"][-1]
    assert not export_place("sample", "vllm").exists()


@pytest.mark.real
async def test_links_that_a_container_does_not_see_are_noted(
    own_artifact: Path, sample: Path, tmp_path: Path
) -> None:
    snapshot = tmp_path / "hub" / "snapshots" / "1"
    snapshot.mkdir(parents=True)
    for path in sample.iterdir():
        (snapshot / path.name).symlink_to(path)
    document = await deploy(own_artifact, "linked", target="vllm", source=snapshot)
    assert "a container does not see" in document["notes"][-1]
    with pytest.raises(InputRefused, match="links out of their folder"):
        await deploy(own_artifact, "linked", target="ollama", source=snapshot)


@pytest.mark.real
async def test_ollama_of_the_sample_is_proven(own_artifact: Path, sample: Path) -> None:
    document = await deploy(own_artifact, "sample", target="ollama")
    assert document["notes"][:2] == [
        "TEMPLATE was rendered and compared: 11 of 11 conversations agree. Ollama itself was not run.",
        MLX_ONLY,
    ]
    text = (Path(document["path"]) / "Modelfile").read_text()
    assert f"\nFROM {sample}\n" in text and "PARAMETER num_ctx 1024" in text
    assert read_manifest(Path(document["path"])) is not None
    undo_export("sample", "ollama")
    with pytest.raises(InputRefused, match="no adapters any more"):
        await deploy(own_artifact, "sample", target="ollama", source=sample.parent / "adapter")
    assert not export_place("sample", "ollama").exists()
    config = json.loads((sample / "config.json").read_text())
    assert config["architectures"] == ["Qwen2ForCausalLM"]
