"""Weights that were rounded on a text: their limits, and what docs/gate.md says of them."""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from firstlight_core.conversion import verdict

Row = dict[str, Any]
CALIBRATED = "int4-calibrated"
"""Precision of builds that were rounded on a text, and the row of their limits."""
WEIGHTS_ALONE = (
    *("rows_zeroed", "two_tokens_swapped", "matrix_scaled"),
    *("half_rows_zeroed", "rows_scaled", "head_rows_swapped"),
)
"""Faults that leave the structure right."""
FIGURES = {
    "row_error": ("rows_zeroed", "rows_scaled"),
    "row_slope": ("rows_zeroed", "half_rows_zeroed", "rows_scaled"),
    "slope": ("matrix_scaled",),
}
"""Figure of such matrices, and the faults of weights alone that it shows."""


def largest(row: Row, figure: str) -> float:
    """One figure of a build's matrices that were rounded on a text."""
    return max(row.get("moved", {}).get(figure, {}).values(), default=0.0)


def moved_limits(honest: Iterable[Row], planted: Iterable[Row], most: float) -> dict[str, float]:
    """The limits of matrices that were rounded on a text, by the rule of all others.

    `most`: what a whole matrix may differ by where it was rounded to the nearest step; these may not differ by more.
    """
    right = [row for row in honest if "moved" in row]
    wrong = [row for row in planted if "moved" in row]
    own = max(largest(row, "error") for row in right)
    limits = {"weight_error": min(most, float(f"{4 * own:.0e}"))}
    for figure, faults in FIGURES.items():
        worst = max(largest(row, figure) for row in right)
        least = min(largest(row, figure) for row in wrong if row["fault"] in faults)
        limits[figure] = float(f"{math.sqrt(worst * least):.2g}")
    return limits


def form_of(row: Row) -> str:
    """How the page names the form of a build."""
    form = row["form"]
    return (
        f"blocks of {form['layers']}, head of {form['head_bits']} bits in blocks of {form['head']}"
    )


def found_by_kl(row: Row) -> bool:
    """Whether the logits alone would have refused a build."""
    allowed = verdict.thresholds()["limits"][CALIBRATED]["kl_alone"]
    return "kl" not in row or not row["kl"] <= allowed


def moved_page(
    honest: list[Row], planted: list[Row], refused_by: Callable[[Row], str]
) -> dict[str, str | float]:
    """The parts of docs/gate.md about builds that were rounded on a text."""
    right = [row for row in honest if row["precision"] == CALIBRATED]
    wrong = [(row, refused_by(row)) for row in planted if row["precision"] == CALIBRATED]
    seen = [
        "| layers and head | honest builds | structure, worst | weights, worst | row, worst | scale of a row, worst | scale, worst | KL, worst |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for form in dict.fromkeys(form_of(row) for row in right):
        mine = [row for row in right if form_of(row) == form]
        names = ("error", *FIGURES)
        values = [max(row["structure"] for row in mine)]
        values += [max(largest(row, name) for row in mine) for name in names]
        values.append(max(row["kl"] for row in mine))
        seen.append(f"| {form} | {len(mine)} | " + " | ".join(f"{v:.2g}" for v in values) + " |")
    faults = [
        "| fault | builds | refused by weights | by structure | by logits | does not run | passes | the logits alone find |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    groups = {
        **{name.replace("_", " "): [p for p in wrong if p[0]["fault"] == name]
           for name in dict.fromkeys(row["fault"] for row, _ in wrong)},
        **{f"**{form}**": [p for p in wrong if form_of(p[0]) == form]
           for form in dict.fromkeys(form_of(row) for row, _ in wrong)},
    }  # fmt: skip
    for name, builds in groups.items():
        count = Counter(by for _, by in builds)
        cells = [count[key] or "" for key in ("weights", "structure", "logits", "runtime", "")]
        alone = sum(found_by_kl(row) for row, _ in builds)
        faults.append(
            f"| {name} | {len(builds)} | " + " | ".join(map(str, [*cells, alone or ""])) + " |"
        )
    return {
        "moved_seen": "\n".join(seen),
        "moved_faults": "\n".join(faults),
        "moved_honest": len(right),
        "moved_planted": len(wrong),
        "kl_alone": verdict.thresholds()["limits"][CALIBRATED]["kl_alone"],
    }
