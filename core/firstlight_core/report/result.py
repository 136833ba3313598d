"""The opening of a report: one sentence, the machine, claims beside measurements, sample answers."""

from pathlib import PurePath

from firstlight_core import __version__
from firstlight_core.documents.report import (
    ClaimRow,
    PrecisionRow,
    ReportDocument,
    ReportedFigures,
    ReportedResult,
    SampleAnswer,
    SampleRow,
)
from firstlight_core.estimate.measured_figures import Figures
from firstlight_core.measure.drift_words import level_words
from firstlight_core.precision.table import PRECISIONS, REFERENCE_PRECISION, find_precision
from firstlight_core.report.charts import number_text
from firstlight_core.report.claims import check_claims
from firstlight_core.report.facts import RunFacts
from firstlight_core.report.proofs import quality_proof
from firstlight_core.text import bytes_text, one_line

SAMPLES = 3
"""Questions that a report opens with."""
_CLOSENESS = {
    "very-close": "very close to the original",
    "close": "close to the original",
    "noticeable": "noticeably different from the original",
    "far": "far from the original",
}
VOID = "Void: measure again before you rely on the speeds and the memory below."
_VOID_BECAUSE = "Do not rely on the speeds and the memory below."


def ttft_text(seconds: float) -> str:
    """Return the time to the first token in milliseconds, as everywhere on the screen."""
    return f"{number_text(1_000 * seconds)} ms"


def reported_result(document: ReportDocument, facts: RunFacts) -> ReportedResult:
    """Return the verdict in one sentence, the machine in a line, and why the benchmark is void, if it is."""
    result: ReportedResult = {"verdict": _verdict(document, facts)}
    if machine := _machine_line(document):
        result["machine"] = machine
    if void := _void_sentence(facts):
        result["void"] = void
    if facts.precision_in_use:
        result["precision"] = facts.precision_in_use
    return result


def _verdict(document: ReportDocument, facts: RunFacts) -> str:
    name = _model_name(facts)
    if not facts.in_use:
        if facts.server is not None:
            return f"{one_line(facts.server['model'], 80)} was asked on a running server."
        failed = next((step for step in facts.steps if step.status == "failed"), None)
        if failed is not None:
            reason = f": {one_line(failed.reason)}" if failed.reason else "."
            return f"{name} does not run here yet. {failed.title} failed{reason}"
        return f"Nothing was converted in this run of {name}."
    key = facts.precision_in_use
    own = next((row for row in document.get("precisions", ()) if row["precision"] == key), None)
    label = f" as {own['label']}" if own is not None else ""
    quality = quality_proof(facts)
    if quality.state == "failed" and facts.qualities:
        return f"{name} runs on this machine{label}, but its quality is not good enough: {quality.note}."
    figures = _figure_words(own.get("measured", {}) if own is not None else {})
    return f"{name} runs on this machine{label}{figures}."


def _figure_words(measured: ReportedFigures) -> str:
    words = [bytes_text(measured["bytes"])] if "bytes" in measured else []
    if not measured.get("void"):
        if "decode_tps" in measured:
            words.append(f"{number_text(measured['decode_tps'])} tok/s")
        if "ttft_s" in measured:
            tokens = measured.get("prompt_tokens")
            prompt = f" of a {tokens}-token prompt" if tokens else ""
            words.append(f"first token after {ttft_text(measured['ttft_s'])}{prompt}")
    if (level := measured.get("closeness")) is not None:
        words.append(_CLOSENESS[level])
    void = "; its speed is void" if measured.get("void") else ""
    return f": {', '.join(words)} (measured){void}" if words else void


def _model_name(facts: RunFacts) -> str:
    model = facts.model or {}
    source = model.get("source") or model.get("path") or model.get("artifact") or ""
    name = PurePath(source).parent.name if PurePath(source).name == "model" else ""
    return one_line(name or PurePath(source).name, 80) or "The model"


