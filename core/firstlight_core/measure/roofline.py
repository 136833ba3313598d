"""The share of the memory bandwidth that decoding reaches: its roofline (Williams, Waterman and Patterson 2009).

A token reads every weight once, and the KV cache; a processor that decodes one conversion waits for memory. Bandwidth
over these bytes is therefore the most tokens a second that this machine can do with this artifact.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import psutil

from firstlight_core.artifact.artifact import Artifact
from firstlight_core.artifact.genai_config import CONFIG, section
from firstlight_core.documents.bench_parts import MemoryBandwidth
from firstlight_core.documents.jobs_machine import BANDWIDTH, BandwidthRequest
from firstlight_core.documents.measure import BenchDocument
from firstlight_core.errors import FirstlightError
from firstlight_core.files import read_json_object
from firstlight_core.measure.weight_bytes import weight_bytes
from firstlight_core.monitor import available_memory
from firstlight_core.process.events import Event, Stage
from firstlight_core.process.runner import job_result

LEAST_BYTES = 32 * 2**20
"""Weights below this may stay in the processor's caches: memory says nothing about them."""
ARRAY_BYTES = 128 * 2**20
"""Of each of three arrays: larger than most caches."""
SECONDS = 0.6


def read_bytes(artifact: Artifact) -> int | None:
    """Return the bytes of weights that a token reads; None when they may stay in the caches, or are not known."""
    try:
        model = section(read_json_object(artifact.folder / CONFIG), "model")
        name = section(model, "decoder", "model.").get("filename")
    except FirstlightError:
        return None
    size = weight_bytes(artifact.folder / str(name))
    return size if size is not None and size >= LEAST_BYTES else None


class Roofline:
    """The memory bandwidth of this machine, and the bytes that a token of each artifact reads."""

    def __init__(self, token_bytes: Mapping[Path, int], bandwidth: MemoryBandwidth | None) -> None:
        """`token_bytes`: by folder of the artifact; one that memory says nothing about is absent."""
        self.token_bytes = token_bytes
        self.bandwidth = bandwidth

    def add(self, document: BenchDocument, artifacts: Iterable[Artifact | None]) -> None:
        """Add the bandwidth, the bytes that a token of each artifact reads, and the share of the bandwidth to its cases.

        Args:
            artifacts: of each result, None for a server.
        """
        if self.bandwidth is None:
            return
        document["memory_bandwidth"] = self.bandwidth
        most = max(self.bandwidth["read_bytes_per_s"], self.bandwidth["triad_bytes_per_s"])
        for result, artifact in zip(document["results"], artifacts, strict=True):
            size = self.token_bytes.get(artifact.folder) if artifact is not None else None
            if size is None or artifact is None:
                continue
            result["token_bytes"] = size
            for case in result["cases"]:
                decode, length = case.get("decode_tps"), case.get("prompt_tokens")
                if decode is not None and length is not None:
                    # Halfway through the answer.
                    context = length + case.get("new_tokens", 0) / 2
                    moved = size + artifact.kv_bytes_per_token * context
                    case["roofline_share"] = decode["median"] * moved / most


async def measure_roofline(
    artifacts: Iterable[Artifact | None],
    tell: Callable[[Event], None],
    started: Callable[[int], None] | None = None,
) -> Roofline:
    """Read what a token of each artifact reads, and measure the memory bandwidth unless it would say nothing.

    Args:
        artifacts: those that will be measured, None for a server.
    """
    token_bytes = await asyncio.to_thread(
        lambda: {
            artifact.folder: size
            for artifact in artifacts
            if artifact is not None and (size := read_bytes(artifact)) is not None
        }
    )
    bandwidth = await _measure_bandwidth(tell, started) if token_bytes else None
    return Roofline(token_bytes, bandwidth)


async def _measure_bandwidth(
    tell: Callable[[Event], None], started: Callable[[int], None] | None
) -> MemoryBandwidth | None:
    size = min(ARRAY_BYTES, available_memory() // 16)
    threads = psutil.cpu_count() or 1
    if size < LEAST_BYTES:
        return None
    tell(Stage("bandwidth", "Measuring the memory"))
    request: BandwidthRequest = {"threads": threads, "array_bytes": size, "seconds": SECONDS}
    try:
        reply = await job_result(BANDWIDTH, request, started=started)
    except FirstlightError:
        return None
    return {
        "triad_bytes_per_s": reply["triad_bytes_per_s"],
        "read_bytes_per_s": reply["read_bytes_per_s"],
        "threads": threads,
        "array_bytes": size,
    }


def roofline_text(share: float) -> str:
    """Return a share in words."""
    if share > 1:
        return "more than memory delivers: the caches hold a part"
    return f"{100 * share:.0f} % of what this machine's memory can do"
