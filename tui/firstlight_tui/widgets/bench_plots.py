"""A benchmark as plots: bars of its targets, and curves over prompt length or over the rounds; no step is needed for them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from firstlight_core.documents.figures import Figure
from firstlight_core.documents.measure import BenchCase, BenchDocument, BenchResult
from firstlight_core.measure.quoted_length import quoted_case, quoted_index
from firstlight_core.precision.table import PRECISIONS
from firstlight_core.text import one_line
from firstlight_tui.widgets.charts.bars import Bar, Bars
from firstlight_tui.widgets.charts.lines import LinePlot, Series

_LABELS: dict[str, str] = {precision.key: precision.label for precision in PRECISIONS}


def label_of(result: BenchResult) -> str:
    """Return the short name of a target: its precision, its model, or its folder."""
    if label := _LABELS.get(result.get("precision", "")):
        return label
    return one_line(result.get("model") or Path(result["target"]).name, 20)


def ttft_of(case: BenchCase) -> Figure | None:
    """Return the time to the first token, in seconds."""
    return case.get("ttft_s")


def prefill_of(case: BenchCase) -> Figure | None:
    """Return the rate of reading the prompt."""
    return case.get("prefill_tps")


def decode_of(case: BenchCase) -> Figure | None:
    """Return the rate of writing the answer."""
    return case.get("decode_tps")


def speed_bars(document: BenchDocument) -> Bars | None:
    """Return the writing speed of each target at the quoted prompt length; None where none was measured."""
    lengths = [case.get("prompt_tokens") for r in document["results"] for case in r["cases"]]
    index = quoted_index(lengths)
    facts = [f"{lengths[index]}-token prompt"] if index is not None else []
    if has_spread(document):
        facts.append("├─┤ min–max")
    words = f" ({', '.join(facts)})" if facts else ""
    return _bars(document, f"Writing, tokens a second{words}", decode_of)


def has_spread(document: BenchDocument) -> bool:
    """Return whether anything was measured more than once."""
    cases = (case for result in document["results"] for case in result["cases"])
    figures = (figure_of(case) for case in cases for figure_of in (ttft_of, prefill_of, decode_of))
    return any(figure is not None and len(figure["samples"]) > 1 for figure in figures)


def further_bars(document: BenchDocument) -> tuple[Bars | None, ...]:
    """Return reading speed and first token of each target, where they were measured."""
    return (
        _bars(document, "Reading, tokens a second", prefill_of),
        _bars(document, "First token, ms (less is better)", ttft_of, scale=1000, most=False),
    )


def _bars(
    document: BenchDocument,
    title: str,
    figure_of: Callable[[BenchCase], Figure | None],
    *,
    scale: float = 1,
    most: bool = True,
) -> Bars | None:
    bars = []
    for result in document.get("results", []):
        case = quoted_case(result["cases"]) if result.get("cases") else None
        figure = figure_of(case) if case is not None else None
        if figure is not None:
            bars.append(
                Bar(
                    label=label_of(result),
                    median=figure["median"] * scale,
                    low=figure["min"] * scale,
                    high=figure["max"] * scale,
                    void=bool(document.get("void") or result.get("void")),
                )
            )
    return Bars(bars=tuple(bars), title=title, most=most) if bars else None


def curves(document: BenchDocument) -> tuple[LinePlot, ...]:
    """Return first token and writing speed over prompt length, or over the rounds of one length; empty where it is void."""
    if document.get("void"):
        return ()
    plots = (
        _curve(document, "First token by length, ms", ttft_of, 1000)
        or _rounds(document, "First token each round, ms", ttft_of, 1000),
        _curve(document, "Writing by length, tok/s", decode_of, 1)
        or _rounds(document, "Writing each round, tok/s", decode_of, 1),
    )
    return tuple(plot for plot in plots if plot is not None)


def void_rounds(document: BenchDocument) -> tuple[LinePlot, ...]:
    """Return first token and writing speed over the rounds of a void benchmark: they show what disturbed which round."""
    if not document.get("void"):
        return ()
    plots = (
        _rounds(document, "First token each round, ms", ttft_of, 1000),
        _rounds(document, "Writing each round, tok/s", decode_of, 1),
    )
    return tuple(replace(plot, void=True) for plot in plots if plot is not None)


def _rounds(
    document: BenchDocument, title: str, figure: Callable[[BenchCase], Figure | None], scale: float
) -> LinePlot | None:
    series = []
    for result in document["results"]:
        case = quoted_case(result["cases"])
        value = figure(case) if case is not None else None
        samples = value.get("samples", []) if value is not None else []
        if len(samples) > 1:
            points = tuple((float(n), s * scale) for n, s in enumerate(samples, start=1))
            series.append(Series(label=label_of(result), points=points, marked=True))
    if not series:
        return None
    rounds = max(len(line.points) for line in series)
    ticks = tuple(float(n) for n in range(1, rounds + 1)) if rounds <= 12 else ()
    return LinePlot(series=tuple(series), title=title, x_ticks=ticks, tall=9)


def _curve(
    document: BenchDocument, title: str, figure: Callable[[BenchCase], Figure | None], scale: float
) -> LinePlot | None:
    series = []
    lengths: set[float] = set()
    for result in document.get("results", []):
        points = tuple(
            (float(length), value["median"] * scale)
            for case in result["cases"]
            if (length := case.get("prompt_tokens")) and (value := figure(case)) is not None
        )
        if points:
            series.append(Series(label=label_of(result), points=points, marked=True))
            lengths |= {x for x, _ in points}
    if len(lengths) < 2:
        return None
    ticks = tuple(sorted(lengths))
    return LinePlot(series=tuple(series), title=title, x_log=True, x_ticks=ticks, tall=9)