def _machine_line(document: ReportDocument) -> str:
    machine = document.get("machine", {})
    measured, checks = machine.get("measured", {}), machine.get("checks", {})
    if "cpu" in measured:
        cores = measured.get("cores")
        memory = measured.get("memory_bytes")
        words = [
            measured["cpu"],
            f"{cores} core{'s' * (cores != 1)}" if cores else "",
            f"{bytes_text(memory)} of memory" if memory else "",
            measured.get("system", ""),
        ]
    else:
        words = [checks.get(name, "") for name in ("CPU", "Memory", "Operating system")]
    known = [one_line(word, 80) for word in words if word]
    return " · ".join([*known, f"Firstlight {__version__}"]) if known else ""


def _void_sentence(facts: RunFacts) -> str:
    bench = facts.benchmark
    if bench is None:
        return ""
    if bench.get("void"):
        notes = bench.get("notes", ())
        return " ".join([_VOID_BECAUSE, *notes]) if notes else VOID
    names = [str(r.get("label") or r["target"]) for r in bench["results"] if r.get("void")]
    return f"{VOID} This is about {', '.join(names)}." if names else ""


def claim_rows(document: ReportDocument, facts: RunFacts) -> list[ClaimRow]:
    """Return the course's claims about the precision in use, each against what was measured."""
    key, rows = facts.precision_in_use, document.get("precisions", [])
    figures = {
        row["precision"]: _figures(row["precision"], row["measured"])
        for row in rows
        if "measured" in row
    }
    if key not in figures:
        return []
    reference = figures.get(REFERENCE_PRECISION)
    measured = reference is not None and reference.bytes is not None
    of = " of FP32" if measured else " of FP32 (estimate)"
    return [
        {
            "precision": key,
            "subject": check.subject,
            "claim": check.claim,
            "measured": check.measured + (of if check.subject == "size" else ""),
            "holds": check.holds,
        }
        for check in check_claims(find_precision(key), figures, _reference_bytes(rows))
    ]


def _figures(key: str, measured: ReportedFigures) -> Figures:
    ends = measured.get("decode_range")
    return Figures(
        precision=key,
        artifact="",
        bytes=measured.get("bytes"),
        decode_tps=measured.get("decode_tps"),
        decode_range=(ends[0], ends[1]) if ends is not None else None,
        void=measured.get("void", False),
        closeness=measured.get("closeness", ""),
    )


def _reference_bytes(rows: list[PrecisionRow]) -> int | None:
    """Return the size of FP32: measured, or else estimated."""
    row = next((row for row in rows if row["precision"] == REFERENCE_PRECISION), None)
    if row is None:
        return None
    return row.get("measured", {}).get("bytes") or row.get("estimate", {}).get("bytes")


def sample_rows(facts: RunFacts) -> list[SampleRow]:
    """Return the questions where an artifact drifted most, with the original's answer; else some that it was asked."""
    names = {made["artifact"]: _label(made["precision"]) for made in facts.conversions}
    # That of the artifact in use decides which questions they are.
    documents = sorted(facts.qualities, key=lambda quality: quality["target"] != facts.in_use)
    rows: dict[str, SampleRow] = {}
    for quality in documents:
        name = names.get(quality["target"]) or PurePath(quality["target"]).name
        for example in quality["drift"]["worst"] if "drift" in quality else ():
            row = rows.setdefault(
                example["prompt"],
                {"prompt": example["prompt"], "original": example["original"], "answers": []},
            )
            row["answers"].append({"name": name, "text": example["artifact"]})
    if rows:
        return list(rows.values())[:SAMPLES]
    for quality in documents[:1]:
        name = names.get(quality["target"]) or PurePath(quality["target"]).name
        for each in quality["answers"][:SAMPLES]:
            if "text" in each:
                answer: SampleAnswer = {"name": name, "text": each["text"]}
                rows[each["prompt"]] = {"prompt": each["prompt"], "answers": [answer]}
    return list(rows.values())


def _label(key: str) -> str:
    return next((precision.label for precision in PRECISIONS if precision.key == key), key)


def claim_outcome(row: ClaimRow) -> str:
    """Return whether a claim holds here, in words."""
    if row["holds"] is None:
        return "cannot be told"
    return "holds" if row["holds"] else "does not hold"


def closeness_text(measured: ReportedFigures) -> str:
    """Return how close an artifact is to the original, in a word."""
    level = measured.get("closeness")
    return level_words(level) if level is not None else ""
