"""A quality document in words: check by check for one target, a short block for each of several."""

from collections.abc import Iterator
from pathlib import Path

from textual.content import Content

from firstlight_core.documents.measure import (
    CheckRow,
    QualitiesDocument,
    QualityDocument,
)
from firstlight_core.measure.drift_words import kl_text
from firstlight_core.text import one_line
from firstlight_tui.widgets.charts.paragraphs import Paragraph, Paragraphs
from firstlight_tui.widgets.words import part

EVIDENCE = 14
"""Cells before the evidence of a check."""
MARKS = {
    "pass": ("✓ pass      ", "$text-success"),
    "fail": ("✗ fail      ", "$text-error"),
    "needs-you": ("? needs you ", "$text-warning"),
    "not-run": ("· not run   ", "$foreground-muted"),
}


def check_words(document: QualityDocument | QualitiesDocument) -> Paragraphs:
    """Return every check with its status and evidence; of several targets a block each."""
    if document["kind"] == "qualities":
        return Paragraphs([line for quality in document["artifacts"] for line in _block(quality)])
    lines = []
    for check in document["checks"]:
        mark, style = MARKS[check["status"]]
        lines.append(Paragraph(head=[(mark, style)], text=_styled(check["title"], "bold")))
        # The rest of the evidence is in the report.
        evidence = _styled(one_line(check["evidence"]["summary"], 400), "$foreground-muted")
        lines.append(Paragraph(head=[(" " * EVIDENCE, "")], text=evidence))
    return Paragraphs(lines)


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
    """Return the verdict, which has the drift with its intervals; None of several targets."""
    if document["kind"] == "qualities":
        return None
    words = [part(one_line(document["verdict"], 600), "bold")]
    if "drift" in document:
        percentile = kl_text(document["drift"]["kl_p95"])
        words.append(
            part(f"\n95 % of the tokens have a KL below {percentile}.", "$foreground-muted")
        )
    return Content.assemble(*words)


def _block(document: QualityDocument) -> Iterator[Paragraph]:
    marks = [MARKS[check["status"]] for check in document["checks"]]
    name = _styled(f"{one_line(Path(document['target']).name, 60):20} ", "bold")
    yield Paragraph(text=Content.assemble(name, *(part(mark[:2], style) for mark, style in marks)))
    verdict = _styled(one_line(document["verdict"], 400), "$foreground-muted")
    yield Paragraph(head=[("  ", "")], text=verdict)


def _styled(text: str, style: str) -> Content:
    return Content.assemble(part(text, style))
