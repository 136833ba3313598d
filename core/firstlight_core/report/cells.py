"""Foreign text and figures as they stand in a report: shown exactly, closing nothing, opening nothing."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from firstlight_core.report.charts import number_text
from firstlight_core.text import bytes_text, one_line, seconds_text

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
    """Load time, TTFT and the two rates of one precision, as far as they were measured."""
    found = [
        f"{name} {seconds_text(measured[key])}"
        for name, key in (("load", "load_s"), ("TTFT", "ttft_s"))
        if measured.get(key) is not None
    ]
    found += [
        f"{name} {number_text(measured[key])} tok/s"
        for name, key in (("prefill", "prefill_tps"), ("decode", "decode_tps"))
        if measured.get(key) is not None
    ]
    if found and measured.get("prompt_tokens"):
        found.append(f"at {measured['prompt_tokens']} prompt tokens")
    return ", ".join(found)


def drift_cell(measured: Document) -> str:
    """Top-1 agreement and mean KL of one precision, as far as they were measured."""
    found = []
    if measured.get("top1_agreement") is not None:
        found.append(f"{100 * measured['top1_agreement']:.1f} %")
    if measured.get("kl_mean") is not None:
        found.append(f"KL {measured['kl_mean']:.4g}")
    return ", ".join(found)


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


def size_cell(figures: Document, peak: str) -> str:
    """Size, peak memory (under the key `peak`) and time, or why a row cannot run here."""
    if figures.get("available") is False:
        return plain(figures.get("reason") or "cannot run here")
    found = [bytes_text(figures[k]) for k in ("bytes", peak) if k in figures]
    return ", ".join(found + ([seconds_text(figures["seconds"])] if "seconds" in figures else []))
