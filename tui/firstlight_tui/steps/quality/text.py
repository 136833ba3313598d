"""A quality document in words: check by check for one target, a short block for each of several."""

from collections.abc import Callable, Sequence
from pathlib import Path

from textual.content import Content

from firstlight_core.documents.measure import (
    CheckRow,
    DriftDocument,
    DriftFigures,
    QualitiesDocument,
    QualityDocument,
)
from firstlight_core.measure.drift_words import kl_text
from firstlight_core.text import one_line
from firstlight_tui.widgets.words import part

MARKS = {
    "pass": ("✓ pass      ", "$text-success"),
    "fail": ("✗ fail      ", "$text-error"),
    "needs-you": ("? needs you ", "$text-warning"),
    "not-run": ("· not run   ", "$foreground-muted"),
}


def check_words(document: QualityDocument | QualitiesDocument) -> Content:
    """Return every check with its status and evidence; of several targets a block each."""
    if document["kind"] == "qualities":
        return Content("\n").join([_block(quality) for quality in document["artifacts"]])
    lines = []
    for check in document["checks"]:
        mark, style = MARKS[check["status"]]
        lines.append(Content.assemble(part(mark, style), part(check["title"], "bold")))
        # The rest of the evidence is in the report.
        evidence = f"              {one_line(check['evidence']['summary'], 400)}"
        lines.append(Content.assemble(part(evidence, "$foreground-muted")))
    return Content("\n").join(lines)


def evidence_text(check: CheckRow) -> str:
    """Return the evidence of one check: its summary, then its questions, faults and cases."""
    evidence = check["evidence"]
    lines = [evidence["summary"]]
    for fault in evidence.get("faults", []):
        lines += ["", f"✗ {fault['prompt']}", f"  {fault.get('answer', '')}", f"  {fault['fault']}"]
    for row in evidence.get("cases", []):
        mark = "✗" if row["outcome"] == "failed" else "✓"
        lines.append(f"{mark} {row['name']}: {row['outcome']}. {row['words']}")
    for answer in evidence.get("answers", []):
        lines += ["", f"? {answer['prompt']}", f"  {answer['answer']}"]
    for length, rate in evidence.get("decode_tps", {}).items():
        lines.append(f"{length} tokens of prompt: {rate:.1f} tokens/s")
    return "\n".join(lines)


def verdict_words(document: QualityDocument | QualitiesDocument) -> Content | None:
    """Drift, where it was measured, and the verdict; None of several targets."""
    if document["kind"] == "qualities":
        return None
    parts = []
    if "drift" in document:
        parts.append(part("Drift against the original, measured: ", "$text-accent"))
        parts.append(part(_drift_figures(document["drift"])))
        parts.append(part("\n"))
    parts.append(part(one_line(document["verdict"], 600), "bold"))
    return Content.assemble(*parts)


def _block(document: QualityDocument) -> Content:
    marks = [MARKS[check["status"]] for check in document["checks"]]
    name = one_line(Path(document["target"]).name, 60)
    drift = document.get("drift")
    return Content.assemble(
        part(f"{name:20} ", "bold"),
        *(part(mark[:2], style) for mark, style in marks),
        part(f" {_drift_figures(drift)}" if drift is not None else ""),
        part(f"\n  {one_line(document['verdict'], 400)}", "$foreground-muted"),
    )


def _drift_figures(drift: DriftDocument) -> str:
    """Return the figures of a drift, each with its interval; those on the user's text after them."""
    words = _figures(drift)
    return f"{words}. On your text: {_figures(drift['own_text'])}" if "own_text" in drift else words


def _figures(drift: DriftFigures) -> str:
    share = f"top-1 agreement {drift['top1_agreement']:.1%}"
    divergence = f"mean KL {kl_text(drift['kl_mean'])}"
    ratio = f"perplexity ratio {drift['perplexity_ratio']:.4f}"
    return "; ".join(
        [
            share + _between(drift.get("top1_interval"), "{:.1%}".format),
            divergence + _between(drift.get("kl_interval"), kl_text),
            f"95th percentile KL {kl_text(drift['kl_p95'])}",
            ratio + _between(drift.get("perplexity_interval"), "{:.4f}".format),
        ]
    )


def _between(interval: Sequence[float] | None, text: Callable[[float], str]) -> str:
    return f" ({text(interval[0])} to {text(interval[1])})" if interval else ""
