"""A quality document in words: check by check for one target, a short block for each of several."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from textual.content import Content

from firstlight_core.measure.drift_words import kl_text
from firstlight_core.text import one_line
from firstlight_tui.widgets.words import part

MARKS = {
    "pass": ("✓ pass      ", "$text-success"),
    "fail": ("✗ fail      ", "$text-error"),
    "needs-you": ("? needs you ", "$text-warning"),
    "not-run": ("· not run   ", "$foreground-muted"),
}


def check_words(document: Mapping[str, Any]) -> Content:
    """Every check with its status and evidence; of several targets a block each."""
    if several := document.get("artifacts"):
        return Content("\n").join([_block(entry) for entry in several])
    lines = []
    for check in document.get("checks") or ():
        mark, style = MARKS.get(str(check["status"]), ("? ", "$foreground-muted"))
        title = part(str(check.get("title") or check["id"]), "bold")
        lines.append(Content.assemble(part(mark, style), title))
        evidence = f"              {_evidence(check.get('evidence'))}"
        lines.append(Content.assemble(part(evidence, "$foreground-muted")))
    return Content("\n").join(lines)


def verdict_words(document: Mapping[str, Any]) -> Content | None:
    """Drift, where it was measured, and the verdict; None when there is neither."""
    drift, verdict = document.get("drift"), one_line(str(document.get("verdict") or ""), 600)
    parts = []
    if isinstance(drift, Mapping):
        parts.append(part("Drift against the original, measured: ", "$text-accent"))
        parts.append(part(_figures(drift)))
        parts.append(part("\n"))
    if verdict:
        parts.append(part(verdict, "bold"))
    return Content.assemble(*parts) if parts else None


def _block(document: Mapping[str, Any]) -> Content:
    checks = document.get("checks") or ()
    marks = [MARKS.get(str(check["status"]), ("? ", "$foreground-muted")) for check in checks]
    name = one_line(Path(str(document.get("target"))).name, 60)
    drift = document.get("drift")
    return Content.assemble(
        part(f"{name:20} ", "bold"),
        *(part(mark[:2], style) for mark, style in marks),
        part(f" {_figures(drift)}" if isinstance(drift, Mapping) else ""),
        part(f"\n  {one_line(str(document.get('verdict') or ''), 400)}", "$foreground-muted"),
    )


def _figures(drift: Mapping[str, Any]) -> str:
    """The figures of a drift, each with its interval; those on the user's text after them."""
    parts = []
    if "top1_agreement" in drift:
        share = f"top-1 agreement {drift['top1_agreement']:.1%}"
        parts.append(share + _between(drift.get("top1_interval"), "{:.1%}".format))
    if "kl_mean" in drift:
        divergence = f"mean KL {kl_text(drift['kl_mean'])}"
        parts.append(divergence + _between(drift.get("kl_interval"), kl_text))
    if "kl_p95" in drift:
        parts.append(f"95th percentile KL {kl_text(drift['kl_p95'])}")
    if "perplexity_ratio" in drift:
        ratio = f"perplexity ratio {drift['perplexity_ratio']:.4f}"
        parts.append(ratio + _between(drift.get("perplexity_interval"), "{:.4f}".format))
    words = "; ".join(parts)
    own = drift.get("own_text")
    return f"{words}. On your text: {_figures(own)}" if isinstance(own, Mapping) else words


def _between(interval: Sequence[float] | None, text: Callable[[float], str]) -> str:
    return f" ({text(interval[0])} to {text(interval[1])})" if interval else ""


def _evidence(evidence: Any) -> str:
    """The sentence in the evidence; the rest of it is in the report."""
    words = evidence.get("summary", "") if isinstance(evidence, Mapping) else evidence
    return one_line(str(words or ""), 400)
