"""Limits of the numbers gate and `docs/gate.md`, from the builds of `bench.gate_calibration`."""

import json
import math
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.gate_moved import CALIBRATED, WEIGHTS_ALONE, moved_limits, moved_page
from firstlight_core.conversion import verdict
from firstlight_core.documents.conversion import Agreement, Distance, WeightFigures
from firstlight_core.documents.jobs_conversion import AnswersReply, Checked, Proof, Reference

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results" / "gate.jsonl"
LIMITS = ROOT / "core" / "firstlight_core" / "conversion" / "gate_thresholds.json"
PAGE = ROOT / "docs" / "gate.md"
KINDS = {"fp32": "32", "fp16": "16", "int8": "8", "int4": "4", CALIBRATED: "4"}
FLOOR = 1e-6
"""Weights that are stored as they are differ by nothing at all; a limit leaves room for one float32 rounding."""
NET = {"fp32": 1e-6, "fp16": 1e-3, "int8": 0.3, "int4": 5.0, CALIBRATED: 5.0}
"""Least limits of the KL divergence of a proven artifact: a net for kernels gone wrong, no judgement of its quality."""
ALONE = {"fp32": 0.1, "fp16": 0.1, "int8": 0.3, "int4": 2.0, CALIBRATED: 2.0}
"""Least limits where nothing else is measured: room for an original in sixteen bits, and for real models at four."""
SHOWN_BY = {
    "row_error": ("rows_zeroed", "two_tokens_swapped"),
    "slope": ("matrix_scaled",),
}
"""Faults of weights alone, and the figure that shows them; the structure of such a build is right."""
Row = dict[str, Any]


def kind(row: Row) -> str:
    """The row of the limits that a build is judged by."""
    name = str(row["precision"])
    return name if name == CALIBRATED else name.split("-")[0]


def middle(low: float, high: float) -> float:
    """The geometric middle of the worst honest and the weakest planted figure, to one digit."""
    return float(f"{math.sqrt(max(low, FLOOR) * high):.0e}")


def worst(rows: Iterable[Row], name: str, bits: str) -> float:
    """The largest figure of honest builds."""
    return max((r[name][bits] for r in rows if r.get(name) and bits in r[name]), default=0.0)


def limits_of(honest: list[Row], planted: list[Row]) -> dict[str, dict[str, float]]:
    """The limits of every kind of artifact.

    One limit of structure for all: with its own weights an artifact computes what the original computes, whatever the
    bits. The limits of rows and scales lie between the worst honest one and the weakest fault that only they show; a
    whole matrix may be four times as far away as the worst honest one.
    """
    right = max(r["structure"] for r in honest)
    visible = [
        r for r in planted if r.get("structure") is not None and r["fault"] not in WEIGHTS_ALONE
    ]
    structure = middle(right, min(r["structure"] for r in visible))
    by_kind: dict[str, dict[str, float]] = {}
    plain = [r for r in honest if kind(r) != CALIBRATED]
    for name, bits in KINDS.items():
        own = worst(plain, "error", bits)
        limits = {"structure_error": structure, "weight_error": float(f"{4 * max(own, FLOOR):.0e}")}
        if name == CALIBRATED:
            limits |= moved_limits(honest, planted, by_kind["int4"]["weight_error"])
        for figure, faults in SHOWN_BY.items() if name != CALIBRATED else ():
            wrong = [
                r
                for r in planted
                if r["fault"] in faults and r.get(figure) and kind(r) != CALIBRATED
            ]
            least = min(max(r[figure].values()) for r in wrong)
            limits[figure] = middle(worst(plain, figure, bits), least)
        kls = [r["kl"] for r in honest if kind(r) == name]
        limits["kl_mean"] = max(NET[name], float(f"{10 * max(kls):.1e}"))
        limits["kl_alone"] = max(ALONE[name], float(f"{1.5 * max(kls):.1e}"))
        by_kind[name] = limits
    return by_kind


