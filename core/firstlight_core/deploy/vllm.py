"""What a vLLM server needs to run the original weights with the settled chat template.

For those who outgrow one machine: the command, a compose file and Kubernetes manifests. The YAML is written with
JSON scalars, which YAML includes.
"""

import json
import shlex
from dataclasses import dataclass

from firstlight_core.errors import UsageError

IMAGE = "vllm/vllm-openai:v0.32.0"
"""The release that FACTS.md ran on CPU; the images carry the same number."""
PORT = 8000


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """The small form: how big the server shall be."""

    gpus: int = 1
    """GPUs of one replica (tensor parallel); 0 runs on the CPU."""
    context: int = 2048
    """Tokens of prompt and answer together."""
    concurrency: int = 16
    """Requests that are worked on side by side in one replica."""
    replicas: int = 1

    def checked(self) -> "Capacity":
        """The capacity itself.

        Raises:
            UsageError: a number is out of its range.
        """
        for name, low, high in (
            ("gpus", 0, 64),
            ("context", 16, 2**20),
            ("concurrency", 1, 4096),
            ("replicas", 1, 1000),
        ):
            if not low <= getattr(self, name) <= high:
                raise UsageError(f"{name} must be a whole number from {low} to {high}.")
        return self


def serve_arguments(model: str, name: str, capacity: Capacity, *, host: str) -> list[str]:
    """`vllm serve` for this model; the settled chat template lies beside the weights."""
    arguments = ["vllm", "serve", model, "--served-model-name", name, "--host", host]
    arguments += ["--port", str(PORT), "--max-model-len", str(capacity.context)]
    arguments += ["--max-num-seqs", str(capacity.concurrency)]
    arguments += ["--chat-template", "chat_template.jinja"]
    if capacity.gpus > 1:
        arguments += ["--tensor-parallel-size", str(capacity.gpus)]
    if capacity.gpus == 0:
        arguments += ["--dtype", "bfloat16", "--enforce-eager"]
    return arguments


def serve_script(source: str, name: str, capacity: Capacity) -> str:
    """A shell script that serves the weights on this machine, on loopback."""
    command = shlex.join(serve_arguments(source, name, capacity, host="127.0.0.1"))
    lines = ["#!/bin/sh", "# Written by Firstlight.", 'cd "$(dirname "$0")" || exit 1']
    if capacity.gpus == 0:
        lines.append("export VLLM_CPU_KVCACHE_SPACE=1")
    return "\n".join([*lines, f"exec {command}", ""])


def _container_arguments(name: str, capacity: Capacity) -> list[str]:
    # The image's entry point is `vllm serve` itself.
    arguments = serve_arguments("/model", name, capacity, host="0.0.0.0")[2:]
    place = arguments.index("chat_template.jinja")
    return [*arguments[:place], "/settled/chat_template.jinja", *arguments[place + 1 :]]


def compose(source: str, name: str, capacity: Capacity) -> str:
    """A compose file with the weights mounted read-only, on loopback, with a health check."""
    health = f"import urllib.request as u; u.urlopen('http://127.0.0.1:{PORT}/health', timeout=3)"
    service: dict[str, object] = {
        "image": IMAGE,
        "command": _container_arguments(name, capacity),
        "ports": [f"127.0.0.1:{PORT}:{PORT}"],
        "volumes": [
            # A dollar sign would be taken for a variable.
            {
                "type": "bind",
                "source": source.replace("$", "$$"),
                "target": "/model",
                "read_only": True,
            },
            {"type": "bind", "source": ".", "target": "/settled", "read_only": True},
        ],
        "ipc": "host",
        "restart": "unless-stopped",
        "environment": {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"},
        "healthcheck": {
            "test": ["CMD", "python3", "-c", health],
            "interval": "10s",
            "timeout": "5s",
            "retries": 3,
            "start_period": "300s",
        },
    }
    if capacity.gpus:
        device = {"driver": "nvidia", "count": capacity.gpus, "capabilities": ["gpu"]}
        service["deploy"] = {"resources": {"reservations": {"devices": [device]}}}
    return _yaml({"services": {"vllm": service}})


def kubernetes(name: str, capacity: Capacity, *, template: str, weights_gib: int) -> str:
    """ConfigMap, Deployment with probes and limits, and Service; the weights come from a volume claim."""
    app = name.lower().replace("_", "-").replace(".", "-").strip("-")[:50].strip("-") or "model"
    labels = {"app.kubernetes.io/name": app, "app.kubernetes.io/component": "vllm"}

    def probe(path: str, **more: int) -> dict[str, object]:
        return {"httpGet": {"path": path, "port": PORT}, "timeoutSeconds": 5, **more}

    memory = f"{max(4, 2 * weights_gib)}Gi"
    limits: dict[str, object] = {"memory": memory}
    if capacity.gpus:
        limits["nvidia.com/gpu"] = capacity.gpus
    container = {
        "name": "vllm",
        "image": IMAGE,
        "args": _container_arguments(name, capacity),
        "ports": [{"name": "http", "containerPort": PORT}],
        "env": [
            {"name": "HF_HUB_OFFLINE", "value": "1"},
            {"name": "VLLM_NO_USAGE_STATS", "value": "1"},
        ],
        "resources": {"requests": {"cpu": "2", "memory": memory}, "limits": limits},
        # Loading takes minutes; until the model answers, no other probe counts.
        "startupProbe": probe("/v1/models", periodSeconds=10, failureThreshold=120),
        "readinessProbe": probe("/v1/models", periodSeconds=10, failureThreshold=3),
        "livenessProbe": probe("/health", periodSeconds=20, failureThreshold=3),
        "volumeMounts": [
            {"name": "weights", "mountPath": "/model", "readOnly": True},
            {"name": "settled", "mountPath": "/settled", "readOnly": True},
            {"name": "shared-memory", "mountPath": "/dev/shm"},
        ],
    }
    volumes = [
        {
            "name": "weights",
            "persistentVolumeClaim": {"claimName": f"{app}-weights", "readOnly": True},
        },
        {"name": "settled", "configMap": {"name": f"{app}-settled"}},
        {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"}},
    ]
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [container], "volumes": volumes}}
    documents: list[dict[str, object]] = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"{app}-settled", "labels": labels},
            "data": {"chat_template.jinja": template},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": app, "labels": labels},
            "spec": {
                "replicas": capacity.replicas,
                "selector": {"matchLabels": labels},
                "template": pod,
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": app, "labels": labels},
            "spec": {
                "selector": labels,
                "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
            },
        },
    ]
    return "---\n".join(_yaml(document) for document in documents)


def _yaml(value: object) -> str:
    return "\n".join(_lines(value)) + "\n"


def _lines(value: object, indent: int = 0) -> list[str]:
    """Block style for what nests, JSON for scalars and lists of scalars."""
    pad = "  " * indent
    if isinstance(value, dict):
        lines = []
        for key, item in value.items():
            if _nests(item):
                lines += [f"{pad}{key}:", *_lines(item, indent + 1)]
            else:
                lines.append(f"{pad}{key}: {json.dumps(item)}")
        return lines
    if isinstance(value, list):
        lines = []
        for item in value:
            below = _lines(item, indent + 1)
            lines += [f"{pad}- {below[0].lstrip()}", *below[1:]]
        return lines
    return [pad + json.dumps(value)]


def _nests(value: object) -> bool:
    if isinstance(value, dict):
        return bool(value)
    return isinstance(value, list) and any(isinstance(item, dict | list) for item in value)
