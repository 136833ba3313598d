"""A benchmark in four tiles: first token, writing, reading and memory of the target in use."""

from collections.abc import Callable, Iterable

from firstlight_core.documents.figures import Figure
from firstlight_core.documents.measure import BenchCase, BenchDocument, BenchResult
from firstlight_core.measure.benchmark import LENGTHS, REPEATS
from firstlight_core.measure.quoted_length import quoted_case
from firstlight_core.monitor import ALERT_THRESHOLDS, AlertThresholds
from firstlight_core.text import bytes_text, seconds_text
from firstlight_tui.widgets.bench_plots import decode_of, label_of, prefill_of, ttft_of
from firstlight_tui.widgets.charts.paragraphs import Paragraphs, checklist
from firstlight_tui.widgets.charts.roles import Origin, Verdict
from firstlight_tui.widgets.charts.scale import short
from firstlight_tui.widgets.charts.tile import Tile

INSTANT_S = 0.2
"""A wait that feels like none (Nielsen 1993 puts the limit at 0.1 to 0.2 s)."""
READING_TPS = 5.0
"""Tokens a second that a person reads: 238 words a minute (Brysbaert 2019), about 1.3 tokens each."""


def tiles(
    document: BenchDocument,
    result: BenchResult | None,
    thresholds: AlertThresholds = ALERT_THRESHOLDS,
) -> tuple[Tile, ...]:
    """First token, writing, reading and memory of one target; those that were not measured have a dash."""
    void = document["void"] or (result is not None and result.get("void", False))
    origin: Origin = "void" if void else "measured"
    case = quoted_case(result["cases"]) if result is not None else None
    ttft = ttft_of(case) if case is not None else None
    return (
        _first_token(ttft, origin, thresholds),
        _rate("writing", case, decode_of, document, origin),
        _rate("reading", case, prefill_of, document, origin),
        _memory(result, document, origin, thresholds),
    )


def figures_ahead(title: str = "") -> Paragraphs:
    """Return what a benchmark measures, for as long as it has measured nothing that counts."""
    lengths = ", ".join(map(str, LENGTHS[:-1]))
    return checklist(
        {
            "first token": f"The wait for the first word after prompts of {lengths} and {LENGTHS[-1]} tokens (TTFT).",
            "writing": "Tokens a second after the first one (decode).",
            "reading": "Tokens of the prompt a second (prefill).",
            "memory": "The most RAM that the engine takes.",
            "loading": "The time until it can answer, from the disk and from memory.",
            "rounds": f"{REPEATS} after a warm-up; beside a busy program they are void, and say so.",
        },
        title,
    )


def _first_token(figure: Figure | None, origin: Origin, thresholds: AlertThresholds) -> Tile:
    if figure is None:
        return Tile(title="first token", figure="–", origin=None)
    seconds = figure["median"]
    slow = thresholds["response_time_ms"] / 1000
    verdict, judged = _wait(seconds, slow)
    return _judged(
        Tile(
            title="first token",
            figure=seconds_figure(seconds),
            origin=origin,
            share=seconds / slow,
            range_text=f"of {seconds_text(slow)}",
            verdict=verdict,
            judged=judged,
        )
    )


def _wait(seconds: float, slow: float) -> tuple[str, Verdict]:
    if seconds > slow:
        return f"above the limit of {seconds_text(slow)}", "bad"
    if seconds <= INSTANT_S:
        return "feels instant (< 200 ms)", "good"
    if seconds <= 1:
        return "a short wait", "good"
    return "a wait one notices", "caution"


def _rate(
    title: str,
    case: BenchCase | None,
    figure_of: Callable[[BenchCase], Figure | None],
    document: BenchDocument,
    origin: Origin,
) -> Tile:
    figure = figure_of(case) if case is not None else None
    if figure is None:
        return Tile(title=title, figure="–", origin=None)
    rate = figure["median"]
    best, label = max(_medians(document, figure_of), default=(rate, ""))
    verdict = "best measured" if len(document["results"]) > 1 else ""
    if rate < best:
        verdict = f"{rate / best - 1:+.0%} of {label}".replace("%", " %").replace("-", "−")
    judged: Verdict = "none"
    if figure_of is decode_of:
        times = rate / READING_TPS
        pace = f"×{times:.0f}" if times >= 10 else f"×{times:.1f}"
        verdict, judged = f"{pace} reading pace", "good" if times >= 1 else "bad"
    return _judged(
        Tile(
            title=title,
            figure=rate_figure(rate),
            origin=origin,
            share=rate / best if best else None,
            verdict=verdict,
            judged=judged,
        )
    )


def _memory(
    result: BenchResult | None,
    document: BenchDocument,
    origin: Origin,
    thresholds: AlertThresholds,
) -> Tile:
    peak = result["rss_bytes"]["peak"] if result is not None and "rss_bytes" in result else None
    if peak is None:
        return Tile(title="memory", figure="–", origin=None, verdict="a server's is its own")
    total = document["machine"].get("memory_bytes")
    share = peak / total if total else None
    tight = share is not None and share >= thresholds["memory_usage_percent"] / 100
    return _judged(
        Tile(
            title="memory",
            figure=f"{bytes_text(peak)} peak",
            # Memory is what it is, however busy the machine was.
            origin="measured" if origin == "void" else origin,
            share=share,
            range_text=f"of {bytes_text(total)}" if total else "",
            verdict="near the memory's end" if tight else "",
            judged="caution" if tight else "none",
        )
    )


def _judged(tile: Tile) -> Tile:
    if tile.origin != "void":
        return tile
    return Tile(
        title=tile.title,
        figure=tile.figure,
        origin="void",
        share=tile.share,
        verdict="measure again",
        judged="bad",
    )


def _medians(
    document: BenchDocument, figure_of: Callable[[BenchCase], Figure | None]
) -> Iterable[tuple[float, str]]:
    for result in document["results"]:
        case = quoted_case(result["cases"])
        if case is not None and (figure := figure_of(case)) is not None:
            yield figure["median"], label_of(result)


def seconds_figure(seconds: float | None) -> str:
    """Return a time as a headline figure; a dash where there is none."""
    if seconds is None:
        return "–"
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else seconds_text(seconds)


def rate_figure(rate: float | None) -> str:
    """Return a rate as a headline figure; a dash where there is none."""
    return f"{short(rate)} tok/s" if rate is not None else "–"
