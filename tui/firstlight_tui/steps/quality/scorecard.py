"""A quality document as a scorecard: the verdict, a tile for each check, the drift on its scale, the worst example."""

from collections.abc import Iterator, Mapping, Sequence

from rich.cells import cell_len
from textual.content import Content

from firstlight_core.documents.measure import (
    CheckRow,
    CheckStatus,
    DriftDocument,
    DriftExample,
    QualityDocument,
    Usability,
)
from firstlight_core.measure.drift_words import kl_text, level_words
from firstlight_core.measure.quality_verdict import USABILITY_WORDS, usability
from firstlight_core.text import bytes_text, one_line
from firstlight_tui.widgets.charts.canvas import Piece, fitted, spark, trough
from firstlight_tui.widgets.charts.drift_gauge import Histogram, PromptDrift
from firstlight_tui.widgets.charts.paragraphs import Facts, Paragraph, Paragraphs
from firstlight_tui.widgets.charts.roles import (
    BAD,
    BOLD,
    CAUTION,
    FILL,
    GOOD,
    MUTED,
    TITLE,
    TROUGH,
    Verdict,
)
from firstlight_tui.widgets.charts.tile import Tile
from firstlight_tui.widgets.token_view import change_content
from firstlight_tui.widgets.words import part

_VERDICTS: Mapping[Usability, tuple[str, str]] = {
    "usable": ("✓", GOOD),
    "with-caution": ("!", CAUTION),
    "not-good-enough": ("✗", BAD),
}
_TITLES = {
    "domain-answers": "answers",
    "answer-format": "format",
    "memory-leak": "memory",
    "consistent-speed": "speed",
    "edge-cases": "edge cases",
}
_STATUS_WORDS: Mapping[CheckStatus, tuple[str, Verdict]] = {
    "pass": ("passed", "good"),
    "fail": ("failed", "bad"),
    "needs-you": ("needs you", "caution"),
    "not-run": ("not run", "none"),
}
_SHARE_BAR = 20
NO_FIGURE = "–"


def headline(quality: QualityDocument) -> Content:
    """Return the verdict in capitals with its mark, the checks that passed, and how close the artifact is."""
    if quality.get("stopped"):
        answered = len(quality["answers"])
        return Content.assemble(
            part(" ◐ STOPPED EARLY ", f"{BOLD} reverse {CAUTION}"),
            part(f"  {answered} question{'s' * (answered != 1)} answered, no verdict"),
        )
    mark, style = _VERDICTS[level := usability(quality)]
    ran = [check for check in quality["checks"] if check["status"] != "not-run"]
    passed = sum(check["status"] == "pass" for check in ran)
    pieces: list[Piece] = [
        part(f" {mark} {USABILITY_WORDS[level].upper()} ", f"{BOLD} reverse {style}"),
        part(f"  {passed} of {len(ran)} checks passed"),
    ]
    drift = quality.get("drift")
    if drift is not None and (closeness := drift.get("closeness")):
        pieces.append(
            part(
                f" · {level_words(closeness)} to the original"
                if closeness != "far"
                else " · far from the original"
            )
        )
    return Content.assemble(*pieces)


def check_tiles(quality: QualityDocument) -> tuple[Tile, ...]:
    """Return one tile for each check, in the order of the checks."""
    return tuple(_tile(check) for check in quality["checks"])


def _tile(check: CheckRow) -> Tile:
    words, judged = _STATUS_WORDS[check["status"]]
    figure, detail = _figure(check)
    return Tile(
        title=_TITLES.get(check["id"], check["id"]),
        figure=figure if check["status"] != "not-run" else NO_FIGURE,
        origin=None,
        detail=detail,
        verdict=words,
        judged=judged,
    )


