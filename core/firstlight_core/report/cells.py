"""Foreign text and figures as they stand in a report: shown exactly, closing nothing, opening nothing."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from firstlight_core.documents.figures import Figure, Spread
from firstlight_core.documents.inference import ChatStats
from firstlight_core.documents.measure import (
    BenchDocument,
    BenchResult,
    CheckRow,
    DriftDocument,
    DriftFigures,
    Evidence,
    QualityDocument,
)
from firstlight_core.documents.report import (
    ReportedConversion,
    ReportedEstimate,
    ReportedFigures,
    ReportedTemplate,
)
from firstlight_core.documents.tuning import TunedManifest
from firstlight_core.measure.drift_words import KL_ZERO
from firstlight_core.report.charts import number_text
from firstlight_core.report.result import ttft_text
from firstlight_core.text import bytes_text, one_line, seconds_text
from firstlight_core.tuning.settings import threads_text

_MARKUP = re.compile(
    r"""[`*\[\]<>|#]
    | \\(?=[!-/:-@\[-`{-~]|$)              # a backslash that would escape something
    | (?<![A-Za-z0-9])_ | _(?![A-Za-z0-9])   # within a word it is no emphasis
    | \{(?=[{%]) | !(?=\[) | ~(?!/)""",
    re.VERBOSE,
)


def plain(value: object, limit: int = 400) -> str:
    """Foreign text as Markdown that shows exactly that text: no link, no HTML, no table border."""
    return _MARKUP.sub(r"\\\g<0>", one_line(str(value), limit))


def block(text: str, limit: int = 4_000) -> str:
    """Foreign text as a code block that it cannot close."""
    cut = text[:limit]
    longest = max((len(run) for run in re.findall(r"`+", cut)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{cut}\n{fence}"


def code(text: str) -> str:
    """Foreign text as inline code that it cannot close."""
    return f"`{one_line(text, 600).replace('`', chr(0x2BB))}`"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table; none when it has no rows."""
    body = [f"| {' | '.join(row)} |" for row in rows]
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *body, ""] if body else []


def speed_cell(measured: ReportedFigures) -> str:
    """Load time, TTFT and the two rates of one precision, as far as they were measured; void figures say so."""
    parts = [f"load {seconds_text(measured['load_s'])}"] if "load_s" in measured else []
    prefill = measured.get("prefill_tps") if _enough_read(measured.get("prompt_tokens")) else None
    parts += _speeds(measured.get("ttft_s"), prefill, measured.get("decode_tps"))
    if parts and (tokens := measured.get("prompt_tokens")):
        parts.append(f"at {tokens} prompt tokens")
    return ("void: " if parts and measured.get("void") else "") + ", ".join(parts)


def answer_cell(stats: ChatStats) -> str:
    """TTFT and the two rates of one answer, as far as they were measured."""
    tokens, reused = stats.get("prompt_tokens"), stats.get("reused_tokens", 0)
    prefill = stats.get("prefill_tps") if _enough_read(tokens, reused) else None
    parts = _speeds(stats.get("ttft_s"), prefill, stats.get("decode_tps"))
    if parts and tokens:
        beside = f", {reused} of them kept in the KV cache" if reused else ""
        parts.append(f"at {tokens} prompt tokens{beside}")
    return ", ".join(parts)


LEAST_READ = 8
"""Tokens that a prefill must read at least: the rate of fewer is that of a single step."""


def _enough_read(prompt_tokens: int | None, reused: int = 0) -> bool:
    return prompt_tokens is None or prompt_tokens - reused >= LEAST_READ


def _speeds(ttft: float | None, prefill: float | None, decode: float | None) -> list[str]:
    parts = [f"TTFT {ttft_text(ttft)}"] if ttft is not None else []
    rates = (("prefill", prefill), ("decode", decode))
    return parts + [f"{name} {number_text(rate)} tok/s" for name, rate in rates if rate is not None]


def _nats(kl: float) -> str:
    return f"{kl_number(kl)} nats"


def kl_number(kl: float) -> str:
    """Return a KL divergence in nats; what float arithmetic cannot tell from none is 0."""
    return "0" if abs(kl) < KL_ZERO else number_text(kl)


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _times(ratio: float) -> str:
    return f"{ratio:.4f} ×"


def drift_rows(drift: DriftDocument) -> list[tuple[str, str]]:
    """Return the measured figures of a drift with their names, units and 95 % intervals; then those on the
    user's own text.
    """
    rows = [
        *_closeness_rows(drift),
        ("Prompts", _count(drift.get("prompts"))),
        ("Prompts that become the very same tokens", _count(drift.get("prompts_equal"))),
        ("Prompts that do not fit", _count(drift.get("prompts_skipped"))),
        ("Answers that would diverge", _count(drift.get("prompts_diverged"))),
        ("Earliest divergence, at token", _count(drift.get("first_divergence"))),
    ]
    if "own_text" in drift:
        rows += [
            (f"On your own text: {label}", text)
            for label, text in _closeness_rows(drift["own_text"])
        ]
    return [(label, text) for label, text in rows if text]


def _closeness_rows(drift: DriftFigures) -> list[tuple[str, str]]:
    """The text of a figure that was not measured is empty."""
    return [
        (
            "The original's token is the likeliest",
            _with_interval(drift.get("top1_agreement"), drift.get("top1_interval"), _percent),
        ),
        (
            "KL divergence, mean",
            _with_interval(drift.get("kl_mean"), drift.get("kl_interval"), _nats),
        ),
        ("KL divergence, 95th percentile", _with_interval(drift.get("kl_p95"), None, _nats)),
        (
            "Perplexity, times the original's",
            _with_interval(drift.get("perplexity_ratio"), drift.get("perplexity_interval"), _times),
        ),
        ("Tokens compared", _count(drift.get("tokens"))),
    ]


def _with_interval(
    value: float | None, ends: Sequence[float] | None, text: Callable[[float], str]
) -> str:
    if value is None:
        return ""
    return text(value) + (f" (95 %: {text(ends[0])} to {text(ends[1])})" if ends else "")


def _count(value: int | None) -> str:
    return number_text(value) if value is not None else ""


def target_name(document: BenchResult | QualityDocument) -> str:
    """Return the subject of a benchmark's or quality's document: an artifact's folder, a deployed name, or a server."""
    target = _label(document) or document.get("target", "")
    return one_line(target if "://" in target else PurePath(target).name, 60)


def _label(document: BenchResult | QualityDocument) -> str:
    return "" if document["kind"] == "quality" else document.get("label", "")


def measured_word(bench: BenchDocument) -> str:
    """Return the note in the head of a column with figures of a benchmark."""
    return "measured, void" if bench.get("void") else "measured"


def bench_sentence(bench: BenchDocument) -> str:
    """Return how the benchmark's figures came about, and whether they are worth anything."""
    repeats, new = bench.get("repeats"), bench.get("new_tokens")
    repetitions = f" of {repeats} repetitions after a warm-up" if repeats else ""
    tokens = f", {new} new tokens each" if new else ""
    void = "Void: measure again before you use these figures. " if bench.get("void") else ""
    if bench.get("stopped"):
        void += "Stopped early: the figures are of what was finished until then. "
    return f"{void}Median (least to most){repetitions}{tokens}."


def conversion_sentence(conversions: Iterable[ReportedConversion]) -> str:
    """Return the sentence that explains the measured times of conversions; empty when there is nothing to explain."""
    times = [seconds for c in conversions if (seconds := c.get("olive_load_seconds"))]
    if not times:
        return ""
    return (
        f"The time of a conversion is Olive's. Loading Olive, {seconds_text(times[0])} here, is part of the estimates and "
        "of the first conversion only."
    )


def drift_cell(measured: ReportedFigures) -> str:
    """Top-1 agreement and mean KL of one precision, as far as they were measured."""
    parts = []
    if "top1_agreement" in measured:
        parts.append(f"{100 * measured['top1_agreement']:.1f} %")
    if "kl_mean" in measured:
        parts.append(f"KL {kl_number(measured['kl_mean'])}")
    return ", ".join(parts)


def spread_cell(figure: Spread | None, *, factor: float = 1.0, void: bool = False) -> str:
    """Median with least and most of one figure, times a factor; empty when it was not measured."""
    if not figure:
        return ""
    span = (
        f" ({number_text(factor * figure['min'])} to {number_text(factor * figure['max'])})"
        if "min" in figure and "max" in figure
        else ""
    )
    return ("void: " if void else "") + number_text(factor * figure["median"]) + span


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRow:
    """One target at one prompt length: three cells, and the repetitions behind each."""

    target: str
    prompt_tokens: str
    cells: tuple[tuple[str, str], ...]
    void: bool


BENCH_FIGURES = ("TTFT ms", "Prefill tok/s", "Decode tok/s")
"""The figures of a `BenchRow`."""


def bench_rows(bench: BenchDocument) -> list[BenchRow]:
    """Return the figures of a benchmark; void ones say so in each cell."""
    rows = []
    for result in bench["results"]:
        void = bool(bench.get("void") or result.get("void"))
        for case in result["cases"]:
            tokens = case.get("prompt_tokens")
            figures = (
                (case.get("ttft_s"), 1_000.0),
                (case.get("prefill_tps") if _enough_read(tokens) else None, 1.0),
                (case.get("decode_tps"), 1.0),
            )
            cells = [
                (spread_cell(figure, factor=factor, void=void), _samples(figure, factor))
                for figure, factor in figures
            ]
            rows.append(
                BenchRow(
                    target=target_name(result),
                    prompt_tokens=str(tokens or "unknown"),
                    cells=tuple(cells),
                    void=void,
                )
            )
    return rows


def _samples(figure: Figure | None, factor: float) -> str:
    samples = figure.get("samples", ()) if figure is not None else ()
    return " ".join(number_text(factor * sample) for sample in samples)


def evidence_text(evidence: Evidence) -> str:
    """Return the evidence of a check in one line."""
    return evidence.get("summary", "")


FAULTS_SHOWN = 20
"""Faults of one check that a report lists; all of them stand in report.json."""


def fault_lines(check: CheckRow) -> list[str]:
    """Return one line for each question that a check found wrong, and for each unusual input that failed."""
    evidence = check["evidence"]
    lines = [
        f"{one_line(fault['prompt'], 120)}: {one_line(fault['fault'], 160)}"
        for fault in evidence.get("faults", [])
    ] + [
        f"{one_line(case['name'], 120)}: {one_line(case['words'], 160)}"
        for case in evidence.get("cases", [])
        if case["outcome"] == "failed"
    ]
    more = len(lines) - FAULTS_SHOWN
    return lines[:FAULTS_SHOWN] + ([f"and {more} more, in report.json"] if more > 0 else [])


def estimate_cell(estimate: ReportedEstimate) -> str:
    """Predicted size, peak memory and time, or why a row cannot run here."""
    if estimate.get("available") is False:
        return plain(estimate.get("reason") or "cannot run here")
    return _sizes(estimate.get("bytes"), estimate.get("peak_ram_bytes"), estimate.get("seconds"))


def size_cell(measured: ReportedFigures) -> str:
    """Measured size, peak memory and time."""
    return _sizes(measured.get("bytes"), measured.get("peak_rss_bytes"), measured.get("seconds"))


def _sizes(size: int | None, memory: int | None, seconds: float | None) -> str:
    parts = [bytes_text(value) for value in (size, memory) if value is not None]
    return ", ".join(parts + ([seconds_text(seconds)] if seconds is not None else []))


def template_sentence(template: ReportedTemplate) -> str:
    """Return the verdict of the template check; where it was not kept, no more than that there was one."""
    return template.get("sentence") or (
        "The template was checked and settled."
        if template.get("locked")
        else "Mismatch: the renderers differ."
    )


def tuned_sentence(tuned: TunedManifest | None) -> str:
    """Return the setting that `firstlight tune` wrote into an artifact, and its gain; empty for an untuned one."""
    if tuned is None:
        return ""
    settings = tuned["settings"]
    threads = threads_text(settings["intra_op_num_threads"], settings["spin_us"])
    faster = tuned.get("faster", {})
    rates = ", ".join(f"{name} {number_text(value)} ×" for name, value in faster.items())
    void = "Void, the machine was busy with something else. " if tuned.get("void") else ""
    against = f" Against what Olive leaves: {rates}." if rates else ""
    return f"{void}Tuned: {threads}.{against}"