def as_told(row: Row) -> tuple[Checked, AnswersReply]:
    """A result as the gate is told it: `passed` and `original` of the verdict; what no limit is about is empty."""
    bits = KINDS[kind(row)]
    agreement: Agreement = {
        "top1": 0.0,
        "near": row["near"],
        "positions": 0,
        "same_answers": 0,
        "prompts": 0,
        "original_dtype": "float32",
        "texts": [],
        "pieces": row["pieces"],
        "plain": _distance(row.get("plain") or 0.0, row["kl"]),
    }
    if row["structure"] is not None:
        agreement["structure"] = _distance(row["structure"], 0.0)
    weights: WeightFigures = {
        "matrices": 0,
        "unmatched": ["?"] * row["strange"],
        "unused": [],
        "error": row.get("error") or {},
        "row_error": row.get("row_error") or {},
        "slope": row.get("slope") or {},
    }
    if "moved" in row:
        weights["moved"] = row["moved"]
    passed: Checked = {
        "smoke": {"prompt": "", "tokens": 0, "text": "", "ids": []},
        "built": {
            "bits": [int(bits)] if bits in ("4", "8") else [],
            "block_size": [],
            "accuracy_level": [],
            "quantised_nodes": 0,
            "plain_matmuls": 0,
            "dtype": "float16" if bits == "16" else "float",
            "embedding": "",
        },
        "agreement": agreement,
        "calibrated": kind(row) == CALIBRATED,
    }
    reference: Reference = {
        "answers": [],
        "texts": [],
        "rows": "",
        "vocab": 0,
        "dtype": "float32",
        "model_type": row["model_type"],
        "parameters": 0,
        "covered": {
            "tokens": row.get("covered") or 0,
            "window": None,
            "window_passed": None,
            "rope_length": None,
            "rope_length_passed": None,
        },
    }
    proof: Proof = {"texts": [], "rows": "", "weights": weights, "reason": ""}
    return passed, {"reference": reference, "proof": proof, "reason": ""}


def _distance(error: float, kl: float) -> Distance:
    return {
        "positions": 0,
        "error_max": error,
        "error_median": error,
        "kl_mean": kl,
        "kl_max": kl,
        "top1": 0.0,
    }


def refused_by(row: Row) -> str:
    """Which part of the gate refuses a build: weights, structure, logits, or the runtime; empty when none does."""
    if "refused" in row:
        return "runtime"
    passed, original = as_told(row)
    fault = verdict.decide(passed, original).fault
    if not fault:
        return ""
    if "weights are not" in fault:
        return "weights"
    return "structure" if "same weights" in fault else "logits"


def histogram(rows: list[Row], others: list[Row]) -> list[str]:
    """Builds by the decade of their structural error, honest left, planted right."""

    def decade(value: float) -> int:
        return max(-8, min(1, math.floor(math.log10(max(value, 1e-8)))))

    left = Counter(decade(r["structure"]) for r in rows if r["structure"] is not None)
    right = Counter(decade(r["structure"]) for r in others if r.get("structure") is not None)
    lines = ["| relative error of the logits | honest | planted |", "|---|--:|--:|"]
    for exponent in range(-8, 2):
        if left[exponent] or right[exponent]:
            lines.append(
                f"| 1e{exponent} to 1e{exponent + 1} | {left[exponent] or ''} | {right[exponent] or ''} |"
            )
    return lines


