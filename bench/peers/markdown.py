"""Cells and tables of the page."""

import statistics
from collections.abc import Sequence

from bench.peers.document import Run, valid_samples

VOID = "void"


def mib(size: float) -> str:
    """Return bytes in MiB."""
    return f"{size / 2**20:,.0f} MiB"


def spread(samples: Sequence[float], run: Run, *, unit: float = 1.0, digits: int = 0) -> str:
    """Return median, smallest and largest of samples in `unit`; a void run has none to show."""
    valid = valid_samples(run, list(samples))
    if run["void_reasons"] or not valid:
        return VOID
    low, middle, high = (
        f"{value / unit:,.{digits}f}"
        for value in (min(valid), statistics.median(valid), max(valid))
    )
    return middle if low == high else f"{middle} ({low} to {high})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table and an empty one."""
    lines = [head, ["---"] * len(head), *rows]
    return [*("| " + " | ".join(cells) + " |" for cells in lines), ""]


def void_lines(run: Run) -> list[str]:
    """Return why figures of a run are worth nothing, as paragraphs."""
    reasons = [f"**{reason}**" for reason in run["void_reasons"]]
    if run["void_rounds"] and not reasons:
        reasons = [f"Rounds left out, as other programs were busy: {len(run['void_rounds'])}."]
    return [line for reason in reasons for line in (reason, "")]
