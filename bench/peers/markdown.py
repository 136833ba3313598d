"""Cells and tables of the page."""

import statistics
from collections.abc import Sequence

from bench.peers.document import Run

VOID = "void"


def mib(size: float) -> str:
    """Return bytes in MiB."""
    return f"{size / 2**20:,.0f} MiB"


def spread(samples: Sequence[float], run: Run, *, unit: float = 1.0, digits: int = 0) -> str:
    """Return median, smallest and largest of samples in `unit`; a void run has none to show."""
    if run["void_reasons"] or not samples:
        return VOID
    low, middle, high = (
        f"{value / unit:,.{digits}f}"
        for value in (min(samples), statistics.median(samples), max(samples))
    )
    return middle if low == high else f"{middle} ({low} to {high})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table and an empty one."""
    lines = [head, ["---"] * len(head), *rows]
    return [*("| " + " | ".join(cells) + " |" for cells in lines), ""]


def void_lines(run: Run) -> list[str]:
    """Return why the figures of a run are worth nothing, as paragraphs."""
    return [line for reason in run["void_reasons"] for line in (f"**{reason}**", "")]
