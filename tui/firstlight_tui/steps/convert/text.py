"""The words of the convert step: the methods of the course, the plan, and a line for each result."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from textual.content import Content

from firstlight_core.conversion.calibration_choice import CalibrationWord
from firstlight_core.conversion.inspected_source import InspectedSource
from firstlight_core.conversion.plan import ConversionPlan
from firstlight_core.documents.conversion import ConversionDocument, OliveConfig
from firstlight_core.precision.calibration import TALKS
from firstlight_core.precision.table import find_precision
from firstlight_core.session import Session
from firstlight_core.shells import command_line
from firstlight_core.text import bytes_text, one_line, seconds_text, shown_path
from firstlight_tui.state.precision_choice import form_in
from firstlight_tui.steps.convert.method_screen import MethodTexts
from firstlight_tui.widgets.charts.paragraphs import HangingText, Paragraph
from firstlight_tui.widgets.words import part

METHODS = {
    "command": "using one command (course method 1)",
    "config": "using a config file (course method 2)",
}


def course_words(plan: ConversionPlan, method: str) -> str:
    """Return the course's text for one of its two methods."""
    if method == "command":
        return command_line(plan.course_command)
    return json.dumps(plan.course_config, indent=2)


def run_words(plan: ConversionPlan) -> str:
    """Return the Olive configuration that is run."""
    return json.dumps(plan.run_config, indent=2)


def method_texts(
    plan: Callable[..., ConversionPlan],
    precision: str,
    edited: OliveConfig | None,
    calibration: str | Path | None = None,
) -> MethodTexts:
    """Return the texts of the method screen; `plan` lays out one conversion, given `method` or `config`.

    Raises:
        FirstlightError: no plan can be made.
    """
    plans: dict[str, ConversionPlan] = {}
    inspected: InspectedSource | None = None
    for method in METHODS:
        plans[method] = plan(method=method, calibration=calibration, inspected=inspected)
        inspected = plans[method].inspected
    return MethodTexts(
        label=find_precision(precision).label,
        course={method: course_words(planned, method) for method, planned in plans.items()},
        reasons={method: planned.reason for method, planned in plans.items()},
        own=run_words(plans["config"]),
        edited=run_words(plan(config=edited)) if edited else None,
    )


def how_words(texts: MethodTexts, method: str) -> Content:
    """Return the course's text, why what is run differs, and the configuration that is run."""
    return Content.assemble(
        part(
            f"The course's way for {texts.label}, {METHODS.get(method, method)}\n", "$text-accent"
        ),
        part(texts.course.get(method, "")),
        part("\n\nWhat Firstlight runs, and why\n", "$text-accent"),
        part(f"{one_line(texts.reasons.get(method, ''), 400)}\n", "$foreground-muted"),
        part(texts.edited or texts.own),
    )


def plan_words(session: Session, source: str, pending: list[str]) -> Content:
    """Return one line: what becomes what, by which method."""
    keys = pending or list(session.precisions)
    labels = ", ".join(find_precision(key).label for key in keys)
    edited = [key for key in keys if key in (session.configs or {})]
    method = METHODS.get(session.method, session.method)
    if edited and session.method == "config":
        method += f", edited for {', '.join(find_precision(key).label for key in edited)}"
    if rounded := _rounded_words(session, keys):
        method += f", {rounded}"
    return Content.assemble(
        part(one_line(source, 40), "bold"),
        part(" → "),
        part(labels, "bold $text-accent"),
        part(f"   {method} · m shows or edits it", "$foreground-muted"),
    )


def _rounded_words(session: Session, keys: Sequence[str]) -> str:
    """Return what the weights are rounded on; empty where they are rounded to the nearest."""
    if not any(form_in(session, key).calibrated for key in keys):
        return ""
    if session.calibration in (None, CalibrationWord.NEAREST):
        return f"rounded on {TALKS} built-in talks"
    return f"rounded on {shown_path(Path(session.calibration or '').name)}"


def result_words(document: ConversionDocument, *, used: bool, labels: int) -> HangingText:
    """Return one finished precision, measured; the arrow marks the artifact that the next steps use.

    `labels` is the width of the longest name in the list.
    """
    smoke = document.get("smoke") or {}
    label = find_precision(str(document["precision"])).label
    facts = [bytes_text(document["bytes"]), seconds_text(document["seconds"])]
    if peak := document.get("peak_rss_bytes"):
        facts.append(f"peak RAM {bytes_text(peak)}")
    if built := built_words(document.get("built")):
        facts.append(built)
    answer = one_line(str(smoke.get("text", "")), 40)
    head = [
        ("▸ " if used else "✓ ", "bold $text-primary" if used else "$text-success"),
        (f"{label:{labels}}  ", "bold"),
        ("measured  ", "$text-accent"),
    ]
    quoted = part(f"  “{answer}”" if answer else "", "$foreground-muted")
    text = Content.assemble(part(", ".join(facts)), quoted)
    return HangingText(Paragraph(head=head, text=text))


def built_words(built: Any) -> str:
    """Return the quantisation that was read from the graph: `4 bits, blocks of 32`; empty without any."""
    if not isinstance(built, Mapping) or not built.get("bits"):
        return ""
    words = f"{' and '.join(str(bits) for bits in built['bits'])} bits"
    if blocks := built.get("block_size"):
        words += f" in blocks of {'/'.join(str(size) for size in blocks)}"
    return words
