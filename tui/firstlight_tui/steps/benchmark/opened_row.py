"""One row of the benchmark's table, opened: every figure with its percentiles and the course of the rounds."""

from collections.abc import Iterator
from pathlib import Path

from textual.content import Content

from firstlight_core.documents.figures import Figure
from firstlight_core.documents.measure import BenchCase, BenchDocument, BenchResult
from firstlight_core.measure.bench_words import energy_sentence, load_sentence
from firstlight_core.measure.metrics import tail_percentiles
from firstlight_core.measure.roofline import LEAST_BYTES, roofline_text
from firstlight_core.text import bytes_text, one_line
from firstlight_tui.widgets.bench_plots import label_of
from firstlight_tui.widgets.charts.canvas import Piece, fitted, lines_of, spark
from firstlight_tui.widgets.charts.roles import BAD, BOLD, FILL, MUTED, TITLE

CELLS = 8
"""Cells of a figure."""
LABEL = 18
"""Cells of a name."""
SPARK = 30
NAMES = ("median", "min", "max", "p50", "p95", "p99")


def opened_title(result: BenchResult, case: BenchCase) -> str:
    """Return the title of the opened row."""
    length = case.get("prompt_tokens")
    prompt = f"{length}-token prompt" if length is not None else f"{case.get('prompt_words')} words"
    return f"{label_of(result)} · {prompt}"


def opened_row(document: BenchDocument, result: BenchResult, case: BenchCase) -> Content:
    """Return the figures of one target at one prompt length."""
    lines: list[list[Piece]] = []
    if document["void"] or result.get("void"):
        lines += [[("✗ VOID: measure again before you use these figures.", f"{BOLD} {BAD}")], []]
    where = result.get("folder") or result.get("endpoint") or result["target"]
    lines.append([(one_line(Path(where).name, 60), BOLD)])
    rounds = max((len(f["samples"]) for _, f, _ in _figures(case)), default=0)
    lines.append(
        [
            (
                f"{case.get('new_tokens', '–')} tokens written, {rounds} rounds after one warm-up, measured here",
                MUTED,
            )
        ]
    )
    lines += [[], [(fitted("", LABEL), ""), *((name.rjust(CELLS), TITLE) for name in NAMES)]]
    for name, figure, scale in _figures(case):
        lines.append([(fitted(name, LABEL), MUTED), *_cells(figure, scale, scale != 1)])
    lines += [[], [("Each round, between the smallest and the largest", TITLE)]]
    for name, figure, _ in _figures(case):
        lines.append([(fitted(name, LABEL), MUTED), (_course(figure), FILL)])
    return lines_of([*lines, [], *_facts(document, result, case)])


def _figures(case: BenchCase) -> Iterator[tuple[str, Figure, float]]:
    if (ttft := case.get("ttft_s")) is not None:
        yield "first token, ms", ttft, 1000.0
    if (prefill := case.get("prefill_tps")) is not None:
        yield "reading, tokens/s", prefill, 1.0
    if (decode := case.get("decode_tps")) is not None:
        yield "writing, tokens/s", decode, 1.0
    if (total := case.get("total_s")) is not None:
        yield "whole answer, ms", total, 1000.0
    if (joules := case.get("joules_per_token")) is not None:
        yield "J per token", joules, 1.0


def _cells(figure: Figure, scale: float, timed: bool) -> Iterator[Piece]:
    values = [figure["median"], figure["min"], figure["max"]]
    if timed:
        # The slow end of a rate is its smallest value: percentiles say something about times only.
        tail = tail_percentiles(figure["samples"])
        values += [tail["p50"], tail["p95"], tail["p99"]]
    for number, value in enumerate(values):
        digits = 2 if value * scale < 10 else 1 if value * scale < 1000 else 0
        yield f"{value * scale:.{digits}f}".rjust(CELLS), BOLD if not number else ""


def _course(figure: Figure) -> str:
    span = figure["max"] - figure["min"]
    if not span:
        return spark([1.0] * len(figure["samples"]), SPARK, top=2.0)
    # The lowest is one block, not a blank.
    heights = [(sample - figure["min"]) / span + 1 / 8 for sample in figure["samples"]]
    return spark(heights, SPARK, top=10 / 8)


def _facts(document: BenchDocument, result: BenchResult, case: BenchCase) -> Iterator[list[Piece]]:
    """Yield load, memory, processor and the share of the memory bandwidth, where they were measured."""
    yield [(load_sentence(result), "")]
    if energy := energy_sentence(result):
        yield [(energy, "")]
    if (rss := result.get("rss_bytes")) is not None:
        words = " · ".join(
            f"{name} {bytes_text(size)}"
            for name, size in (
                ("before", rss["baseline"]),
                ("loaded", rss["loaded"]),
                ("peak", rss["peak"]),
            )
        )
        yield [("RAM: ", ""), (words, "")]
    if (share := case.get("roofline_share")) is not None:
        size = bytes_text(result["token_bytes"]) if "token_bytes" in result else "–"
        words = f"{roofline_text(share)}; each token reads {size} of weights (measured)"
        yield [(f"writing reaches {words}", "")]
    elif result["kind"] == "artifact" and "memory_bandwidth" not in document:
        words = f"no share of the memory bandwidth: below {bytes_text(LEAST_BYTES)} the caches may hold the weights"
        yield [(f"writing has {words}", MUTED)]
