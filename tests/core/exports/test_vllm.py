"""vLLM: the command, the compose file and the manifests, for every size and for adapters."""

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from firstlight_core.errors import InputRefused, UsageError
from firstlight_core.exports.vllm_command import (
    Capacity,
    Served,
    check_adapter,
    lora_rank,
    serve_arguments,
    serve_script,
    size,
)
from firstlight_core.exports.vllm_manifests import app_name, compose, kubernetes
from firstlight_core.exports.yaml import yaml_text

GIB = 2**30
TEMPLATE = "{% if a %}: 'x'\n\té🙂\u2028{{ b }}{% endif %}\x7f"
MODEL = Served(
    name="My_Model.1",
    weights=Path("/data/$weights $(x)"),
    weight_bytes=3 * GIB,
    kv_bytes_per_token=2**15,
    heads=12,
    sampling={"temperature": 0.7, "top_p": 0.9},
)
ADAPTED = Served(
    name="mine", weights=Path("/base"), adapter=Path("/my, adapter=1"), rank=12, weight_bytes=GIB
)
SIZES = (
    Capacity(gpus=0),
    Capacity(gpus=1),
    Capacity(gpus=2, context=512, concurrency=8, replicas=3),
)


def files(served: Served, capacity: Capacity) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    sizing = size(served, capacity)
    service = yaml.safe_load(compose(served, capacity, sizing))["services"]["vllm"]
    text = kubernetes(served, capacity, sizing, template=TEMPLATE)
    return service, list(yaml.safe_load_all(text))


def option(arguments: Sequence[str], name: str) -> str:
    return arguments[arguments.index(name) + 1]


@pytest.mark.parametrize("capacity", SIZES)
@pytest.mark.parametrize("served", [MODEL, ADAPTED], ids=lambda served: served.name)
def test_the_files_are_what_their_tools_read(served: Served, capacity: Capacity) -> None:
    service, (claim, config, deployment, network) = files(served, capacity)
    assert service["ports"] == ["127.0.0.1:8000:8000"]
    assert service["volumes"][0]["source"] == str(served.weights).replace("$", "$$")
    assert config["data"]["chat_template.jinja"] == TEMPLATE
    pod = deployment["spec"]["template"]
    assert deployment["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"]
    assert network["spec"]["selector"] == pod["metadata"]["labels"]
    assert deployment["spec"]["replicas"] == capacity.replicas
    container = pod["spec"]["containers"][0]
    assert container["args"] == service["command"]
    assert option(container["args"], "--max-num-seqs") == str(capacity.concurrency)
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["spec"]["volumes"]}
    assert claim["metadata"]["name"] == f"{app_name(served.name)}-weights"
    wanted = "ReadWriteMany" if capacity.replicas > 1 else "ReadWriteOnce"
    assert claim["spec"]["accessModes"] == [wanted]
    environment = {row["name"]: row["value"] for row in container["env"]}
    assert environment == service["environment"]
    limits = container["resources"]["limits"]
    if capacity.gpus:
        assert limits["nvidia.com/gpu"] == capacity.gpus
        assert service["deploy"]["resources"]["reservations"]["devices"][0]["count"] == (
            capacity.gpus
        )
        assert "VLLM_CPU_KVCACHE_SPACE" not in environment
    else:
        assert "nvidia.com/gpu" not in limits and "deploy" not in service
        assert "cpu" in container["image"] and service["cap_add"] == ["SYS_NICE"]
        assert int(environment["VLLM_CPU_KVCACHE_SPACE"]) >= 1


def test_an_adapter_is_served_on_its_base() -> None:
    arguments = serve_arguments(ADAPTED, Capacity())
    assert option(arguments, "--served-model-name") == "mine-base"
    assert json.loads(option(arguments, "--lora-modules")) == {
        "name": "mine",
        "path": "/my, adapter=1",
    }
    assert option(arguments, "--max-lora-rank") == "16"
    service, (_, _, deployment, _) = files(ADAPTED, Capacity())
    assert {volume["target"] for volume in service["volumes"]} == {"/model", "/adapter", "/settled"}
    mounts = deployment["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    assert {m.get("subPath"): m["mountPath"] for m in mounts if m["name"] == "weights"} == {
        "base": "/model",
        "adapter": "/adapter",
    }
    assert [lora_rank(n) for n in (1, 2, 8, 512)] == [1, 8, 8, 512]
    with pytest.raises(InputRefused, match="rank 512"):
        lora_rank(513)


