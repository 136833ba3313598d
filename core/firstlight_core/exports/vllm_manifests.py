"""A compose file and Kubernetes manifests around `vllm serve`."""

from firstlight_core.errors import InputRefused
from firstlight_core.exports.vllm_command import (
    PORT,
    QUIET,
    Capacity,
    Served,
    Sizing,
    cpu_environment,
    serve_arguments,
)
from firstlight_core.exports.yaml import yaml_text

Block = dict[str, object]
IMAGE = "vllm/vllm-openai:v0.32.0"
"""The release that was run here on CPU, from the package index; the images carry the same number (not pulled here)."""
CPU_IMAGE = "public.ecr.aws/q9t5s3a7/vllm-cpu-release-repo:v0.32.0"
"""Where vLLM's documentation ("Deployment with CPUs") takes its x86 image from (not pulled here)."""
SHARED_MEMORY = "4gb"
"""PyTorch's processes exchange tensors through it; the size of vLLM's own examples."""
CONFIG_LIMIT = 1_000_000
"""Bytes; Kubernetes refuses a ConfigMap above 1 MiB."""


def _image(capacity: Capacity) -> str:
    return IMAGE if capacity.gpus else CPU_IMAGE


def _arguments(served: Served, capacity: Capacity) -> list[str]:
    # The images' entry point is `vllm serve` itself.
    return serve_arguments(
        served,
        capacity,
        host="0.0.0.0",
        model="/model",
        adapter="/adapter",
        template="/settled/chat_template.jinja",
    )[2:]


def _environment(capacity: Capacity, sizing: Sizing) -> dict[str, str]:
    return QUIET | (cpu_environment(sizing) if capacity.gpus == 0 else {})


def compose(served: Served, capacity: Capacity, sizing: Sizing) -> str:
    """Return a compose file with the weights mounted read-only, on loopback, with a health check."""
    health = f"import urllib.request as u; u.urlopen('http://127.0.0.1:{PORT}/health', timeout=3)"
    service: Block = {
        "image": _image(capacity),
        # A dollar sign would be taken for a variable.
        "command": [text.replace("$", "$$") for text in _arguments(served, capacity)],
        "ports": [f"127.0.0.1:{PORT}:{PORT}"],
        "volumes": [
            _bind(str(served.weights), "/model"),
            *([_bind(str(served.adapter), "/adapter")] if served.adapter else []),
            _bind(".", "/settled"),
        ],
        "shm_size": SHARED_MEMORY,
        "restart": "unless-stopped",
        "environment": _environment(capacity, sizing),
        "healthcheck": {
            "test": ["CMD", "python3", "-c", health],
            "interval": "10s",
            "timeout": "5s",
            "retries": 3,
            "start_period": f"{sizing.startup_seconds}s",
        },
    }
    if capacity.gpus:
        device = {"driver": "nvidia", "count": capacity.gpus, "capabilities": ["gpu"]}
        service["deploy"] = {"resources": {"reservations": {"devices": [device]}}}
    else:
        # vLLM binds its threads and memory to the processor's nodes.
        service["cap_add"] = ["SYS_NICE"]
    return yaml_text({"services": {"vllm": service}})


def _bind(source: str, target: str) -> Block:
    return {
        "type": "bind",
        "source": source.replace("$", "$$"),
        "target": target,
        "read_only": True,
    }


def app_name(name: str) -> str:
    """Return the name of the Kubernetes objects: a Service's begins with a letter and has 63 characters at most."""
    label = name.lower().replace("_", "-").replace(".", "-").strip("-")[:50].strip("-")
    return label if label[:1].isalpha() else f"m-{label}".strip("-")


def claim_name(name: str) -> str:
    """Return the volume claim that holds the weights."""
    return f"{app_name(name)}-weights"


