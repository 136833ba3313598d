"""The `vllm serve` command for the original weights with the settled template, and how big its server must be.

For those who outgrow one machine. A LoRA adapter is served with `--enable-lora` on its base, not merged: nothing
has to be written, several adapters can share one base, and its answers were the merged artifact's (docs/vllm.md).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from firstlight_core.documents.deploy import CapacityDocument, SizingDocument
from firstlight_core.errors import InputRefused, UsageError
from firstlight_core.files import read_json_object
from firstlight_core.shells import command_line, set_variable
from firstlight_core.text import one_line

PORT = 8000
LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The ranks that `--max-lora-rank` takes (vLLM 0.32, vllm/config/lora.py)."""
RUNTIME_BYTES = 2 * 2**30
"""Memory of the server's processes besides weights and KV cache: 1.5 GiB measured on CPU (docs/vllm.md), rounded up."""
GPU_UTILIZATION = 0.92
"""The share of a GPU's memory that vLLM takes by itself (vLLM 0.32, vllm/config/cache.py)."""


CAPACITY_LIMITS = {
    "gpus": (0, 64),
    "context": (16, 2**20),
    "concurrency": (1, 4096),
    "replicas": (1, 1000),
}
"""Least and most of each number in the form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """The size of a server in four numbers."""

    gpus: int = 1
    """GPUs of one replica (tensor parallel); 0 runs on the CPU."""
    context: int = 2048
    """Tokens of prompt and answer together."""
    concurrency: int = 16
    """Requests that are worked on side by side in one replica."""
    replicas: int = 1

    def to_json(self) -> CapacityDocument:
        """Return its part of a document."""
        return {
            "gpus": self.gpus,
            "context": self.context,
            "concurrency": self.concurrency,
            "replicas": self.replicas,
        }

    def checked(self) -> "Capacity":
        """Return the capacity itself.

        Raises:
            UsageError: a number is out of its range.
        """
        for name, (low, high) in CAPACITY_LIMITS.items():
            if not low <= getattr(self, name) <= high:
                raise UsageError(f"{name} must be a whole number from {low} to {high}.")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The model that is served under a name."""

    name: str
    weights: Path
    """The original weights, or the base of `adapter`."""
    adapter: Path | None = None
    rank: int = 0
    """The adapter's rank."""
    weight_bytes: int = 0
    kv_bytes_per_token: int = 0
    """At two bytes a value; 0 when it is not known."""
    heads: int = 0
    """Attention heads; 0 when they are not known."""
    sampling: Mapping[str, float] = field(default_factory=dict)
    """The settled defaults, under the names of generation_config.json."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """The needs of one replica. Every number is an estimate."""

    kv_cache_bytes: int
    """`concurrency` requests that all fill their context: tokens x layers x KV heads x head size x 2 x 2 bytes."""
    memory_bytes: int
    """Main memory of the server."""
    gpu_bytes: int | None
    """Memory that one GPU must have; None on the CPU. Activations and CUDA graphs are put at 2 GiB."""
    cpus: int
    """vLLM's own advice: an API server, an engine core and one worker a GPU want a core each."""
    startup_seconds: int
    """Five minutes, and the weights read over 1 Gbit/s."""

    def to_json(self) -> SizingDocument:
        """Return its part of a document."""
        document: SizingDocument = {
            "kv_cache_bytes": self.kv_cache_bytes,
            "memory_bytes": self.memory_bytes,
            "cpus": self.cpus,
            "startup_seconds": self.startup_seconds,
        }
        if self.gpu_bytes is not None:
            document["gpu_bytes"] = self.gpu_bytes
        return document


def size(served: Served, capacity: Capacity) -> Sizing:
    """Estimate what one replica of `capacity` needs.

    Raises:
        UsageError: the attention heads cannot be shared out among the GPUs, which vLLM refuses.
    """
    gpus = capacity.gpus
    if served.heads and gpus > 1 and served.heads % gpus:
        fitting = [n for n in range(1, min(served.heads, 64) + 1) if served.heads % n == 0]
        raise UsageError(
            f"The model's {served.heads} attention heads cannot be shared out among {gpus} GPUs.",
            hint=f"Take one of: {', '.join(map(str, fitting))}.",
        )
    cache = served.kv_bytes_per_token * capacity.context * capacity.concurrency
    gpu = None
    if gpus:
        gpu = int(((served.weight_bytes + cache) / gpus + 2 * 2**30) / GPU_UTILIZATION)
    return Sizing(
        kv_cache_bytes=cache,
        # Weights pass through main memory on their way to a GPU, shard by shard: an upper bound.
        memory_bytes=RUNTIME_BYTES * max(1, gpus)
        + served.weight_bytes
        + (0 if gpus else max(cache, 2**30)),
        gpu_bytes=gpu,
        cpus=2 + max(1, gpus),
        startup_seconds=300 + served.weight_bytes // 125_000_000,
    )


