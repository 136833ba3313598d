"""Checks and drift in words: is this artifact usable, and what speaks against it?"""

from collections.abc import Mapping, Sequence
from typing import Any

from firstlight_core.measure.quality_checks import Check


def give_verdict(checks: Sequence[Check], drift: Mapping[str, Any] | None) -> tuple[str, bool]:
    """One paragraph, and whether the artifact is usable."""
    failed = [check for check in checks if check.status == "fail"]
    yours = [check for check in checks if check.status == "needs-you"]
    ran = [check for check in checks if check.status != "not-run"]
    words = [f"{sum(c.status == 'pass' for c in checks)} of {len(ran)} checks that ran passed."]
    words += [f"{check.title}: failed. {check.evidence['summary']}" for check in failed]
    words += [f"{check.title}: needs you. {check.evidence['summary']}" for check in yours]
    far = False
    if drift is not None:
        closeness, far = describe_drift(drift)
        words.append(closeness)
    usable = not failed and not far
    words.insert(
        0,
        "Usable."
        if usable and not yours
        else "Usable with caution."
        if usable
        else "Not good enough.",
    )
    return " ".join(words), usable


def describe_drift(drift: Mapping[str, Any]) -> tuple[str, bool]:
    """Drift in words, and whether it is too large to use the artifact."""
    share, ratio = drift["top1_agreement"], drift["perplexity_ratio"]
    figures = (
        f"it chooses the original's token in {share:.1%} of cases, "
        f"mean KL {drift['kl_mean']:.2g} nats, perplexity ×{ratio:.3f}"
    )
    if share >= 0.98 and ratio <= 1.02:
        return f"Very close to the original: {figures}.", False
    if share >= 0.93 and ratio <= 1.15:
        return f"Close to the original: {figures}.", False
    if share >= 0.80 and ratio <= 1.6:
        return f"Noticeably different from the original: {figures}. Try a larger precision.", False
    return f"Far from the original: {figures}. Choose another precision.", True
