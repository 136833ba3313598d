"""The result of a run at a glance: one sentence, four tiles, and the course's claims beside the measurements."""

from collections.abc import Callable, Mapping, Sequence

from textual.content import Content

from firstlight_core.estimate.measured_figures import Figures
from firstlight_core.measure.drift_words import kl_text
from firstlight_core.precision.table import PRECISIONS, find_precision
from firstlight_core.report.claims import ClaimCheck
from firstlight_core.text import bytes_text, one_line
from firstlight_tui.widgets.charts.paragraphs import Facts
from firstlight_tui.widgets.charts.roles import BAD, BOLD, GOOD, MUTED, TITLE, Origin, Verdict
from firstlight_tui.widgets.charts.scale import short
from firstlight_tui.widgets.charts.tile import MiniBar, Tile
from firstlight_tui.widgets.words import part

MOST_BARS = 4
"""Precisions that a tile compares; the one in use is always among them."""
_CLOSE: Mapping[str, tuple[str, Verdict]] = {
    "very-close": ("very close to the original", "good"),
    "close": ("close to the original", "good"),
    "noticeable": ("noticeably different", "caution"),
    "far": ("far from the original", "bad"),
}


def headline(name: str, own: Figures | None, fp32_bytes: int | None) -> Content:
    """`sample runs on this machine.` and its precision, size, speed and closeness."""
    facts: list[str] = []
    if own is not None:
        facts.append(find_precision(own.precision).label)
        if own.bytes:
            times = f" (FP32 ÷{fp32_bytes / own.bytes:.1f})" if fp32_bytes else ""
            facts.append(f"{bytes_text(own.bytes)}{times}")
        if own.decode_tps and not own.void:
            facts.append(f"{short(own.decode_tps)} tok/s")
        if own.ttft_s is not None and not own.void:
            facts.append(f"first token {own.ttft_s * 1000:.3g} ms")
        if own.closeness:
            facts.append(_CLOSE[own.closeness][0])
    return Content.assemble(
        part("☼ ", TITLE),
        part(f"{one_line(name, 40)} runs on this machine.", BOLD),
        part(f"   {' · '.join(facts)}" if facts else ""),
    )


def tiles(
    figures: Mapping[str, Figures], in_use: str, fp32_bytes: int | None, memory: int | None
) -> tuple[Tile, ...]:
    """Size, speed, closeness and memory of the artifact in use, beside the other precisions of the run.

    Args:
        in_use: key of the precision in use.
        fp32_bytes: estimated size of FP32.
        memory: bytes of memory of this machine.
    """
    own = figures.get(in_use)
    return (
        _size(figures, own, fp32_bytes),
        _speed(figures, own),
        _closeness(own),
        _memory(own, memory),
    )


def claim_line(checks: Sequence[ClaimCheck]) -> Facts | None:
    """Return the claims, each with its measurement and whether it holds; None without any."""
    if not checks:
        return None
    facts = [Content.assemble(part("Claim → measured here", TITLE))]
    marks = {True: ("✓", GOOD), False: ("✗", BAD), None: ("–", MUTED)}
    for check in checks:
        claim = part(f"{check.claim} → {check.measured} ")
        pieces = (part(f"{check.subject} ", MUTED), claim, part(*marks[check.holds]))
        facts.append(Content.assemble(*pieces))
    return Facts(facts)


def _size(figures: Mapping[str, Figures], own: Figures | None, fp32_bytes: int | None) -> Tile:
    rows = _compared(figures, own, lambda each: each.bytes)
    bars = [
        MiniBar(find_precision(key).label, size, bytes_text(size), own is figures[key])
        for key, size in rows
    ]
    if fp32_bytes and "fp32" not in figures:
        bars.insert(0, MiniBar("≈ FP32", float(fp32_bytes), bytes_text(fp32_bytes)))
    size = own.bytes if own is not None else None
    return Tile(
        title="size",
        figure=bytes_text(size) if size else "–",
        origin="measured" if size else None,
        bars=tuple(bars),
    )


def _speed(figures: Mapping[str, Figures], own: Figures | None) -> Tile:
    if own is None or own.decode_tps is None:
        return Tile(title="speed", figure="–", origin=None, verdict="not measured")
    rows = _compared(figures, own, lambda each: None if each.void else each.decode_tps)
    origin: Origin = "void" if own.void else "measured"
    return Tile(
        title="speed",
        figure=f"{short(own.decode_tps)} tok/s",
        origin=origin,
        bars=tuple(
            MiniBar(find_precision(key).label, rate, short(rate), own is figures[key])
            for key, rate in rows
        ),
        verdict="measure again" if own.void else "",
        judged="bad" if own.void else "none",
    )


def _closeness(own: Figures | None) -> Tile:
    if own is None or own.kl_mean is None:
        return Tile(title="closeness", figure="–", origin=None, verdict="not measured")
    words, judged = _CLOSE.get(own.closeness, ("", "none"))
    share = own.top1_agreement
    return Tile(
        title="closeness",
        figure=f"{share:.1%} same".replace("%", " %") if share is not None else "–",
        origin="measured",
        share=share,
        detail=f"mean KL {kl_text(own.kl_mean)}",
        verdict=words,
        judged=judged,
    )


def _memory(own: Figures | None, memory: int | None) -> Tile:
    peak = own.run_rss_bytes if own is not None else None
    if peak is None:
        return Tile(title="memory", figure="–", origin=None, verdict="not measured")
    return Tile(
        title="memory",
        figure=f"{bytes_text(peak)} peak",
        origin="measured",
        share=peak / memory if memory else None,
        range_text=f"of {bytes_text(memory)}" if memory else "",
    )


def _compared(
    figures: Mapping[str, Figures], own: Figures | None, amount: Callable[[Figures], float | None]
) -> list[tuple[str, float]]:
    """Return at most four precisions that have this figure, in table order, the one in use among them."""
    rows = [
        (precision.key, value)
        for precision in PRECISIONS
        if (each := figures.get(precision.key)) is not None and (value := amount(each)) is not None
    ]
    while len(rows) > MOST_BARS:
        rows.remove(next(row for row in reversed(rows) if figures[row[0]] is not own))
    return rows
