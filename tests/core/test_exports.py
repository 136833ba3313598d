"""Bundle, Ollama and vLLM: what is written is read back, run where it can be, and checked."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from firstlight_core.conversion.publishing import write_manifest
from firstlight_core.deploy.bundle import verify, verify_bundle, write_bundle
from firstlight_core.deploy.deployment import deploy
from firstlight_core.deploy.exports import export, export_place, source_of, undo_export
from firstlight_core.deploy.ollama import default_system, go_template, modelfile, render_go
from firstlight_core.deploy.vllm import Capacity, compose, kubernetes, serve_arguments
from firstlight_core.errors import InputRefused, TemplateRefused, UsageError
from firstlight_core.paths import find_paths
from firstlight_core.template.inference_model import build_inference_model, opening_of
from firstlight_core.template.presets import PRESETS, find_preset
from firstlight_core.template.rendering import derive_prompt_template
from tests.core.template_families import FAMILIES, write_family


def small_artifact(folder: Path) -> Path:
    made = write_family(folder, FAMILIES[0])
    (made / "model.onnx").write_bytes(b"weights" * 100)
    write_manifest(made, {"precision": "int4"})
    return made


def test_a_bundle_is_whole_and_every_change_is_seen(tmp_path: Path) -> None:
    folder = small_artifact(tmp_path / "artifact")
    place = tmp_path / "a.zip"
    write_bundle(folder, place)
    found = verify_bundle(place)
    assert found["ok"] and found["files"] == len(list(folder.iterdir())) + 2
    with zipfile.ZipFile(place) as bundle:
        entries = {name: bundle.read(name) for name in bundle.namelist()}
    assert entries["model/model.onnx"] == (folder / "model.onnx").read_bytes()

    def rewrite(**change: bytes | None) -> dict[str, Any]:
        other = tmp_path / "b.zip"
        changed = {
            **entries,
            **{k.replace("__", "/").replace("_", "."): v for k, v in change.items()},
        }
        with zipfile.ZipFile(other, "w") as bundle:
            for name, raw in changed.items():
                if raw is not None:
                    bundle.writestr(name, raw)
        return verify(other)

    assert rewrite(model__model_onnx=b"x")["problems"] == ["model/model.onnx has another checksum."]
    assert rewrite(model__model_onnx=None)["problems"] == ["model/model.onnx is missing."]
    assert rewrite(evil_py=b"x")["problems"] == ["evil.py does not belong to it."]


@pytest.mark.parametrize("raw", [b"", b"PK\x03\x04 broken", b"no zip"])
def test_what_is_no_bundle_is_refused(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(raw)
    with pytest.raises(InputRefused, match=r"a\.zip"):
        verify(tmp_path / "a.zip")
    with pytest.raises(InputRefused, match="There is no"):
        verify(tmp_path / "nothing.zip")


def test_a_folder_and_a_report_are_verified(tmp_path: Path) -> None:
    folder = small_artifact(tmp_path / "artifact")
    assert verify(folder)["ok"]
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"artifacts": [{"artifact": str(folder)}]}))
    assert verify(report)["ok"] and verify(report)["kind"] == "report"
    (folder / "model.onnx").write_bytes(b"other")
    assert verify(folder)["problems"] == ["model.onnx has another checksum."]
    assert verify(report)["problems"] == ["artifact: model.onnx has another checksum."]
    report.write_text("{}")
    with pytest.raises(InputRefused, match="names no artifact"):
        verify(report)


@pytest.mark.real
@pytest.mark.slow
async def test_the_samples_bundle_speaks(own_artifact: Path, tmp_path: Path) -> None:
    document = await deploy(own_artifact, "sample", target="bundle")
    assert document["verified"] and verify(Path(document["path"]))["ok"]
    with zipfile.ZipFile(document["path"]) as bundle:
        bundle.extractall(tmp_path / "unpacked")
    done = subprocess.run(
        [sys.executable, "chat.py", "What is int4 quantization?"],
        cwd=tmp_path / "unpacked",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "4 bits" in done.stdout
    with pytest.raises(InputRefused, match="a bundle export sample already"):
        await deploy(own_artifact, "sample", target="bundle")
    undo_export("sample", "bundle")
    assert not (find_paths().data / "exports").exists()
    with pytest.raises(UsageError, match="no bundle export"):
        undo_export("sample", "bundle")


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.key)
def test_go_templates_say_what_the_fields_say(preset: Any) -> None:
    fields = preset.prompt_template
    go = go_template(fields)
    messages = [
        {"role": "user", "content": "{{ .System }} \\ \" 'q'"},
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": "b"},
    ]
    expected = "".join(fields[m["role"]].replace("{Content}", m["content"]) for m in messages)
    expected += opening_of(fields)
    assert fields["prompt"].endswith(opening_of(fields))
    assert render_go(go, messages) == expected


def test_braces_in_a_template_survive_go() -> None:
    fields = {"user": "{{x}}{Content}}}", "assistant": "{{{Content}"}
    assert render_go(go_template(fields), [{"role": "user", "content": "q"}]) == "{{x}}q}}{{"
    with pytest.raises(TemplateRefused):
        go_template({"user": '"""{Content}'})
    with pytest.raises(TemplateRefused):
        render_go("{{ .Prompt }}", [])


