"""Measures the memory bandwidth in a child: McCalpin's triad (STREAM, 1995) and reading alone, with all threads."""

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from firstlight_core.documents.jobs_machine import BandwidthReply, BandwidthRequest
from firstlight_core.process.context import JobContext

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ITEM = 8


def bandwidth(request: BandwidthRequest, context: JobContext) -> BandwidthReply:
    """Return bytes a second of both kernels, the best of several rounds, bounded in time and memory.

    Triad a = b + s c in two numpy calls moves five arrays (c, a; a, b, a); a dot product reads two.
    """
    # Each thread has its own part; a BLAS with threads of its own would measure something else.
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
    import numpy as np

    count = max(1, request["array_bytes"] // ITEM // request["threads"])
    parts = [tuple(np.ones(count) for _ in range(3)) for _ in range(request["threads"])]

    def triad(part: "Sequence[NDArray[np.float64]]") -> None:
        a, b, c = part
        np.multiply(c, 3.0, out=a)
        np.add(a, b, out=a)

    def read(part: "Sequence[NDArray[np.float64]]") -> None:
        np.dot(part[1], part[2])

    moved = count * ITEM * request["threads"]
    half = request["seconds"] / 2
    return {
        "triad_bytes_per_s": 5 * moved / _best(triad, parts, half),
        "read_bytes_per_s": 2 * moved / _best(read, parts, half),
    }


def _best(
    kernel: "Callable[[Sequence[NDArray[np.float64]]], None]",
    parts: "Sequence[Sequence[NDArray[np.float64]]]",
    seconds: float,
) -> float:
    """The shortest round in seconds: all parts at once, round after round; numpy lets go of the GIL meanwhile."""
    from concurrent.futures import ThreadPoolExecutor

    best = float("inf")
    with ThreadPoolExecutor(len(parts)) as pool:
        end = time.perf_counter() + seconds
        while best == float("inf") or time.perf_counter() < end:
            begun = time.perf_counter_ns()
            list(pool.map(kernel, parts))
            best = min(best, (time.perf_counter_ns() - begun) / 1e9)
    return best
