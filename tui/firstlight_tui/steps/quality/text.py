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
FEW = 5
"""Questions, faults or cases of one check that stand on the step; all of them are one key away."""
MARKS = {
    "pass": ("✓ pass      ", "$text-success"),
    "fail": ("✗ fail      ", "$text-error"),
    "needs-you": ("? needs you ", "$text-warning"),
    "not-run": ("· not run   ", "$foreground-muted"),
}


def check_words(
    document: QualityDocument | QualitiesDocument, *, whole: bool = False
) -> Paragraphs:
    """Return every check with its status and evidence; of several targets a block each.

    `whole` adds the first questions, faults and cases of each check.
    """
    if document["kind"] == "qualities":
        return Paragraphs([line for quality in document["artifacts"] for line in _block(quality)])
    lines = []
    for check in document["checks"]:
        mark, style = MARKS[check["status"]]
        lines.append(Paragraph(head=[(mark, style)], text=_styled(check["title"], "bold")))
        # The rest of the evidence is in the report.
        evidence = _styled(one_line(check["evidence"]["summary"], 400), "$foreground-muted")
        lines.append(Paragraph(head=[(" " * EVIDENCE, "")], text=evidence))
        lines += _particulars(check) if whole else ()
    return Paragraphs(lines)


def all_words(
    document: QualityDocument | QualitiesDocument, chosen: QualityDocument, label: str
) -> Paragraphs:
    """Return what a tall terminal has room for: of several targets also the checks of the chosen one, `label`.

    Without a drift each check comes with its questions, faults and cases.
    """
    checks = check_words(chosen, whole="drift" not in chosen)
    if document["kind"] == "quality":
        return checks
    name = Paragraph(text=_styled(one_line(label, 60), "bold"))
    blocks = check_words(document).paragraphs
    return Paragraphs([*blocks, Paragraph(text=Content("")), name, *checks.paragraphs])


def _particulars(check: CheckRow) -> Iterator[Paragraph]:
    """Yield the first faults, cases and answers of a check, a line or two each."""
    evidence = check["evidence"]
    indent = " " * EVIDENCE
    for fault in evidence.get("faults", [])[:FEW]:
        yield Paragraph(head=[(f"{indent}✗ ", "$text-error")], text=_line(fault["prompt"], 200))
        yield Paragraph(head=[(f"{indent}  ", "")], text=_line(fault["fault"], 300))
    for case in evidence.get("cases", [])[:FEW]:
        mark, style = (
            ("✗", "$text-error") if case["outcome"] == "failed" else ("✓", "$text-success")
        )
        words = f"{case['name']}: {case['outcome']}. {case['words']}"
        yield Paragraph(head=[(f"{indent}{mark} ", style)], text=_line(words, 300))
    for answer in evidence.get("answers", [])[:FEW]:
        yield Paragraph(head=[(f"{indent}? ", "$text-accent")], text=_line(answer["prompt"], 200))
        yield Paragraph(head=[(f"{indent}  ", "")], text=_line(answer["answer"], 300))


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


def _line(text: str, most: int) -> Content:
    return Content(one_line(text, most))


def _styled(text: str, style: str) -> Content:
    return Content.assemble(part(text, style))
