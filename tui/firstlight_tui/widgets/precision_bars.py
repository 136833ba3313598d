"""Size and memory of the precisions as bars: measured where they were, else estimated."""

from collections.abc import Iterable

from firstlight_core.text import bytes_text
from firstlight_tui.widgets.charts.bars import Bar, Bars
from firstlight_tui.widgets.precision_columns import PrecisionRow


def size_bars(rows: Iterable[PrecisionRow]) -> Bars | None:
    """The size of each precision: measured where it was converted, else the estimate."""
    return _bars("Size on disk  ≈ estimate", ((row, *_size(row)) for row in rows))


def memory_bars(rows: Iterable[PrecisionRow]) -> Bars | None:
    """The memory that it takes to run each precision: measured where it was, else the estimate."""
    return _bars("Memory to run it  ≈ estimate", ((row, *_memory(row)) for row in rows))


def _size(row: PrecisionRow) -> tuple[float | None, float | None]:
    return row.figures.bytes if row.figures else None, row.guess.get("bytes")


def _memory(row: PrecisionRow) -> tuple[float | None, float | None]:
    return row.figures.run_rss_bytes if row.figures else None, row.guess.get("run_ram_bytes")


def _bars(
    title: str, rows: Iterable[tuple[PrecisionRow, float | None, float | None]]
) -> Bars | None:
    bars = tuple(
        Bar(
            label=row.precision.label + (" ★" if row.recommended else ""),
            median=float(value),
            figure=bytes_text(value) if measured else f"≈ {bytes_text(value)}",
            note="" if row.available else "✗",
        )
        for row, measured, guess in rows
        if (value := measured or guess)
    )
    return Bars(bars=bars, title=title, compared=False) if bars else None
