"""The share of the memory bandwidth that decoding reaches: its roofline (Williams, Waterman and Patterson 2009).

A token reads every weight once, and the KV cache; a processor that decodes one conversion waits for memory. Bandwidth
over these bytes is therefore the most tokens a second that this machine can do with this artifact.
"""

from collections.abc import Callable, Iterable

import psutil

from firstlight_core.artifact.artifact import Artifact
from firstlight_core.artifact.genai_config import CONFIG, section
from firstlight_core.documents.jobs_machine import BANDWIDTH, BandwidthRequest
from firstlight_core.documents.measure import BenchDocument, MemoryBandwidth
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


async def measure_bandwidth(
    artifacts: Iterable[Artifact | None],
    tell: Callable[[Event], None],
    started: Callable[[int], None] | None = None,
) -> MemoryBandwidth | None:
    """Measure the memory bandwidth of this machine; None when it would say nothing, or cannot be measured.

    Args:
        artifacts: those that will be measured, None for a server.
    """
    size = min(ARRAY_BYTES, available_memory() // 16)
    threads = psutil.cpu_count() or 1
    if size < LEAST_BYTES or not any(a is not None and read_bytes(a) for a in artifacts):
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


def add_roofline(
    document: BenchDocument,
    artifacts: Iterable[Artifact | None],
    bandwidth: MemoryBandwidth | None,
) -> None:
    """Add the bandwidth, the bytes that a token of each artifact reads, and the share of the bandwidth to its cases.

    Args:
        artifacts: of each result, None for a server.
    """
    if bandwidth is None:
        return
    document["memory_bandwidth"] = bandwidth
    most = max(bandwidth["read_bytes_per_s"], bandwidth["triad_bytes_per_s"])
    for result, artifact in zip(document["results"], artifacts, strict=True):
        size = read_bytes(artifact) if artifact is not None else None
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


def roofline_text(share: float) -> str:
    """Return a share in words."""
    if share > 1:
        return "more than memory delivers: the caches hold a part"
    return f"{100 * share:.0f} % of what this machine's memory can do"
