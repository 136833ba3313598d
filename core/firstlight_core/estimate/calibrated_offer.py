"""When INT4 drifts noticeably, what the finer INT4 calibrated costs and gains: measured here, or estimated until it is."""

from collections.abc import Mapping

from firstlight_core.documents.estimate import Estimates
from firstlight_core.estimate.measured_figures import Figures
from firstlight_core.precision.table import DEFAULT_PRECISION, PRECISIONS, Precision, find_precision
from firstlight_core.text import bytes_text, seconds_text

NOTICEABLE = ("noticeable", "far")
"""Quality's words for a row beside which a finer one is worth its cost."""


def offer_calibrated(estimates: Estimates, figures: Mapping[str, Figures]) -> str:
    """Return one sentence that offers the finer calibrated row beside the default one; empty when there is none to make."""
    plain = find_precision(DEFAULT_PRECISION)
    finer = (row for row in PRECISIONS if row.calibrated and row.fineness > plain.fineness)
    offered = next(finer, None)
    known = figures.get(plain.key)
    if offered is None or known is None or known.closeness not in NOTICEABLE:
        return ""
    made = figures.get(offered.key)
    if made is not None and made.kl_mean is not None and known.kl_mean:
        return _measured(plain, known, offered, made)
    guess = estimates.get(offered.key, {})
    if not guess.get("available") or (made is not None and made.usable is False):
        return ""
    words = f"{plain.label} is noticeably different{_distance(known)}: {offered.label} stores more finely"
    costs = []
    if known.bytes is not None and guess.get("bytes") is not None:
        costs.append(f"{bytes_text(guess['bytes'] - known.bytes)} more")
    if guess.get("seconds") is not None:
        costs.append(f"about {seconds_text(guess['seconds'])} to convert")
    return words + (f" ({', '.join(costs)}; estimate)." if costs else ".")


def _measured(plain: Precision, known: Figures, offered: Precision, made: Figures) -> str:
    assert known.kl_mean is not None
    assert made.kl_mean is not None
    words = (
        f"{offered.label} against {plain.label}, measured: mean KL {made.kl_mean:.2g} instead of {known.kl_mean:.2g} "
        f"({made.kl_mean / known.kl_mean:.2f} ×)"
    )
    if made.bytes is not None and known.bytes is not None:
        words += f", {bytes_text(made.bytes)} instead of {bytes_text(known.bytes)}"
    if made.seconds is not None and known.seconds is not None:
        words += (
            f", converted in {seconds_text(made.seconds)} instead of {seconds_text(known.seconds)}"
        )
    return words + "."


def _distance(known: Figures) -> str:
    return f" (mean KL {known.kl_mean:.2g})" if known.kl_mean is not None else ""