@pytest.mark.parametrize(
    "settings,message",
    [
        ({"use_dora": True}, "use_dora"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"init_lora_weights": "pissa"}, "pissa"),
        ({"bias": "all"}, "bias"),
    ],
)
def test_an_adapter_that_vllm_cannot_serve_is_named(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    plain = {"init_lora_weights": True, "bias": "none", "use_dora": False, "modules_to_save": None}
    (tmp_path / "adapter_config.json").write_text(json.dumps(plain))
    check_adapter(tmp_path)
    (tmp_path / "adapter_config.json").write_text(json.dumps(plain | settings))
    with pytest.raises(InputRefused, match=message):
        check_adapter(tmp_path)


def test_the_settled_sampling_goes_along() -> None:
    arguments = serve_arguments(MODEL, Capacity())
    assert json.loads(option(arguments, "--override-generation-config")) == MODEL.sampling
    script = serve_script(MODEL, Capacity(gpus=0), size(MODEL, Capacity(gpus=0)))
    words = shlex.split(script.splitlines()[-1])
    assert words == ["exec", *serve_arguments(MODEL, Capacity(gpus=0)), "$@"]
    assert subprocess.run(["sh", "-n"], input=script, text=True, timeout=10).returncode == 0


def test_the_estimates_follow_the_form() -> None:
    small, large = (size(MODEL, Capacity(gpus=1, concurrency=n)) for n in (1, 64))
    assert small.kv_cache_bytes == 2**15 * 2048 and large.kv_cache_bytes == 64 * 2**15 * 2048
    assert small.gpu_bytes is not None and large.gpu_bytes is not None
    assert 3 * GIB < small.gpu_bytes < large.gpu_bytes
    halves = size(MODEL, Capacity(gpus=2)).gpu_bytes
    assert halves is not None and halves < small.gpu_bytes
    assert size(MODEL, Capacity(gpus=0)).gpu_bytes is None
    assert size(MODEL, Capacity(gpus=0, concurrency=256)).memory_bytes > 16 * GIB
    assert "gpu_bytes" not in size(MODEL, Capacity(gpus=0)).to_json()
    with pytest.raises(UsageError, match="12 attention heads cannot be shared out among 5 GPUs"):
        size(MODEL, Capacity(gpus=5))


@pytest.mark.parametrize(
    "wrong", [{"gpus": -1}, {"context": 1}, {"concurrency": 0}, {"replicas": 0}]
)
def test_a_wrong_capacity_is_a_usage_error(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Capacity(**wrong).checked()


@pytest.mark.parametrize("name", ["1model", "_x", "A.b_c", "x" * 80, "7", "-"])
def test_kubernetes_names_begin_with_a_letter(name: str) -> None:
    label = app_name(name)
    assert label[0].isalpha() and label[-1].isalnum() and len(label) <= 60
    assert label.replace("-", "").isalnum() and label == label.lower()


@pytest.mark.parametrize(
    "value",
    [
        {
            "a": "yes",
            "b": "1.0",
            "c": None,
            "d": True,
            "e": [],
            "f": {},
            "g": ["x", ["y"], {"z": 1}],
        },
        {"t": TEMPLATE, "u": "\x00\x1f\x85\ufeff\U0010ffff\\ud83d \\"},
        ["- a: b", "# no comment", "&x", ""],
    ],
)
def test_yaml_is_read_as_it_was_meant(value: object) -> None:
    assert yaml.safe_load(yaml_text(value)) == value
    assert yaml_text(value).isascii()


def _tool(name: str) -> str:
    """A validator of the development environment, or of the one that `make test-vllm` builds."""
    program = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if program is None:
        pytest.skip(f"needs {name}: make test-vllm installs it")
    return program


@pytest.mark.slow
@pytest.mark.parametrize("served", [MODEL, ADAPTED], ids=lambda served: served.name)
def test_the_schema_of_compose_accepts_the_files(served: Served, tmp_path: Path) -> None:
    tool = _tool("check-jsonschema")
    for number, capacity in enumerate(SIZES):
        text = compose(served, capacity, size(served, capacity))
        (tmp_path / f"{number}.yaml").write_text(text)
    (tmp_path / "wrong").write_text(text.replace("healthcheck:", "health:"))
    accepted = [f"{number}.yaml" for number in range(len(SIZES))]
    assert _run(tool, "--builtin-schema", "vendor.compose-spec", *accepted, folder=tmp_path) == 0
    assert _run(tool, "--builtin-schema", "vendor.compose-spec", "wrong", folder=tmp_path) == 1


@pytest.mark.parametrize("served", [MODEL, ADAPTED], ids=lambda served: served.name)
def test_the_schemas_of_kubernetes_accept_the_files(served: Served, tmp_path: Path) -> None:
    tool = _tool("kubernetes-validate")
    for number, capacity in enumerate(SIZES):
        text = kubernetes(served, capacity, size(served, capacity), template=TEMPLATE)
        (tmp_path / f"{number}.yaml").write_text(text)
    (tmp_path / "wrong").write_text(text.replace("containerPort:", "port:"))
    accepted = [f"{number}.yaml" for number in range(len(SIZES))]
    for version in ("1.25", "1.37"):
        assert _run(tool, "--strict", "-k", version, *accepted, folder=tmp_path) == 0
    assert _run(tool, "--strict", "-k", "1.37", "wrong", folder=tmp_path) == 1


def _run(*command: str, folder: Path) -> int:
    return subprocess.run(command, cwd=folder, capture_output=True, timeout=60).returncode
