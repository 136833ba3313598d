"""Foreign text and figures as they stand in a report: shown exactly, closing nothing, opening nothing."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from firstlight_core.measure.drift_words import KL_ZERO
from firstlight_core.report.charts import number_text
from firstlight_core.text import bytes_text, one_line, seconds_text
from firstlight_core.tuning.settings import threads_text

Document = Mapping[str, Any]


def plain(value: Any, limit: int = 400) -> str:
    """Foreign text as Markdown that shows exactly that text: no link, no HTML, no table border."""
    return re.sub(r"([\\`*_{}\[\]<>|#!~])", r"\\\1", one_line(str(value), limit))


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
    """The lines of a Markdown table; none when it has no rows."""
    body = [f"| {' | '.join(row)} |" for row in rows]
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *body, ""] if body else []


def speed_cell(measured: Document) -> str:
    """Load time, TTFT and the two rates of one precision, as far as they were measured; void figures say so."""
    parts = [
        f"{name} {seconds_text(measured[key])}"
        for name, key in (("load", "load_s"), ("TTFT", "ttft_s"))
        if measured.get(key) is not None
    ]
    parts += [
        f"{name} {number_text(measured[key])} tok/s"
        for name, key in (("prefill", "prefill_tps"), ("decode", "decode_tps"))
        if measured.get(key) is not None
    ]
    if parts and measured.get("prompt_tokens"):
        reused = measured.get("reused_tokens")
        beside = f", {reused} of them kept in the KV cache" if reused else ""
        parts.append(f"at {measured['prompt_tokens']} prompt tokens{beside}")
    return ("void: " if parts and measured.get("void") else "") + ", ".join(parts)


def _nats(kl: float) -> str:
    return f"{kl_number(kl)} nats"


def kl_number(kl: float) -> str:
    """A KL divergence in nats; what float arithmetic cannot tell from none is 0."""
    return "0" if abs(kl) < KL_ZERO else number_text(kl)


_DRIFT: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("top1_agreement", "The original's token is the likeliest", lambda v: f"{100 * v:.2f} %"),
    ("kl_mean", "KL divergence, mean", _nats),
    ("kl_p95", "KL divergence, 95th percentile", _nats),
    ("perplexity_ratio", "Perplexity, times the original's", lambda v: f"{v:.4f} ×"),
    ("tokens", "Tokens compared", number_text),
    ("prompts", "Prompts", number_text),
    ("prompts_equal", "Prompts that become the very same tokens", number_text),
    ("prompts_skipped", "Prompts that do not fit", number_text),
    ("prompts_diverged", "Answers that would diverge", number_text),
    ("first_divergence", "Earliest divergence, at token", number_text),
)
_INTERVALS = {
    "top1_agreement": "top1_interval",
    "kl_mean": "kl_interval",
    "perplexity_ratio": "perplexity_interval",
}


def drift_rows(drift: Document) -> list[tuple[str, str]]:
    """The figures of a drift with their names, units and 95 % intervals, as far as they were measured; then those on the
    user's own text.
    """
    rows = []
    for key, label, text in _DRIFT:
        if isinstance(drift.get(key), int | float):
            value_text = text(drift[key])
            if ends := drift.get(_INTERVALS.get(key, "")):
                value_text += f" (95 %: {text(ends[0])} to {text(ends[1])})"
            rows.append((label, value_text))
    if isinstance(own := drift.get("own_text"), Mapping):
        rows += [
            (f"On your own text: {label}", value_text)
            for label, value_text in drift_rows(dict(own))
        ]
    return rows


def target_name(document: Document) -> str:
    """What a benchmark's or quality's document is about: an artifact's folder, a deployed name, or a server."""
    target = str(document.get("label") or document.get("target") or "")
    return one_line(target if "://" in target else PurePath(target).name, 60)


def resource_rows(results: Iterable[Document]) -> list[tuple[str, ...]]:
    """Load time, memory before, loaded and at its peak, and processor of each target; empty where nothing was measured."""
    rows = []
    for result in results:
        rss = result.get("rss_bytes") or {}
        load, processor = result.get("load_s"), result.get("cpu_percent")
        rows.append(
            (
                target_name(result),
                seconds_text(load) if isinstance(load, int | float) else "",
                *(bytes_text(rss[key]) if key in rss else "" for key in _MEMORY),
                f"{processor:.0f} %" if isinstance(processor, int | float) else "",
            )
        )
    return rows


_MEMORY = ("baseline", "loaded", "peak")
RESOURCES = ("Target", "Load", "RAM before", "RAM loaded", "RAM peak", "CPU, of all cores")
"""The head of `resource_rows`."""


