"""A target against the alert thresholds of the settings: a row each with its gauge, and what is over them."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual.content import Content

from firstlight_core.documents.measure import BenchDocument, BenchResult
from firstlight_core.measure.quoted_length import quoted_case
from firstlight_core.monitor import ALERT_THRESHOLDS, AlertThresholds
from firstlight_core.text import bytes_text, seconds_text
from firstlight_tui.steps.benchmark.rows import processor_share
from firstlight_tui.widgets.bench_plots import ttft_of
from firstlight_tui.widgets.charts.canvas import Piece, fitted, lines_of, trough
from firstlight_tui.widgets.charts.roles import BAD, BOLD, CAUTION, FILL, GOOD, MUTED, TITLE

BAR, GOOD_BAR, LEAST_BAR = 24, 16, 8
"""Cells of a gauge, a quarter of it beyond the threshold; those below which words become brief, and none is drawn."""
NAME, FIGURE, THRESHOLD = 13, 11, 15
"""Cells of the other columns."""
BEYOND = 4 / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One figure against its threshold."""

    name: str
    figure: str
    threshold: str
    share: float
    """Figure divided by threshold."""
    expected: bool = False
    """Whether a figure beyond it is no fault: an engine that answers takes the processor."""
    void: bool = False
    """Whether other programs made the figure: it keeps no limit, and breaks none."""

    @property
    def broken(self) -> bool:
        """True if the figure is beyond the threshold, and should not be."""
        return self.share > 1 and not self.expected and not self.void

    def verdict(self, *, brief: bool = False) -> Piece:
        """Return the mark and the words behind the threshold."""
        if self.void:
            return "✗ VOID", f"{BOLD} {BAD}"
        if self.broken:
            return "✗ OVER THE LIMIT", f"{BOLD} {BAD}"
        if self.share > 1:
            return "! expected" if brief else "! expected while it answers", CAUTION
        return "✓ within", GOOD

    def pieces(self, bar: int, *, brief: bool) -> list[Piece]:
        """Return the row: name, figure, gauge of `bar` cells, threshold, verdict."""
        style = MUTED if self.void else BAD if self.broken else FILL
        return [
            (fitted(self.name, NAME), MUTED),
            (fitted(self.figure, FIGURE), BOLD),
            *(trough(self.share / BEYOND, bar, style) if bar else ()),
            (fitted(f" limit {self.threshold}", THRESHOLD), MUTED),
            self.verdict(brief=brief),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """A title and a row for each limit."""

    title: str
    limits: tuple[Limit, ...]

    def rows(self, width: int) -> int:
        """The title and the limits."""
        return 1 + len(self.limits)

    def draw(self, width: int, height: int) -> Content:
        """Return the lines; words are brief, and gauges short, before a gauge gives way."""
        brief = self._bar(width, brief=False) < GOOD_BAR
        bar = self._bar(width, brief=brief)
        bar = min(bar, BAR) if bar >= LEAST_BAR else 0
        title: list[Piece] = [(self.title, TITLE)]
        rows = [title, *(limit.pieces(bar, brief=brief) for limit in self.limits)]
        return lines_of(rows[:height], width)

    def _bar(self, width: int, *, brief: bool) -> int:
        """Return the cells that are left for a gauge."""
        words = max(cell_len(limit.verdict(brief=brief)[0]) for limit in self.limits)
        return width - NAME - FIGURE - THRESHOLD - words


def limits_of(
    document: BenchDocument,
    result: BenchResult | None,
    thresholds: AlertThresholds = ALERT_THRESHOLDS,
) -> tuple[Limit, ...]:
    """The figures of one target that have a threshold; those that were not measured are left out."""
    if result is None:
        return ()
    void = document["void"] or result.get("void", False)
    limits = []
    case = quoted_case(result["cases"])
    if case is not None and (ttft := ttft_of(case)) is not None:
        most = thresholds["response_time_ms"] / 1000
        words = f"{1000 * ttft['median']:.3g} ms" if ttft["median"] < 1 else None
        limits.append(
            Limit(
                name="first token",
                figure=words or seconds_text(ttft["median"]),
                threshold=seconds_text(most),
                share=ttft["median"] / most,
                void=void,
            )
        )
    total = document["machine"].get("memory_bytes")
    if total and "rss_bytes" in result:
        peak = result["rss_bytes"]["peak"]
        percent = thresholds["memory_usage_percent"]
        share = peak / total / (percent / 100)
        limits.append(_percent("memory", bytes_text(peak), percent, share))
    if (load := processor_share(result)) is not None:
        percent = thresholds["cpu_usage_percent"]
        share = load / (percent / 100)
        figure = f"{load:.0%}"
        limits.append(_percent("processor", figure, percent, share, expected=True, void=void))
    rates = [level["error_rate"] for level in result.get("clients", [])]
    if (rate := result.get("error_rate")) is not None:
        rates.append(rate)
    if rates:
        percent = thresholds["error_rate_percent"]
        limits.append(
            _percent("errors", f"{max(rates):.0%}", percent, max(rates) / (percent / 100))
        )
    return tuple(limits)


def _percent(
    name: str,
    figure: str,
    percent: float,
    share: float,
    *,
    expected: bool = False,
    void: bool = False,
) -> Limit:
    return Limit(
        name=name,
        figure=figure.replace("%", " %"),
        threshold=f"{percent:g} %",
        share=share,
        expected=expected,
        void=void,
    )


def limits_chart(
    limits: Sequence[Limit], thresholds: AlertThresholds = ALERT_THRESHOLDS
) -> Limits | None:
    """Return a row for each limit below their title; None where nothing was measured."""
    if not limits:
        return None
    whose = "the course's" if thresholds == ALERT_THRESHOLDS else "your"
    return Limits(title=f"Against {whose} limits", limits=tuple(limits))


def over_words(limits: Sequence[Limit]) -> str:
    """Sentence that names each figure over its limit; empty where none is."""
    broken = [f"{limit.name} {limit.figure}" for limit in limits if limit.broken]
    return f"✗ OVER THE LIMIT: {', '.join(broken)}." if broken else ""