def kubernetes(served: Served, capacity: Capacity, sizing: Sizing, *, template: str) -> str:
    """Volume claim, ConfigMap with the template, Deployment with probes and resources, and Service.

    Raises:
        InputRefused: the template is too long for a ConfigMap.
    """
    if len(template.encode()) > CONFIG_LIMIT:
        raise InputRefused("The chat template is too long for a Kubernetes ConfigMap (1 MiB).")
    app = app_name(served.name)
    labels: Block = {"app.kubernetes.io/name": app, "app.kubernetes.io/component": "vllm"}
    pod = {
        "metadata": {"labels": labels},
        "spec": {
            "automountServiceAccountToken": False,
            # A Service called vllm would set VLLM_PORT, which the server reads as its own.
            "enableServiceLinks": False,
            "containers": [_container(served, capacity, sizing)],
            "volumes": [
                {
                    "name": "weights",
                    "persistentVolumeClaim": {"claimName": claim_name(served.name)},
                },
                {"name": "settled", "configMap": {"name": f"{app}-settled"}},
                {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": "4Gi"}},
            ],
        },
    }
    replicas = {"replicas": capacity.replicas, "selector": {"matchLabels": labels}}
    port = {"name": "http", "port": 80, "targetPort": "http"}
    documents = [
        _object("v1", "PersistentVolumeClaim", claim_name(served.name), labels)
        | {"spec": _claim(served, capacity)},
        _object("v1", "ConfigMap", f"{app}-settled", labels)
        | {"data": {"chat_template.jinja": template}},
        _object("apps/v1", "Deployment", app, labels) | {"spec": {**replicas, "template": pod}},
        _object("v1", "Service", app, labels) | {"spec": {"selector": labels, "ports": [port]}},
    ]
    return "---\n".join(yaml_text(document) for document in documents)


def _object(version: str, kind: str, name: str, labels: Block) -> Block:
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name, "labels": labels},
    }


def _claim(served: Served, capacity: Capacity) -> Block:
    mode = "ReadWriteOnce" if capacity.replicas == 1 else "ReadWriteMany"
    storage = f"{_gibibytes(served.weight_bytes * 11 // 10)}Gi"
    return {"accessModes": [mode], "resources": {"requests": {"storage": storage}}}


def _container(served: Served, capacity: Capacity, sizing: Sizing) -> Block:
    # The volume in memory counts against the limit of the pod.
    memory = f"{_gibibytes(sizing.memory_bytes) + 4}Gi"
    limits: Block = {"memory": memory}
    if capacity.gpus:
        limits["nvidia.com/gpu"] = capacity.gpus
    allowed: Block = {"allowPrivilegeEscalation": False}
    if capacity.gpus == 0:
        allowed["capabilities"] = {"add": ["SYS_NICE"]}
    mounts = [_mount("weights", "/model", "base" if served.adapter else None)]
    if served.adapter is not None:
        mounts.append(_mount("weights", "/adapter", "adapter"))
    return {
        "name": "vllm",
        "image": _image(capacity),
        # $(NAME) would be taken for a variable.
        "args": [text.replace("$(", "$$(") for text in _arguments(served, capacity)],
        "ports": [{"name": "http", "containerPort": PORT}],
        "env": [
            {"name": name, "value": value} for name, value in _environment(capacity, sizing).items()
        ],
        "resources": {"requests": {"cpu": str(sizing.cpus), "memory": memory}, "limits": limits},
        "securityContext": allowed,
        # Until the model is listed, no other probe counts.
        "startupProbe": _probe(
            "/v1/models", periodSeconds=10, failureThreshold=-(-sizing.startup_seconds // 10)
        ),
        "readinessProbe": _probe("/v1/models", periodSeconds=10, failureThreshold=3),
        "livenessProbe": _probe("/health", periodSeconds=20, failureThreshold=3),
        "volumeMounts": [
            *mounts,
            _mount("settled", "/settled", None),
            {"name": "shared-memory", "mountPath": "/dev/shm"},
        ],
    }


def _probe(path: str, **more: int) -> Block:
    return {"httpGet": {"path": path, "port": "http"}, "timeoutSeconds": 5, **more}


def _mount(volume: str, path: str, below: str | None) -> Block:
    mount: Block = {"name": volume, "mountPath": path, "readOnly": True}
    return mount | ({"subPath": below} if below else {})


def _gibibytes(count: int) -> int:
    return max(1, -(-count // 2**30))
