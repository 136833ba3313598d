"""The list of what the quality step checks, for as long as there is no result."""

from firstlight_core.measure.quality_checks import RIGHT_SHARE
from firstlight_tui.widgets.charts.paragraphs import Paragraphs, checklist


def checks_ahead() -> Paragraphs:
    """Return the five checks and the drift, each with what has to hold."""
    return checklist(
        {
            "answers": f"Your questions get the answers that you expect, at least {RIGHT_SHARE * 100:.0f} % of them.",
            "format": "Answers are clean text in the form that you asked for, and end by themselves.",
            "memory": "RAM does not grow from answer to answer.",
            "speed": "After a long prompt it still writes at least a third as fast as after a short one.",
            "edge cases": "Empty, very long and unusual inputs get an answer or a clear refusal.",
            "drift": "Original and artifact read the same texts, and the probabilities of every next token are compared.",
        }
    )
