"""Compare the course's claims about a precision with the measurements."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from firstlight_core.estimate.measured_figures import Figures
from firstlight_core.measure.drift_words import THRESHOLDS, level_words
from firstlight_core.precision.table import Precision

SIZE_TOLERANCE = 1.1
"""A size holds up to a tenth above the claim."""
_LEVELS = (*(name for name, _, _ in THRESHOLDS), "far")
_LEAST_CLOSENESS = {"Best": "very-close", "Good": "close", "Acceptable": "noticeable"}
"""Our reading of the course's words: the least closeness that bears each out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimCheck:
    """One claim and the figure measured for it."""

    subject: Literal["size", "speed", "quality"]
    claim: str
    measured: str
    holds: bool | None
    """None where the figure cannot decide it."""


def check_claims(
    precision: Precision, figures: Mapping[str, Figures], fp32_bytes: int | None
) -> list[ClaimCheck]:
    """Return the claims about one precision that something was measured for.

    Args:
        figures: measured figures by precision.
        fp32_bytes: size of FP32, measured or estimated.
    """
    own = figures.get(precision.key)
    if precision.claim is None or own is None:
        return []
    checks = (
        _size(precision, own, fp32_bytes),
        _speed(precision, own, figures),
        _quality(precision, own),
    )
    return [check for check in checks if check is not None]


def _size(precision: Precision, own: Figures, fp32_bytes: int | None) -> ClaimCheck | None:
    if precision.claim is None or not own.bytes or not fp32_bytes:
        return None
    ratio = own.bytes / fp32_bytes
    return ClaimCheck(
        subject="size",
        claim=precision.claim.size,
        measured=f"×{ratio:.3g}",
        holds=ratio <= precision.claim.size_factor * SIZE_TOLERANCE,
    )


def _speed(precision: Precision, own: Figures, figures: Mapping[str, Figures]) -> ClaimCheck | None:
    if precision.claim is None or own.decode_tps is None:
        return None
    claim = precision.claim.speed
    if own.void:
        return ClaimCheck(subject="speed", claim=claim, measured="void", holds=None)
    rates = {key: f.decode_tps for key, f in figures.items() if f.decode_tps and not f.void}
    if len(rates) < 2:
        return ClaimCheck(subject="speed", claim=claim, measured="nothing to compare", holds=None)
    best = max(rates, key=lambda key: rates[key])
    if best == precision.key:
        return ClaimCheck(
            subject="speed", claim=claim, measured=f"fastest of {len(rates)}", holds=True
        )
    share = f"{own.decode_tps / rates[best]:.0%}".replace("%", " %")
    holds = _within(own, figures[best]) if claim == "Fastest" else None
    return ClaimCheck(
        subject="speed",
        claim=claim,
        measured=f"{share} of the fastest",
        holds=holds,
    )


def _within(own: Figures, best: Figures) -> bool:
    """Return whether the spreads of two rates overlap."""
    if own.decode_range is None or best.decode_range is None:
        return False
    return own.decode_range[1] >= best.decode_range[0]


def _quality(precision: Precision, own: Figures) -> ClaimCheck | None:
    if precision.claim is None or not own.closeness:
        return None
    least = _LEAST_CLOSENESS.get(precision.claim.quality)
    holds = _LEVELS.index(own.closeness) <= _LEVELS.index(least) if least else None
    return ClaimCheck(
        subject="quality",
        claim=precision.claim.quality,
        measured=level_words(own.closeness),
        holds=holds,
    )
