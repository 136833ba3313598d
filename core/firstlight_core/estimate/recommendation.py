"""Which row of the precision table fits a goal, from estimates until there are measurements; arithmetic only.

A row that Quality called not good enough is never named. One that keeps fewer bits a weight than a row that drifted too
far is named only when nothing else is left.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from firstlight_core.documents.estimate import Estimates
from firstlight_core.estimate.calibrated_offer import offer_calibrated
from firstlight_core.estimate.measured_figures import Figures
from firstlight_core.precision.table import PRECISIONS, Precision
from firstlight_core.text import bytes_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A goal of the recommendation."""

    key: str
    label: str


GOALS = (
    Goal(key="smallest", label="Smallest"),
    Goal(key="fastest", label="Fastest"),
    Goal(key="closest", label="Closest to the original"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """One row, and why."""

    goal: Goal
    precision: str
    """Key of the row; empty when Quality refuted every row that can run here."""
    basis: str
    """`estimate` or `measured`."""
    sentence: str


def find_goal(key: str) -> Goal:
    """Return the goal with this key; the first one when there is none."""
    return next((goal for goal in GOALS if goal.key == key), GOALS[0])


def next_goal(key: str) -> Goal:
    """Return the goal after this one, round and round."""
    return GOALS[(GOALS.index(find_goal(key)) + 1) % len(GOALS)]


def recommend(
    goal: str, estimates: Estimates, figures: Mapping[str, Figures]
) -> Recommendation | None:
    """Return the row for a goal; None when no row can run here.

    Refuted rows do not take part, and rows of fewer bits than one that drifted too far only when no other is left.
    Sizes are compared row by row, the measured one where there is one. Speed and drift are compared among measured
    rows as soon as two of them are measured, and guessed before: decoding reads every weight once a token, so fewer
    bytes are faster; more bits a weight lie closer to the original.
    """
    rows = [row for row in PRECISIONS if estimates.get(row.key, {}).get("available", True)]
    # A measured row has run here, even if its estimate said that it cannot.
    rows += [row for row in PRECISIONS if row not in rows and row.key in figures]
    chosen = find_goal(goal)
    if not rows:
        return None
    refuted = [row for row in rows if row.key in figures and figures[row.key].usable is False]
    doubtful = _doubtful(rows, figures)
    left = [row for row in rows if row not in refuted]
    if not left:
        words = f"Quality called {_labels(refuted)} not good enough, and no other row can run here."
        return Recommendation(goal=chosen, precision="", basis="measured", sentence=words)
    trusted = [row for row in left if row not in doubtful]
    advice = _choose(chosen, trusted or left, estimates, figures)
    if advice is None:
        return None
    words = advice.sentence
    if refuted:
        words += f" Left out, not good enough by Quality: {_labels(refuted)}"
        if doubtful and trusted:
            words += f"; of fewer bits than a row that drifted too far: {_labels(doubtful)}"
        words += "."
    if offer := offer_calibrated(estimates, figures):
        words += f" {offer}"
    return replace(advice, sentence=words)


def _doubtful(rows: list[Precision], figures: Mapping[str, Figures]) -> list[Precision]:
    """Unchecked rows that store more coarsely than a row that drifts too far."""
    far = [row.fineness for row in rows if row.key in figures and figures[row.key].drifted]
    unknown = [row for row in rows if row.key not in figures or figures[row.key].usable is None]
    return [row for row in unknown if any(row.fineness < other for other in far)]


def _choose(
    goal: Goal, rows: list[Precision], estimates: Estimates, figures: Mapping[str, Figures]
) -> Recommendation | None:
    match goal.key:
        case "fastest":
            return _fastest(goal, rows, estimates, figures)
        case "closest":
            return _closest(goal, rows, figures)
        case _:
            return _smallest(goal, rows, estimates, figures)


def _smallest(
    goal: Goal, rows: list[Precision], estimates: Estimates, figures: Mapping[str, Figures]
) -> Recommendation | None:
    sized: dict[str, tuple[float, str]] = {}
    for row in rows:
        measured = figures[row.key].bytes if row.key in figures else None
        guess = estimates.get(row.key, {}).get("bytes")
        if measured is not None:
            sized[row.key] = (measured, "measured")
        elif guess is not None:
            sized[row.key] = (guess, "estimate")
    if not sized:
        return None
    order = sorted(sized, key=lambda key: sized[key][0])
    size, basis = sized[order[0]]
    words = f"{_label(order[0])} is the smallest: {bytes_text(size)} ({basis})"
    if len(order) > 1:
        other, kind = sized[order[1]]
        words += f", before {_label(order[1])} with {bytes_text(other)} ({kind})"
    return Recommendation(goal=goal, precision=order[0], basis=basis, sentence=words + ".")


def _fastest(
    goal: Goal, rows: list[Precision], estimates: Estimates, figures: Mapping[str, Figures]
) -> Recommendation | None:
    rates = {
        row.key: figures[row.key]
        for row in rows
        if row.key in figures
        and figures[row.key].decode_tps is not None
        and not figures[row.key].void
    }
    if len(rates) >= 2:
        order = sorted(rates, key=lambda key: -(rates[key].decode_tps or 0.0))
        first, second = rates[order[0]], rates[order[1]]
        words = (
            f"{_label(order[0])} decodes fastest of the {len(rates)} rows measured here: "
            f"{first.decode_tps:.4g} tokens/s, before {_label(order[1])} with {second.decode_tps:.4g}"
        )
        if _overlap(first, second):
            words += "; their spreads overlap, so the difference may be chance"
        return Recommendation(goal=goal, precision=order[0], basis="measured", sentence=words + ".")
    weights = {
        row.key: estimates[row.key]["run_ram_bytes"]
        for row in rows
        if estimates.get(row.key, {}).get("run_ram_bytes") is not None
    }
    if not weights:
        return None
    best = min(weights, key=lambda key: weights[key])
    words = (
        f"{_label(best)} should decode fastest (estimate): every token reads all weights once, and "
        f"its are the fewest bytes. Benchmark two rows to know."
    )
    return Recommendation(goal=goal, precision=best, basis="estimate", sentence=words)


def _overlap(first: Figures, second: Figures) -> bool:
    if first.decode_range is None or second.decode_range is None:
        return False
    return second.decode_range[1] >= first.decode_range[0]


def _closest(
    goal: Goal, rows: list[Precision], figures: Mapping[str, Figures]
) -> Recommendation | None:
    lossy = [row for row in rows if not row.is_reference]
    drifts = {
        row.key: drift
        for row in lossy
        if row.key in figures and (drift := figures[row.key].kl_mean) is not None
    }
    if len(drifts) >= 2:
        order = sorted(drifts, key=lambda key: drifts[key])
        words = (
            f"{_label(order[0])} drifts least of the {len(drifts)} rows measured here: mean KL "
            f"{drifts[order[0]]:.2g}, before {_label(order[1])} with {drifts[order[1]]:.2g}."
        )
        return Recommendation(goal=goal, precision=order[0], basis="measured", sentence=words)
    if not lossy:
        only = rows[0]
        words = f"{only.label} is the reference itself: nothing is closer."
        return Recommendation(goal=goal, precision=only.key, basis="estimate", sentence=words)
    best = max(lossy, key=lambda row: row.weight_bits)
    words = (
        f"{best.label} keeps the most bits a weight after the FP32 reference (estimate). "
        "Check the quality of two rows to know."
    )
    return Recommendation(goal=goal, precision=best.key, basis="estimate", sentence=words)


def pareto_front(points: Mapping[str, tuple[float, float]]) -> frozenset[str]:
    """Return the keys that no other point beats in both coordinates (lower is better; equal points stay both).

    Source: Pareto efficiency; a point is dominated when another is nowhere worse and somewhere better.
    """
    return frozenset(
        key
        for key, (x, y) in points.items()
        if not any(
            a <= x and b <= y and (a < x or b < y)
            for other, (a, b) in points.items()
            if other != key
        )
    )


def _labels(rows: list[Precision]) -> str:
    return ", ".join(row.label for row in rows)


def _label(key: str) -> str:
    return next((row.label for row in PRECISIONS if row.key == key), key)
