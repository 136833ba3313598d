"""The environment of every child: offline, silent, without secrets."""

import os
from collections.abc import Mapping

OFFLINE = {
    # CI is the only switch that stops Olive's heartbeat and Foundry Local's ProcessInfo upload (FACTS.md).
    "CI": "1",
    "DO_NOT_TRACK": "1",
    "OLIVE_DISABLE_TELEMETRY": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "ORT_TELEMETRY_DISABLED": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUNBUFFERED": "1",
    "PYTHONSAFEPATH": "1",
    "PYTHONUTF8": "1",
    "NO_COLOR": "1",
}
_SECRETS = (
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "HUGGINGFACE_TOKEN",
    "OPENAI_API_KEY",
    "FIRSTLIGHT_API_KEY",
)

_LIBRARIES = (
    "ACCELERATE_", "ALLOW_RELEASED_ONNX_", "ATEN_", "DISABLE_KERNEL_", "DNNL_", "FSDP_", "HF_", "HUGGINGFACE_",
    "MLAS_", "OGA_", "OLIVE_", "ONEDNN_", "ONNX_", "ORTGENAI_", "ORT_", "PARALLELISM_CONFIG_", "PEFT_", "PYTORCH_",
    "QUANTIZATION_", "SAFETENSORS_", "TORCHDYNAMO_", "TORCHELASTIC_", "TORCHINDUCTOR_", "TORCH_", "TRANSFORMERS_",
    "USE_HUB_", "XLA_",
)  # fmt: skip
"""Library options of a child: some change what is loaded or computed, some only what is logged."""
_SWITCHES = (
    "LOCAL_RANK", "LOCAL_WORLD_SIZE", "LOGLEVEL", "MASTER_ADDR", "MASTER_PORT", "RANK", "USE_FLAX", "USE_JAX",
    "USE_OLIVE_ENV", "USE_TF", "USE_TORCH", "USE_TORCH_XLA", "WORLD_SIZE",
)  # fmt: skip
_PLACES = ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "ORT_LIB_PATH")
"""Where files are: that changes no result."""


def _decides(name: str) -> bool:
    """Return whether a variable may change what the libraries of a child load, compute or report."""
    upper = name.upper()
    return upper not in _PLACES and (upper.startswith(_LIBRARIES) or upper in _SWITCHES)


def child_environment(
    environ: Mapping[str, str] | None = None, *, network: bool = False
) -> dict[str, str]:
    """Return the environment of every child: offline, silent, without secrets and foreign settings of its libraries.

    What a user has set for transformers, ONNX Runtime or Olive elsewhere must not change a verdict here. A child with
    `network` downloads only; it keeps the settings of the hub's client.
    """
    base = dict(os.environ if environ is None else environ)
    variables = {
        name: value
        for name, value in base.items()
        if not name.startswith("PYTHON")
        and (not _decides(name) or (network and name.startswith(("HF_", "HUGGINGFACE_"))))
    }
    if network:
        offline = {k: v for k, v in OFFLINE.items() if not k.endswith("_OFFLINE")}
        return variables | offline | {"FIRSTLIGHT_NETWORK": "1"}
    for secret in _SECRETS:
        variables.pop(secret, None)
    variables.pop("FIRSTLIGHT_NETWORK", None)
    return variables | OFFLINE
