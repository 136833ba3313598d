"""Measure `firstlight tune`: the fastest setting it finds against the build that Olive makes.

The verb measures both in turn after its search; on the sample and on the shape of a 0.5 B model.
"""

import time
from typing import Any

from bench.measuring import Figure, spoken
from bench.random_model import bench_folder, big_source
from bench.terminal import firstlight
from firstlight_core.paths import find_paths
from firstlight_core.tuning.summary import setting

RATES = {"decode": ("decode_tps", ">= 1.15 ×"), "prefill": ("prefill_tps", ">= 1.3 ×")}


def measure() -> list[Figure]:
    """Both models: decode and prefill rate of the best setting, and how long the search took."""
    figures = []
    with bench_folder() as folder:
        for name, source in (("sample", find_paths().sample), ("0.5 B shape", big_source(folder))):
            begun = time.perf_counter()
            home = {"FIRSTLIGHT_HOME": str(folder / "home")}
            document = spoken([firstlight(), "tune", source, "--json"], env=home)
            duration = time.perf_counter() - begun
            figures += [_figure(name, document, rate) for rate in RATES]
            figures.append(Figure(name=f"tuning, {name}", unit="s", samples=(duration,)))
    return figures


def _figure(name: str, document: dict[str, Any], rate: str) -> Figure:
    key, target = RATES[rate]
    best, baseline = document["best"], document["baseline"]
    if document["void"]:
        raise RuntimeError(f"the tuning of {name} is void: {document['notes']}")
    return Figure(
        name=f"{rate} after tuning, {name}: {setting(best)}",
        unit="tokens/s",
        samples=tuple(best[key]["samples"]),
        target=target,
        against="Olive's default artifact",
        against_samples=tuple(baseline[key]["samples"]),
    )
