"""The resources of each measured target as the rows of a table: load, memory, processor."""

from firstlight_core.documents.measure import BenchDocument, BenchResult
from firstlight_core.report.cells import target_name
from firstlight_core.text import bytes_text, seconds_text


def resource_rows(bench: BenchDocument) -> list[tuple[str, ...]]:
    """Load time, memory before, loaded and at its peak, and processor of each target; empty where nothing was measured."""
    rows = []
    for result in bench["results"]:
        mark = "void: " if bench.get("void") or result.get("void") else ""
        rss = result.get("rss_bytes")
        memory = (rss["baseline"], rss["loaded"], rss["peak"]) if rss is not None else ()
        load, processor = result.get("load_s"), result.get("cpu_percent")
        rows.append(
            (
                target_name(result),
                f"{mark}{load_text(result)}" if load is not None else "",
                *([f"{mark}{bytes_text(size)}" for size in memory] or ["", "", ""]),
                f"{mark}{processor:.0f} %" if processor is not None else "",
            )
        )
    return rows


def load_text(result: BenchResult) -> str:
    """Return how long loading takes; with both figures where cold and warm were measured."""
    load = result.get("load", {})
    if "cold_s" in load:
        return (
            f"{seconds_text(load['cold_s']['median'])} cold, {seconds_text(result['load_s'])} warm"
        )
    return seconds_text(result["load_s"])


RESOURCES = ("Target", "Load", "RAM before", "RAM loaded", "RAM peak", "CPU, of all cores")
"""The head of `resource_rows`."""
