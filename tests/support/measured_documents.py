"""Documents of benchmark and quality in the shapes that the core makes, with fixed figures."""

from typing import Unpack

from firstlight_core.documents.figures import Figure
from firstlight_core.documents.measure import (
    BenchCase,
    BenchDocument,
    BenchResult,
    CheckRow,
    CheckStatus,
    DriftDocument,
    DriftExample,
    DriftFigures,
    QualitiesDocument,
    QualityDocument,
)

CHECKS = ("domain-answers", "answer-format", "memory-leak", "consistent-speed", "edge-cases")


def figure(median: float, low: float | None = None, high: float | None = None) -> Figure:
    """Return a figure over three repetitions."""
    least, most = median if low is None else low, median if high is None else high
    return {"median": median, "min": least, "max": most, "samples": [least, median, most]}


def bench_case(
    prompt_tokens: int = 32,
    *,
    new_tokens: int = 16,
    ttft: Figure | None = None,
    prefill: Figure | None = None,
    decode: Figure | None = None,
    total: Figure | None = None,
) -> BenchCase:
    """Return the figures of an artifact at one prompt length."""
    total = total or figure(1.0)
    return {
        "prompt_tokens": prompt_tokens,
        "ttft_s": ttft or figure(0.02, 0.01, 0.03),
        "prefill_tps": prefill or figure(900.0, 850.0, 950.0),
        "decode_tps": decode or figure(410.0, 400.0, 420.0),
        "total_s": total,
        "latency_s": {"p50": total["median"], "p95": total["max"]},
        "new_tokens": new_tokens,
    }


def bench_result(
    folder: str, *cases: BenchCase, precision: str = "", void: bool = False, peak: int = 80 * 2**20
) -> BenchResult:
    """Return what a benchmark measured of an artifact."""
    result: BenchResult = {
        "kind": "artifact",
        "target": folder,
        "label": folder.rpartition("/")[2],
        "load_s": 0.21,
        "cases": list(cases) or [bench_case()],
        "folder": folder,
        "bytes": 1_664_135,
        "context": 192,
        "rss_bytes": {"baseline": 1, "loaded": 2, "peak": peak},
        "cpu_percent": 50.0,
    }
    if precision:
        result["precision"] = precision
    if void:
        result["void"] = True
    return result


def bench_document(
    *results: BenchResult, notes: list[str] | None = None, void: bool = False
) -> BenchDocument:
    """Return the document of `firstlight bench`."""
    return {
        "machine": {"cpu": "A processor", "cores": 2, "versions": {"onnxruntime": "1.31.0"}},
        "lengths": [32],
        "new_tokens": 16,
        "repeats": 3,
        "interleaved": len(results) > 1,
        "results": list(results),
        "notes": notes or [],
        "void": void,
    }


def check_row(
    name: str, status: CheckStatus = "pass", summary: str = "8 of 8", title: str = ""
) -> CheckRow:
    """Return the result of one check."""
    return {
        "id": name,
        "title": title or name,
        "status": status,
        "evidence": {"summary": summary},
    }


def drift_example(prompt: str, kl: float, at: int | None) -> DriftExample:
    """Return one prompt of the drift; both answers differ from token `at` on, or nowhere."""
    original = "INT4 stores each weight in four bits, half a byte."
    return {
        "prompt": prompt,
        "kl_mean": kl,
        "original": original,
        "artifact": original if at is None else "INT4 stores each weight in four bits.",
        "first_divergence": at,
        "texts_differ_at": None if at is None else 36,
    }


def drift_document(*worst: DriftExample, **figures: Unpack[DriftFigures]) -> DriftDocument:
    """Return the drift on prompts."""
    return {
        "prompts": 8,
        "prompts_equal": 8,
        "prompts_skipped": 0,
        "prompts_diverged": 1,
        "first_divergence": 5,
        "reference_cached": False,
        "worst": list(worst),
        "closeness": "close",
        "closeness_sure": True,
        **figures,
    }


def quality_document(
    target: str,
    *checks: CheckRow,
    ok: bool = True,
    drift: DriftDocument | None = None,
    verdict: str = "Close to the original.",
) -> QualityDocument:
    """Return the document of `firstlight quality` on one target."""
    document: QualityDocument = {
        "kind": "quality",
        "ok": ok,
        "target": target,
        "prompts": "sample",
        "checks": list(checks) or [check_row(name) for name in CHECKS],
        "answers": [],
        "verdict": verdict,
    }
    if drift is not None:
        document["drift"] = drift
    return document


def qualities_document(*documents: QualityDocument) -> QualitiesDocument:
    """Return the document of `firstlight quality` on several targets."""
    return {
        "kind": "qualities",
        "ok": all(document["ok"] for document in documents),
        "artifacts": list(documents),
    }
