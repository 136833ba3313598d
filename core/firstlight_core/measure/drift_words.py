"""Drift in words: how close an artifact is to its original, and whether that many tokens can tell."""

import math

from firstlight_core.documents.measure import Closeness, DriftDocument, DriftFigures

KL_ZERO = 1e-9
"""Mean KL divergences (nats) below this are the rounding of float32 logits: shown as none."""
THRESHOLDS: tuple[tuple[Closeness, float, float], ...] = (
    ("very-close", 0.98, 1.02),
    ("close", 0.93, 1.15),
    ("noticeable", 0.80, 1.6),
)
"""Least top-1 agreement and largest perplexity ratio of each word; below the last it is far. Our choice, see docs/drift.md."""
KL_LIMITS = (("very-close", 2e-3), ("close", 2.5e-2), ("noticeable", 0.235))
"""Largest mean KL (nats) at which a gauge names each word; above the last it is far. Read off measured artifacts, docs/drift.md:
the words themselves are decided by `THRESHOLDS`."""
_LEVELS = (*(name for name, _, _ in THRESHOLDS), "far")
_OPENING = {
    "very-close": "Very close to the original",
    "close": "Close to the original",
    "noticeable": "Noticeably different from the original",
    "far": "Far from the original",
}
_UNSURE = {**_OPENING, "close": "Probably close to the original"}
_ADVICE: dict[str, list[str]] = {
    "very-close": [],
    "close": [],
    "noticeable": ["Try a larger precision."],
    "far": ["Choose another precision."],
}


def describe_drift(drift: DriftDocument) -> tuple[str, bool]:
    """Drift in words, and whether it is too large to use the artifact."""
    level, sure = closeness(drift)
    opening, advice = _OPENING[level], _ADVICE[level]
    if not sure:
        opening = _UNSURE[level]
        count = f"{drift['tokens']} tokens" if "tokens" in drift else "These tokens"
        advice = [*advice, f"{count} are too few to be sure: more prompts tell more."]
    words = " ".join([f"{opening}: {drift_words(drift)}.", *advice])
    own = drift.get("own_text")
    if own is not None:
        words += f" On your own text {drift_words(own)}."
    return words, level == "far"


def closeness(drift: DriftFigures) -> tuple[Closeness, bool]:
    """Return the closeness (`very-close`, `close`, `noticeable`, `far`), and whether the intervals confirm it.

    `docs/drift.md` says where the thresholds come from. Nothing is called very close that may as well be less.
    """
    share, ratio = float(drift["top1_agreement"]), float(drift["perplexity_ratio"])
    level = _level(share, ratio)
    least, most = _worse_ends(drift)
    sure = _LEVELS.index(_level(min(share, least), max(ratio, most))) <= _LEVELS.index(level)
    if level == "very-close" and not sure:
        return "close", _level(min(share, least), max(ratio, most)) == "close"
    return level, sure


def drift_words(drift: DriftFigures) -> str:
    """Return the figures of a drift in one phrase, each with its interval where there is one."""
    share = f"{drift['top1_agreement']:.1%}"
    kl = f"mean KL {kl_text(drift['kl_mean'])} nats"
    ratio = f"perplexity ×{drift['perplexity_ratio']:.3f}"
    if "top1_interval" in drift:
        low, high = drift["top1_interval"]
        share += f" of cases ({100 * low:.1f} to {high:.1%})"
    else:
        share += " of cases"
    if "kl_interval" in drift:
        kl += " ({} to {})".format(*map(kl_text, drift["kl_interval"]))
    if "perplexity_interval" in drift:
        ratio += " ({:.3f} to {:.3f})".format(*drift["perplexity_interval"])
    return f"it chooses the original's token in {share}, {kl}, {ratio}"


def _level(share: float, ratio: float) -> Closeness:
    return next(
        (name for name, least, most in THRESHOLDS if share >= least and ratio <= most), "far"
    )


def _worse_ends(drift: DriftFigures) -> tuple[float, float]:
    """Return the least share of equal tokens and the largest perplexity ratio that the intervals leave open.

    A mean KL of k nats also bounds the share: sampled tokens differ in at most sqrt(k / 2) of cases (Pinsker's
    inequality), and a hundred tokens bound it better than any count of them.
    """
    least = drift["top1_interval"][0] if "top1_interval" in drift else 1.0
    if "kl_interval" in drift:
        least = max(least, 1 - math.sqrt(max(0.0, drift["kl_interval"][1]) / 2))
    most = drift["perplexity_interval"][1] if "perplexity_interval" in drift else 0.0
    return least, most


def kl_level(nats: float) -> str:
    """Return the zone of a mean KL divergence on a gauge: `very-close`, `close`, `noticeable` or `far`."""
    return next((level for level, most in KL_LIMITS if nats <= most), "far")


def level_words(level: str) -> str:
    """Return a level as a person reads it."""
    return level.replace("-", " ")


def kl_text(nats: float) -> str:
    """Return a KL divergence in nats; what float arithmetic cannot tell from none is 0."""
    return "0" if abs(nats) < KL_ZERO else f"{nats:.2g}"