def page(honest: list[Row], planted: list[Row], failed: list[Row]) -> str:
    """The text of `docs/gate.md`."""
    limits = verdict.thresholds()["limits"]
    verdicts = [(row, refused_by(row)) for row in planted]
    wrongly = [row for row in honest if refused_by(row)]
    passing = [row for row, by in verdicts if not by]
    most = {name: max(r["kl"] for r in honest if kind(r) == name) for name in KINDS}
    weak = [r for r in planted if "kl" in r and r["kl"] <= most[kind(r)]]
    text = (ROOT / "bench" / "gate_page.md").read_text("utf-8")
    table = [
        "| | structure | weights: matrix | row | scale | scale of a row | KL, proven | KL alone |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, row in limits.items():
        figures = " | ".join(
            f"{row[key]:g}" if key in row else ""
            for key in (
                "structure_error",
                "weight_error",
                "row_error",
                "slope",
                "row_slope",
                "kl_mean",
                "kl_alone",
            )
        )
        table.append(f"| {name} | {figures} |")
    seen = [
        "| | honest builds | structure, worst | weights, worst | row, worst | scale, worst | KL, worst |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    plain = [r for r in honest if kind(r) != CALIBRATED]
    for name, bits in KINDS.items():
        mine = [r for r in honest if kind(r) == name]
        if name == CALIBRATED:
            continue
        values = [max(r["structure"] for r in mine)]
        values += [worst(plain, figure, bits) for figure in ("error", "row_error", "slope")]
        values.append(max(r["kl"] for r in mine))
        seen.append(f"| {name} | {len(mine)} | " + " | ".join(f"{v:.2g}" for v in values) + " |")
    names = list(dict.fromkeys(row["fault"] for row in planted))
    faults = [
        "| fault | builds | refused by weights | by structure | by logits | does not run | passes | weakest structure |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name in names:
        builds = [
            (row, by) for row, by in verdicts if row["fault"] == name and kind(row) != CALIBRATED
        ]
        count = Counter(by for _, by in builds)
        errors = [r["structure"] for r, by in builds if by == "structure"]
        cells = [count[key] or "" for key in ("weights", "structure", "logits", "runtime", "")]
        least = f"{min(errors):.1g}" if errors else ""
        faults.append(
            f"| {name.replace('_', ' ')} | {len(builds)} | "
            + " | ".join(map(str, [*cells, least]))
            + " |"
        )
    families = sorted({row["family"] for row in honest})
    through = [
        f"- {r['family']} {r['precision']}: {r['fault']} (structure {r['structure'] or 0:.1g})"
        for r in passing
    ]
    left_out = [f"- {r['family']} {r['precision']}: {r['failed'][:120]}" for r in failed]
    return text.format(
        **moved_page(honest, planted, refused_by),
        honest=len(honest),
        planted=len(planted),
        wrongly=len(wrongly),
        wrongly_share=f"{len(wrongly) / len(honest):.1%}",
        passing=len(passing),
        limits="\n".join(table),
        seen="\n".join(seen),
        histogram="\n".join(histogram(honest, planted)),
        faults="\n".join(faults),
        families=", ".join(families),
        weak=len(weak),
        through="\n".join(through) or "None.",
        left_out="\n".join(left_out) or "None.",
        structure=f"{limits['fp32']['structure_error']:g}",
        right=f"{max(r['structure'] for r in honest):.1g}",
        wrong=f"{min(r['structure'] for r, by in verdicts if by == 'structure'):.1g}",
    )


def main(paths: list[str]) -> int:
    """Read the results, write the limits and the page; results named on the command line replace the committed ones."""
    if paths:
        rows = [json.loads(line) for path in paths for line in Path(path).read_text().splitlines()]
        RESULTS.write_text("".join(json.dumps(_short(row)) + "\n" for row in rows))
    rows = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    failed = [row for row in rows if "failed" in row]
    honest = [row for row in rows if "failed" not in row and "fault" not in row]
    planted = [row for row in rows if "failed" not in row and "fault" in row]
    document = {
        "limits": limits_of(honest, planted),
        "model_types": sorted({row["model_type"] for row in honest if not row["strange"]}),
        "pieces": 0.5,
        "calibration": {"honest": len(honest), "planted": len(planted), "page": "docs/gate.md"},
    }
    LIMITS.write_text(json.dumps(document, indent=2) + "\n")
    verdict.thresholds.cache_clear()
    PAGE.write_text(page(honest, planted, failed))
    sys.stdout.write(f"{len(honest)} honest, {len(planted)} planted\n")
    return 0


def _short(row: Row) -> Row:
    def short(value: Any) -> Any:
        if isinstance(value, float):
            return float(f"{value:.3g}")
        return {k: short(v) for k, v in value.items()} if isinstance(value, dict) else value

    return {k: short(v) for k, v in row.items() if k != "reason" or v}


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