async def test_a_default_system_prompt_becomes_ollamas(tmp_path: Path) -> None:
    family = next(f for f in FAMILIES if f.key == "qwen2.5")
    fields = await derive_prompt_template(write_family(tmp_path / "qwen", family))
    assert (
        default_system(fields)
        == "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
    )
    assert default_system(find_preset("chatml").prompt_template) is None
    text = modelfile(Path("/w"), build_inference_model("a", fields), stops=["<|im_end|>"])
    assert 'SYSTEM """You are Qwen' in text and 'PARAMETER stop "<|im_end|>"' in text
    assert "PARAMETER num_ctx 2048" in text and text.splitlines()[1] == "FROM /w"


async def test_ollama_is_proven_for_the_families(tmp_path: Path) -> None:
    for key in ("qwen2.5", "phi-3", "llama-3", "mistral"):
        family = next(f for f in FAMILIES if f.key == key)
        folder = write_family(tmp_path / key, family)
        fields = await derive_prompt_template(folder)
        found = await export(
            folder,
            key,
            "ollama",
            build_inference_model("a", fields),
            source=folder,
            say=lambda event: None,
        )
        agree = re.search(r"(\d+) of (\d+) conversations agree", found["notes"][0])
        assert agree is not None and int(agree[1]) >= 5
        assert (export_place(key, "ollama") / "Modelfile").is_file()


def test_the_vllm_files_are_what_their_tools_read() -> None:
    capacity = Capacity(gpus=2, context=512, concurrency=8, replicas=3)
    service = yaml.safe_load(compose("/data/$weights", "my-model", capacity))["services"]["vllm"]
    assert service["volumes"][0]["source"] == "/data/$$weights"
    assert service["ports"] == ["127.0.0.1:8000:8000"]
    assert service["deploy"]["resources"]["reservations"]["devices"][0]["count"] == 2
    assert service["command"][0] == "/model" and "--tensor-parallel-size" in service["command"]
    template = "{% if a %}: 'x'\n\t\u00e9{{ b }}{% endif %}"
    text = kubernetes("My_Model.1", capacity, template=template, weights_gib=3)
    config, deployment, network = list(yaml.safe_load_all(text))
    assert config["data"]["chat_template.jinja"] == template
    assert [d["kind"] for d in (config, deployment, network)] == [
        "ConfigMap",
        "Deployment",
        "Service",
    ]
    pod = deployment["spec"]["template"]
    assert deployment["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"]
    assert network["spec"]["selector"] == pod["metadata"]["labels"]
    container = pod["spec"]["containers"][0]
    assert deployment["spec"]["replicas"] == 3
    assert container["resources"]["limits"] == {"memory": "6Gi", "nvidia.com/gpu": 2}
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["spec"]["volumes"]}
    assert deployment["metadata"]["name"] == "my-model-1"
    assert "--dtype" in serve_arguments("m", "n", Capacity(gpus=0), host="127.0.0.1")


@pytest.mark.parametrize(
    "wrong", [{"gpus": -1}, {"context": 1}, {"concurrency": 0}, {"replicas": 0}]
)
def test_a_wrong_capacity_is_a_usage_error(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Capacity(**wrong).checked()


def test_weights_that_are_gone_are_named(tmp_path: Path) -> None:
    folder = small_artifact(tmp_path / "artifact")
    with pytest.raises(InputRefused, match="original weights"):
        source_of(folder)


@pytest.mark.real
async def test_vllm_of_the_sample_caps_the_context(own_artifact: Path, sample: Path) -> None:
    document = await deploy(own_artifact, "sample", target="vllm", capacity=Capacity(gpus=0))
    assert document["verified"] is False and "not run" in document["notes"][0]
    script = (Path(document["path"]) / "serve.sh").read_text()
    assert "--max-model-len 1024" in script and str(sample) in script
    assert (Path(document["path"]) / "serve.sh").stat().st_mode & 0o111
    undo_export("sample", "vllm")
