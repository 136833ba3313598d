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


def child_environment(
    environ: Mapping[str, str] | None = None, *, network: bool = False
) -> dict[str, str]:
    """The environment of every child: offline, silent, without secrets and foreign Python settings."""
    base = dict(os.environ if environ is None else environ)
    kept = {name: value for name, value in base.items() if not name.startswith("PYTHON")}
    if network:
        offline = {k: v for k, v in OFFLINE.items() if not k.endswith("_OFFLINE")}
        return kept | offline | {"FIRSTLIGHT_NETWORK": "1"}
    for secret in _SECRETS:
        kept.pop(secret, None)
    kept.pop("FIRSTLIGHT_NETWORK", None)
    return kept | OFFLINE
