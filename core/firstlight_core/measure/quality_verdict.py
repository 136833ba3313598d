"""Checks and drift in words: is this artifact usable, and what speaks against it?"""

from collections.abc import Sequence

from firstlight_core.documents.measure import DriftDocument, QualityDocument, Usability
from firstlight_core.measure.drift_words import describe_drift
from firstlight_core.measure.quality_checks import QualityCheck

USABILITY_WORDS: dict[Usability, str] = {
    "usable": "Usable",
    "with-caution": "Usable with caution",
    "not-good-enough": "Not good enough",
}


def give_verdict(checks: Sequence[QualityCheck], drift: DriftDocument | None) -> tuple[str, bool]:
    """Return one paragraph, and whether the artifact is usable."""
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
    words.insert(0, f"{USABILITY_WORDS[_usability(usable, bool(yours))]}.")
    return " ".join(words), usable


def usability(quality: QualityDocument) -> Usability:
    """Return the verdict of a quality document in one of three words."""
    yours = any(check["status"] == "needs-you" for check in quality["checks"])
    return _usability(quality["ok"], yours)


def _usability(usable: bool, needs_a_person: bool) -> Usability:
    if not usable:
        return "not-good-enough"
    return "with-caution" if needs_a_person else "usable"
