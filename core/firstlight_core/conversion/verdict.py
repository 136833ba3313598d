"""The numbers gate: whether an artifact computes what its original computes, judged by calibrated limits.

The limits come from builds that were known to be right and builds that were known to be wrong (`docs/gate.md`,
`bench/gate_calibration.py`); nothing here decides by reading a sentence.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

from firstlight_core.errors import CheckFailed
from firstlight_core.precision.table import PRECISIONS, REFERENCE_PRECISION

Document = dict[str, Any]
Level = Literal["proven", "compared", "wrong", "nothing"]
_FILE = Path(__file__).with_name("gate_thresholds.json")
_HINT = "That is damage, not drift: nothing was published. Try another precision, or --force to publish it all the same."


class ProofDocument(TypedDict):
    """What was proven of an artifact; part of the document of a conversion and of its manifest."""

    level: Level
    """proven: it computes what its original computes with these very weights, and the weights are the original's but
    for rounding; compared: its logits lie near the original's; wrong: they do not, or its weights are not the original's; nothing: the original was not asked."""
    reason: str
    """Why it is not proven."""
    kind: str
    """Row of the limits that was applied."""
    covered: NotRequired[Document]
    """Length of the longest text, and which lengths of the model it passed."""
    weights: NotRequired[Document]


class GateLimits(TypedDict):
    """Upper limits of one kind of artifact; `gate_thresholds.json` holds one row a kind."""

    structure_error: float
    weight_error: float
    row_error: float
    slope: float
    kl_mean: float
    """Limit for the artifact as a user runs it, when its structure is proven."""
    kl_alone: float
    """Limit for the artifact as a user runs it, when nothing else could be measured."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict: what goes into the document, and why it is red."""

    proof: ProofDocument
    fault: str
    """One sentence; empty when the gate is green."""


@cache
def thresholds() -> Document:
    """Return the calibrated limits."""
    limits: Document = json.loads(_FILE.read_text("utf-8"))
    return limits


def kind_of(
    built: Mapping[str, Any], *, calibrated: bool = False, precision: str | None = None
) -> str:
    """Return the kind of an artifact, by the fewest bits that its graph holds weights in.

    `calibrated`: its weights were moved beyond the nearest step to balance each other's rounding (GPTQ).
    `precision`: key of the row that was asked for; its limits count when the graph is of its kind.
    """
    bits = list(built.get("bits") or [])
    if not bits and str(built.get("embedding", "")).startswith("quantised"):
        bits = [4]
    if bits:
        plain = "int4" if min(bits) <= 4 else "int8"
    else:
        plain = "fp16" if built.get("dtype") == "float16" else REFERENCE_PRECISION
    limits = {
        row.key: row.gate_limits
        for row in PRECISIONS
        if (row.course_name, row.calibrated) == (plain, calibrated)
    }
    return limits.get(precision or plain) or next(iter(limits.values()), plain)


def is_rounded(built: Mapping[str, Any]) -> bool:
    """Return whether an artifact stores or computes anything more coarsely than in float32."""
    return kind_of(built) != REFERENCE_PRECISION


def judge(passed: Mapping[str, Any], original: Mapping[str, Any], *, force: bool) -> Document:
    """Return what goes into the document of a conversion: `{agreement?, proof, forced?}`.

    `passed` is the gate's `{built, agreement?}`, with `calibrated` where weights were calibrated and the
    key of the `precision` that was asked for; `original` is the
    answer of the original, `{reference?, proof?, reason}`.

    Raises:
        CheckFailed: the artifact computes something else than its original, and nobody insists.
    """
    judged = decide(passed, original)
    document: Document = {"proof": judged.proof}
    if (agreement := passed.get("agreement")) is not None:
        document["agreement"] = agreement
    if not judged.fault:
        return document
    if not force:
        raise CheckFailed(judged.fault, hint=_HINT, detail=json.dumps(document, default=str))
    return {**document, "forced": judged.fault}


def decide(passed: Mapping[str, Any], original: Mapping[str, Any]) -> Judged:
    """Return the verdict on one artifact."""
    kind = kind_of(
        passed.get("built") or {},
        calibrated=bool(passed.get("calibrated")),
        precision=passed.get("precision"),
    )
    agreement = passed.get("agreement")
    if agreement is None:
        reason = str(original.get("reason") or "The original was not asked.")
        return Judged({"level": "nothing", "reason": reason, "kind": kind}, "")
    reference, weight_proof = original["reference"], original.get("proof") or {}
    limits: GateLimits = thresholds()["limits"][kind]
    proof: ProofDocument = {
        "level": "compared",
        "reason": str(weight_proof.get("reason", "")),
        "kind": kind,
    }
    proof["covered"] = reference["covered"]
    weights = weight_proof.get("weights")
    if weights is not None:
        proof["weights"] = weights
    exact = reference["dtype"] == "float32"
    if not exact and not proof["reason"]:
        proof["reason"] = "the original was computed as it is stored, not in float32"
    structure = agreement.get("structure")
    known = reference["model_type"] in thresholds()["model_types"]
    fault = _weight_fault(weights, kind, known=known)
    if structure is not None and exact:
        proof["level"] = "proven"
        fault = fault or _structure_fault(structure, limits)
    alone = proof["level"] != "proven"
    fault = fault or _plain_fault(agreement, limits, alone=alone)
    if fault:
        proof["level"], proof["reason"] = "wrong", fault
    return Judged(proof, fault)


def _weight_fault(weights: Mapping[str, Any] | None, kind: str, *, known: bool) -> str:
    if weights is None:
        return ""
    if known and (strange := [*weights["unmatched"], *weights["unused"]]):
        more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
        return f"The artifact's weights are not its original's: {str(strange[0])[:80]}{more} cannot be found again."
    for name, limit in (("error", "weight_error"), ("row_error", "row_error"), ("slope", "slope")):
        for bits, value in weights[name].items():
            allowed = _of_bits(bits, kind)[limit]
            if not value <= allowed:
                return (
                    "The artifact's weights are not its original's: at "
                    f"{bits} bits they differ by {value:.2g}, rounding explains {allowed:.2g}."
                )
    return ""


def _of_bits(bits: str, kind: str) -> Document:
    """The limits of matrices with these bits in an artifact of this kind."""
    few = kind if kind.startswith("int4") else "int4"
    kinds = {"8": "int8", "16": "fp16", "32": "fp32"}
    limits: Document = thresholds()["limits"][kinds.get(bits, few)]
    return limits


def _structure_fault(structure: Mapping[str, Any], limits: GateLimits) -> str:
    value, allowed = structure["error_max"], limits["structure_error"]
    if value <= allowed:
        return ""
    return (
        "The artifact does not compute what its original does: with the same weights its logits differ by "
        f"{value:.2g}, rounding explains {allowed:.2g}."
    )


def _plain_fault(agreement: Mapping[str, Any], limits: GateLimits, *, alone: bool) -> str:
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