def measured_word(bench: Document) -> str:
    """What the head of a column with figures of a benchmark says of them."""
    return "measured, void" if bench.get("void") else "measured"


def bench_sentence(bench: Document) -> str:
    """How the benchmark's figures came about, and whether they are worth anything."""
    repeats, new = bench.get("repeats"), bench.get("new_tokens")
    repetitions = f" of {repeats} repetitions after a warm-up" if repeats else ""
    tokens = f", {new} new tokens each" if new else ""
    void = "Void: measure again before you use these figures. " if bench.get("void") else ""
    return f"{void}Median (least to most){repetitions}{tokens}."


def conversion_sentence(conversions: Iterable[Document]) -> str:
    """What the measured times of conversions hold; empty when there is nothing to explain."""
    times = [c["olive_load_seconds"] for c in conversions if c.get("olive_load_seconds")]
    if not times:
        return ""
    return (
        f"The time of a conversion is Olive's. Loading Olive, {seconds_text(times[0])} here, is part of the estimates and "
        "of the first conversion only."
    )


def drift_cell(measured: Document) -> str:
    """Top-1 agreement and mean KL of one precision, as far as they were measured."""
    parts = []
    if measured.get("top1_agreement") is not None:
        parts.append(f"{100 * measured['top1_agreement']:.1f} %")
    if measured.get("kl_mean") is not None:
        parts.append(f"KL {kl_number(measured['kl_mean'])}")
    return ", ".join(parts)


def spread_cell(figures: Document | None) -> str:
    """Median with least and most of one figure; empty when it was not measured."""
    if not figures or figures.get("median") is None:
        return ""
    low, high = figures.get("min"), figures.get("max")
    span = (
        f" ({number_text(low)} to {number_text(high)})"
        if low is not None and high is not None
        else ""
    )
    return number_text(figures["median"]) + span


def evidence_text(evidence: Any) -> str:
    """The evidence of a check in one line, whatever its shape."""
    if isinstance(evidence, Mapping) and evidence.get("summary"):
        return str(evidence["summary"])
    if isinstance(evidence, Mapping):
        return ", ".join(
            f"{k} {number_text(v) if isinstance(v, float) else v}"
            for k, v in evidence.items()
            if isinstance(v, str | int | float)
        )
    return "" if evidence is None else str(evidence)


FAULTS_SHOWN = 20
"""Faults of one check that a report lists; all of them stand in report.json."""


def fault_lines(check: Document) -> list[str]:
    """One line for each question that a check found wrong, and for each unusual input that failed."""
    evidence = check.get("evidence")
    if not isinstance(evidence, Mapping):
        return []
    faults = [f for f in evidence.get("faults") or () if isinstance(f, Mapping)]
    cases = [c for c in evidence.get("cases") or () if isinstance(c, Mapping)]
    lines = [
        f"{one_line(str(f.get('prompt', '')), 120)}: {one_line(str(f.get('fault', '')), 160)}"
        for f in faults
    ] + [
        f"{one_line(str(c.get('name', '')), 120)}: {one_line(str(c.get('words', '')), 160)}"
        for c in cases
        if c.get("outcome") == "failed"
    ]
    more = len(lines) - FAULTS_SHOWN
    return lines[:FAULTS_SHOWN] + ([f"and {more} more, in report.json"] if more > 0 else [])


def size_cell(figures: Document, peak: str) -> str:
    """Size, peak memory (under the key `peak`) and time, or why a row cannot run here."""
    if figures.get("available") is False:
        return plain(figures.get("reason") or "cannot run here")
    parts = [bytes_text(figures[k]) for k in ("bytes", peak) if k in figures]
    return ", ".join(parts + ([seconds_text(figures["seconds"])] if "seconds" in figures else []))


def tuned_sentence(tuned: Document | None) -> str:
    """What `firstlight tune` has written into an artifact, and what it brought; empty for one that was not tuned."""
    settings = (tuned or {}).get("settings")
    if not isinstance(settings, Mapping):
        return ""
    threads = threads_text(settings.get("intra_op_num_threads"), settings.get("spin_us"))
    faster = (tuned or {}).get("faster") or {}
    rates = ", ".join(f"{name} {number_text(value)} ×" for name, value in faster.items())
    void = " Void: the machine was busy with something else." if (tuned or {}).get("void") else ""
    against = f" Against what Olive leaves: {rates}." if rates else ""
    return f"Tuned: {threads}.{against}{void}"
