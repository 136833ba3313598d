"""Colour roles of the charts: theme variables, and a shape for each, so that no meaning depends on colour alone."""

from typing import Literal

PLAIN = ""
BOLD = "bold"
MUTED = "$foreground-muted"
TITLE = "$text-accent"
GOOD = "$text-success"
CAUTION = "$text-warning"
BAD = "$text-error"
FILL = "$primary"
TROUGH = "$border-blurred"
"""Troughs, axes and borders: at least 3 : 1 against every ground of every theme (`tests/themes`)."""
FOCUS = "$primary"

SERIES = ("$primary", "$accent", "$success", "$secondary", "$warning", "$error")
SERIES_MARKS = "●■▲◆▼○"
"""The mark of each series, in the order of its colour."""

Origin = Literal["claim", "estimate", "measured", "void"]
"""Where a figure comes from."""
ORIGIN_STYLES: dict[Origin, str] = {
    "claim": MUTED,
    "estimate": MUTED,
    "measured": GOOD,
    "void": f"bold {BAD}",
}
ORIGIN_WORDS: dict[Origin, str] = {
    "claim": "claim",
    "estimate": "≈ estimate",
    "measured": "measured",
    "void": "✗ VOID",
}
ORIGIN_SHORT: dict[Origin, str] = {
    "claim": "claim",
    "estimate": "≈ est.",
    "measured": "meas.",
    "void": "✗",
}
"""The same where the words do not fit, as in the heads of the precision table."""

Verdict = Literal["good", "caution", "bad", "none"]
VERDICT_STYLES: dict[Verdict, str] = {"good": GOOD, "caution": CAUTION, "bad": BAD, "none": MUTED}
VERDICT_MARKS: dict[Verdict, str] = {"good": "✓", "caution": "!", "bad": "✗", "none": ""}