def _figure(check: CheckRow) -> tuple[str, str]:
    """Return the headline figure of a check, and a sparkline where it has a series."""
    evidence = check["evidence"]
    if "right" in evidence and "asked" in evidence:
        return f"{evidence['right']} of {evidence['asked']}", ""
    if check["id"] == "answer-format" and "faults" in evidence:
        count = len(evidence["faults"])
        return f"{count} fault{'s' * (count != 1)}", ""
    if "bytes_per_generation" in evidence:
        growth = evidence["bytes_per_generation"]["value"]
        return f"{'−' if growth < 0 else '+'}{bytes_text(abs(growth))}", ""
    if "slowest_share" in evidence:
        rates = evidence.get("decode_tps", {})
        ordered = [rates[key] for key in sorted(rates, key=_length)]
        return f"≥ {evidence['slowest_share']:.0%}".replace("%", " %"), spark(ordered, 12)
    if "cases" in evidence:
        good = sum(case["outcome"] != "failed" for case in evidence["cases"])
        return f"{good} of {len(evidence['cases'])}", ""
    return NO_FIGURE, ""


def _length(text: str) -> int:
    return int(text) if text.isdigit() else 0


def prompt_drift(drift: DriftDocument) -> PromptDrift | None:
    """KL of every prompt; None in the records of earlier versions."""
    values = drift.get("kl_by_prompt", [])
    return PromptDrift(nats=tuple(values)) if len(values) > 1 else None


def histogram(drift: DriftDocument) -> Histogram | None:
    """Return how many prompts lie in each decade of KL; None in the records of earlier versions."""
    values = drift.get("kl_by_prompt", [])
    return Histogram(nats=tuple(values)) if len(values) > 1 else None


def drift_line(drift: DriftDocument) -> Facts:
    """Same next token, perplexity, same whole answer: the three figures beside the KL."""
    share = drift["top1_agreement"]
    figures: list[list[Piece]] = [
        [
            part("Same next token ", TITLE),
            part(f"{share:.1%} ".replace("%", " %"), BOLD),
            *trough(share, _SHARE_BAR, FILL),
        ],
        [part("Perplexity ", TITLE), part(f"×{drift['perplexity_ratio']:.3f}", BOLD)],
    ]
    if "prompts" in drift and "prompts_diverged" in drift:
        same = drift["prompts"] - drift["prompts_diverged"]
        words = part(f"{same} of {drift['prompts']}", BOLD)
        figures.append([part("Same whole answer ", TITLE), words])
    return Facts([Content.assemble(*pieces) for pieces in figures])


FURTHER = 4
"""Further examples that a tall terminal shows below the worst one."""


def worst_example(drift: DriftDocument, label: str) -> Paragraphs | None:
    """Return the prompt that drifted most: what the original says, and what the artifact changes."""
    return _examples(drift["worst"][:1], label, "Worst")


def further_examples(drift: DriftDocument, label: str) -> Paragraphs | None:
    """Return the prompts that drifted most after the worst one."""
    return _examples(drift["worst"][1 : 1 + FURTHER], label, "Then")


def _examples(examples: Sequence[DriftExample], label: str, word: str) -> Paragraphs | None:
    lines: list[Paragraph] = []
    for example in examples:
        if lines:
            lines.append(Paragraph(text=Content("")))
        lines += _example(example, label, word)
    return Paragraphs(lines) if lines else None


def _example(example: DriftExample, label: str, word: str) -> Iterator[Paragraph]:
    original, artifact = one_line(example["original"], 300), one_line(example["artifact"], 300)
    at = example["first_divergence"]
    where = f" at token {at + 1}" if at is not None else ", no other token chosen"
    width = max(cell_len("original"), cell_len(label))
    prompt = Content.assemble(
        part(one_line(example["prompt"], 80), TITLE),
        part(f"   KL {kl_text(example['kl_mean'])}{where}", MUTED),
    )
    yield Paragraph(head=[part(f"{word}: ", TITLE)], text=prompt)
    change = change_content(original, artifact)
    same = Content.assemble(part("the same answer", GOOD))
    for name, text in (
        ("original", Content(original)),
        (label, same if original == artifact else change),
    ):
        yield Paragraph(head=[part(f"  {fitted(name, width)} ", MUTED), ("│ ", TROUGH)], text=text)
