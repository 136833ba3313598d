"""The numbers gate: whether an artifact computes what its original computes, judged by calibrated limits.

The limits come from builds that were known to be right and builds that were known to be wrong (`docs/gate.md`,
`bench/gate_calibration.py`); nothing here decides by reading a sentence.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, NotRequired, TypedDict

from firstlight_core.documents.conversion import (
    Agreement,
    BuiltGraph,
    Distance,
    ProofDocument,
    Verdict,
    WeightFigures,
)
from firstlight_core.documents.jobs_conversion import AnswersReply, Checked
from firstlight_core.errors import CheckFailed
from firstlight_core.precision.table import PRECISIONS, REFERENCE_PRECISION

WeightLimit = Literal["weight_error", "row_error", "slope", "row_slope"]
_KINDS = {"8": "int8", "16": "fp16", "32": "fp32"}
"""Bits → the row of the limits; fewer bits are INT4's."""
_MOVED = "int4-calibrated"
"""The row of the limits for matrices that were rounded on a text."""
_FILE = Path(__file__).with_name("gate_thresholds.json")
_HINT = "That is damage, not drift: nothing was published. Try another precision, or --force to publish it all the same."


class GateLimits(TypedDict):
    """Upper limits of one kind of artifact; `gate_thresholds.json` holds one row a kind."""

    structure_error: float
    weight_error: float
    row_error: float
    slope: float
    row_slope: NotRequired[float]
    """Of the weights of a row, where they were rounded on a text."""
    kl_mean: float
    """Limit for the artifact as a user runs it, when its structure is proven."""
    kl_alone: float
    """Limit for the artifact as a user runs it, when nothing else could be measured."""


class Thresholds(TypedDict):
    """`gate_thresholds.json`."""

    limits: dict[str, GateLimits]
    """Kind of artifact → its limits."""
    model_types: list[str]
    """The kinds of models whose every matrix was found again."""
    pieces: float
    """The least share of tokens with the same text."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict: what goes into the document, and why it is red."""

    proof: ProofDocument
    fault: str
    """One sentence; empty when the gate is green."""


@cache
def thresholds() -> Thresholds:
    """Return the calibrated limits."""
    limits: Thresholds = json.loads(_FILE.read_text("utf-8"))
    return limits


def kind_of(built: BuiltGraph, *, calibrated: bool = False, precision: str | None = None) -> str:
    """Return the kind of an artifact, by the fewest bits that its graph holds weights in.

    `calibrated`: its weights were moved beyond the nearest step to balance each other's rounding (GPTQ).
    `precision`: key of the row that was asked for; its limits count when the graph is of its kind.
    """
    bits = built["bits"]
    if not bits and built.get("embedding", "").startswith("quantised"):
        bits = [4]
    if bits:
        plain = "int4" if min(bits) <= 4 else "int8"
    else:
        plain = "fp16" if built["dtype"] == "float16" else REFERENCE_PRECISION
    limits = {
        form.key: form.gate_limits
        for row in PRECISIONS
        for form in row.forms
        if (form.course_name, form.calibrated) == (plain, calibrated)
    }
    return limits.get(precision or plain) or next(iter(limits.values()), plain)


def is_rounded(built: BuiltGraph) -> bool:
    """Return whether an artifact stores or computes anything more coarsely than in float32."""
    return kind_of(built) != REFERENCE_PRECISION


def judge(passed: Checked, original: AnswersReply, *, force: bool) -> Verdict:
    """Return what goes into the document of a conversion.

    Raises:
        CheckFailed: the artifact computes something else than its original, and nobody insists.
    """
    judged = decide(passed, original)
    document: Verdict = {"proof": judged.proof}
    if (agreement := passed.get("agreement")) is not None:
        document["agreement"] = agreement
    if not judged.fault:
        return document
    if not force:
        raise CheckFailed(judged.fault, hint=_HINT, detail=json.dumps(document, default=str))
    return {**document, "forced": judged.fault}


def decide(passed: Checked, original: AnswersReply) -> Judged:
    """Return the verdict on one artifact."""
    kind = kind_of(
        passed["built"],
        calibrated=passed.get("calibrated", False),
        precision=passed.get("precision"),
    )
    agreement, reference = passed.get("agreement"), original.get("reference")
    if agreement is None or reference is None:
        reason = original["reason"] or "The original was not asked."
        return Judged({"level": "nothing", "reason": reason, "kind": kind}, "")
    weight_proof = original["proof"]
    limits = thresholds()["limits"][kind]
    proof: ProofDocument = {
        "level": "compared",
        "reason": weight_proof["reason"] if weight_proof is not None else "",
        "kind": kind,
    }
    proof["covered"] = reference["covered"]
    weights = weight_proof["weights"] if weight_proof is not None else None
    if weights is not None:
        proof["weights"] = weights
    exact = reference["dtype"] == "float32"
    if not exact and not proof["reason"]:
        proof["reason"] = "the original was computed as it is stored, not in float32"
    structure = agreement.get("structure")
    known = reference["model_type"] in thresholds()["model_types"]
    fault = _weight_fault(weights, known=known)
    if structure is not None and exact:
        proof["level"] = "proven"
        fault = fault or _structure_fault(structure, limits)
    alone = proof["level"] != "proven"
    fault = fault or _plain_fault(agreement, limits, alone=alone)
    if fault:
        proof["level"], proof["reason"] = "wrong", fault
    return Judged(proof, fault)


def _weight_fault(weights: WeightFigures | None, *, known: bool) -> str:
    if weights is None:
        return ""
    if known and (strange := [*weights["unmatched"], *weights["unused"]]):
        more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
        return f"The artifact's weights are not its original's: {str(strange[0])[:80]}{more} cannot be found again."
    figures: list[tuple[dict[str, float], WeightLimit, str]] = [
        (weights["error"], "weight_error", ""),
        (weights["row_error"], "row_error", ""),
        (weights["slope"], "slope", ""),
    ]
    if (moved := weights.get("moved")) is not None:
        figures += [
            (moved["error"], "weight_error", _MOVED),
            (moved["row_error"], "row_error", _MOVED),
            (moved["row_slope"], "row_slope", _MOVED),
            (moved["slope"], "slope", _MOVED),
        ]
    for errors, limit, moved_kind in figures:
        for bits, value in errors.items():
            allowed = thresholds()["limits"][moved_kind or _KINDS.get(bits, "int4")][limit]
            if not value <= allowed:
                return (
                    "The artifact's weights are not its original's: at "
                    f"{bits} bits they differ by {value:.2g}, rounding explains {allowed:.2g}."
                )
    return ""


def _structure_fault(structure: Distance, limits: GateLimits) -> str:
    value, allowed = structure["error_max"], limits["structure_error"]
    if value <= allowed:
        return ""
    return (
        "The artifact does not compute what its original does: with the same weights its logits differ by "
        f"{value:.2g}, rounding explains {allowed:.2g}."
    )


def _plain_fault(agreement: Agreement, limits: GateLimits, *, alone: bool) -> str:
    if not agreement["pieces"] >= thresholds()["pieces"]:
        return (
            "The artifact's tokenizer is not its original's: "
            f"{agreement['pieces']:.0%} of the prompts' tokens have the same text."
        )
    value = agreement["plain"]["kl_mean"]
    allowed = limits["kl_alone"] if alone else limits["kl_mean"]
    if value <= allowed:
        return ""
    return (
        "The artifact does not compute what its original does: the mean KL divergence is "
        f"{value:.2g} nats, rounding explains {allowed:.2g}; {agreement['near']:.0%} of "
        f"{agreement['positions']} tokens are near."
    )