def cpu_environment(sizing: Sizing) -> dict[str, str]:
    """Environment of a server without GPU: GiB of KV cache."""
    return {"VLLM_CPU_KVCACHE_SPACE": str(max(1, -(-sizing.kv_cache_bytes // 2**30)))}


QUIET = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
"""The server downloads nothing and sends no usage reports."""


def serve_arguments(
    served: Served,
    capacity: Capacity,
    *,
    host: str = "127.0.0.1",
    model: str | None = None,
    adapter: str | None = None,
    template: str = "chat_template.jinja",
) -> list[str]:
    """`vllm serve` for this model; `model`, `adapter` and `template` are the paths where it runs."""
    lora = served.adapter is not None
    arguments = ["vllm", "serve", model or str(served.weights)]
    arguments += ["--served-model-name", f"{served.name}-base" if lora else served.name]
    arguments += ["--host", host, "--port", str(PORT)]
    arguments += ["--max-model-len", str(capacity.context)]
    arguments += ["--max-num-seqs", str(capacity.concurrency)]
    arguments += ["--chat-template", template]
    if served.sampling:
        arguments += ["--override-generation-config", json.dumps(dict(served.sampling))]
    if lora:
        module = {"name": served.name, "path": adapter or str(served.adapter)}
        arguments += ["--enable-lora", "--max-lora-rank", str(lora_rank(served.rank))]
        arguments += ["--lora-modules", json.dumps(module)]
    if capacity.gpus > 1:
        arguments += ["--tensor-parallel-size", str(capacity.gpus)]
    if capacity.gpus == 0:
        arguments += ["--dtype", "bfloat16", "--enforce-eager"]
    return arguments


def lora_rank(rank: int) -> int:
    """Return the smallest `--max-lora-rank` that holds an adapter of this rank.

    Raises:
        InputRefused: vLLM holds none of this rank.
    """
    for largest in LORA_RANKS:
        if rank <= largest:
            return largest
    raise InputRefused(
        f"vLLM takes adapters up to rank {LORA_RANKS[-1]}; this one has {rank}.",
        hint="Merge it into its base, and name the merged folder: --source FOLDER",
    )


def check_adapter(adapter: Path) -> None:
    """Check that vLLM can serve this adapter on its base (vLLM 0.32, vllm/lora/peft_helper.py).

    Raises:
        InputRefused: it uses what vLLM does not know.
    """
    settings = read_json_object(adapter / "adapter_config.json")
    saved = settings.get("modules_to_save")
    unsupported = [key for key in _NOT_SERVED if settings.get(key)]
    if saved:
        unsupported.append("modules_to_save")
    start = settings.get("init_lora_weights")
    if isinstance(start, str) and start.lower() not in _PLAIN_STARTS:
        unsupported.append(f"init_lora_weights={one_line(start, 40)}")
    if settings.get("bias", "none") != "none":
        unsupported.append("bias")
    if unsupported:
        raise InputRefused(
            f"vLLM cannot serve this adapter: it uses {', '.join(unsupported)}.",
            hint="Merge it into its base, and name the merged folder: --source FOLDER",
        )


_NOT_SERVED = (
    *("use_dora", "lora_bias", "alora_invocation_tokens", "layer_replication"),
    *("use_bdlora", "use_qalora"),
)
_PLAIN_STARTS = ("gaussian", "eva", "orthogonal", "mica", "lora_ga")


def serve_script(served: Served, capacity: Capacity, sizing: Sizing) -> str:
    """Return a shell script that serves the weights on this machine, on loopback; it passes on what it is given."""
    environment = QUIET | (cpu_environment(sizing) if capacity.gpus == 0 else {})
    lines = ["#!/bin/sh", "# Written by Firstlight.", 'cd "$(dirname "$0")" || exit 1']
    lines += [set_variable(name, value, "posix") for name, value in environment.items()]
    command = command_line(serve_arguments(served, capacity), "posix")
    return "\n".join([*lines, f'exec {command} "$@"', ""])
