"""The meaning of measured rates: the wait for the first token and the time of a whole answer, by their lengths, as estimates."""

from collections.abc import Sequence

from firstlight_core.documents.measure import BenchCase, BenchDocument, BenchResult
from firstlight_core.measure.quoted_length import quoted_case
from firstlight_core.monitor import ALERT_THRESHOLDS, AlertThresholds
from firstlight_core.text import seconds_text
from firstlight_tui.widgets.bench_plots import decode_of, label_of, prefill_of
from firstlight_tui.widgets.charts.bars import Bar, Bars
from firstlight_tui.widgets.charts.lines import LinePlot, Reference, Series

USES = (
    ("command", 20, 20),
    ("question", 40, 120),
    ("page", 500, 150),
    ("manual", 3_000, 400),
)
"""Uses of a model, with the tokens of the prompt and of the answer."""
LONGEST_PROMPT, LONGEST_ANSWER = 4_096, 400
"""Tokens that a plot reaches to where the context is longer or unknown."""
BEYOND = 1.5
"""Times the prompt length at which the wait reaches its limit that the plot reaches to."""


def answer_times(document: BenchDocument, result: BenchResult | None) -> Bars | None:
    """Return the seconds of typical answers at the measured rates; None where a rate is missing or void."""
    if (rates := _rates(document, result)) is None:
        return None
    reading, writing = rates
    bars = []
    for name, prompt, answer in _uses(result):
        seconds = prompt / reading + answer / writing
        label = f"{name} {prompt}→{answer}"
        bars.append(Bar(label=label, median=seconds, figure=f"≈ {seconds_text(seconds)}"))
    if not bars:
        return None
    title = "≈ A whole answer takes (tokens of the prompt→of the answer)"
    return Bars(bars=tuple(bars), title=title, compared=False)


def expected_waits(
    document: BenchDocument,
    result: BenchResult | None,
    thresholds: AlertThresholds = ALERT_THRESHOLDS,
) -> tuple[LinePlot, ...]:
    """Return first token over prompt length and whole answer over its length, at the measured rates of one target.

    For a benchmark that has no curve of its own: both are estimates and say so. Empty where a rate is missing or void.
    """
    if result is None or (rates := _rates(document, result)) is None:
        return ()
    reading, writing = rates
    whose = f"{label_of(result)}: " if len(document["results"]) > 1 else ""
    return (
        _first_token(whose, result, reading, thresholds["response_time_ms"] / 1000),
        _whole_answer(whose, result, reading, writing),
    )


def _rates(document: BenchDocument, result: BenchResult | None) -> tuple[float, float] | None:
    """Return tokens a second of reading and of writing; None where one is missing, void or zero."""
    case = quoted_case(result["cases"]) if result is not None else None
    if result is None or case is None or document["void"] or result.get("void"):
        return None
    reading, writing = prefill_of(case), decode_of(case)
    if reading is None or writing is None or not (reading["median"] and writing["median"]):
        return None
    return reading["median"], writing["median"]


def _uses(result: BenchResult | None) -> Sequence[tuple[str, int, int]]:
    """Return the uses that the context of a target has room for."""
    context = result.get("context") if result is not None else None
    return [use for use in USES if context is None or use[1] + use[2] <= context]


def _first_token(whose: str, result: BenchResult, reading: float, limit: float) -> LinePlot:
    case = quoted_case(result["cases"])
    context = result.get("context") or LONGEST_PROMPT
    reached = limit * reading
    longest = min(context, max(BEYOND * reached, _length(case)))
    within = reached <= longest
    words = f"limit {seconds_text(limit)}, reached at ≈ {_round(reached):,} tokens"
    verdict = "" if within else f": {seconds_text(longest / reading)} with a full context"
    return LinePlot(
        series=(_line("at this rate", longest, 0.0, reading), *_measured(case)),
        title=f"≈ {whose}First token by prompt length, estimate{verdict}",
        y_text=_time,
        reference=Reference(value=limit, label=words) if within else None,
        tall=9,
    )


def _measured(case: BenchCase | None) -> tuple[Series, ...]:
    """Return the one point that was measured."""
    ttft = case.get("ttft_s") if case is not None else None
    length = _length(case)
    if ttft is None or not length:
        return ()
    return (Series(label="measured", points=((float(length), ttft["median"]),), marked=True),)


def _whole_answer(whose: str, result: BenchResult, reading: float, writing: float) -> LinePlot:
    context = result.get("context")
    shortest = USES[0][1]
    longest = min(LONGEST_ANSWER, context - shortest) if context else LONGEST_ANSWER
    uses = _uses(result) or USES[:1]
    ends = dict.fromkeys((uses[0], uses[-1]))
    return LinePlot(
        series=tuple(
            _line(f"prompt of {prompt:,}", float(longest), prompt / reading, writing)
            for _, prompt, _ in ends
        ),
        title=f"≈ {whose}Whole answer by its length, estimate",
        y_text=_time,
        tall=9,
    )


def _line(label: str, tokens: float, start: float, rate: float) -> Series:
    """Return the seconds after which each token is there."""
    return Series(label=label, points=((0.0, start), (tokens, start + tokens / rate)))


def _length(case: BenchCase | None) -> int:
    length = case.get("prompt_tokens") if case is not None else None
    return length or 0


def _round(tokens: float) -> int:
    """Return a number of tokens in two digits: it is an estimate."""
    step = 10.0 ** max(0, len(str(int(tokens))) - 2)
    return int(int(tokens / step) * step)


def _time(seconds: float, most: float) -> str:
    """Return the words of a tick."""
    return f"{1000 * seconds:.0f} ms" if most < 1 else f"{seconds:g} s"
