"""One run as one JSON document: the content of report.json, and what the Markdown and HTML reports are drawn from.

Every figure stands below a key `claim`, `estimate` or `measured`. All text is visible, redacted and safe to show.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firstlight_core import __version__
from firstlight_core.artifact.manifest import read_manifest
from firstlight_core.documents.conversion import ConversionDocument
from firstlight_core.documents.estimate import EstimateDocument
from firstlight_core.documents.inference import ChatStats
from firstlight_core.documents.ledger import (
    ChatValues,
    QuestionsValues,
    ReportedModel,
    TemplateValues,
    TurnValues,
)
from firstlight_core.documents.measure import BenchCase, BenchDocument, DriftDocument
from firstlight_core.documents.reading import only_known, read_document
from firstlight_core.documents.report import (
    ChatPair,
    PrecisionRow,
    ReportDocument,
    ReportedConversion,
    ReportedEstimate,
    ReportedFigures,
    ReportedMachine,
    ReportedStep,
    ReportedTemplate,
)
from firstlight_core.documents.tuning import TunedManifest
from firstlight_core.ledger import Run
from firstlight_core.measure.quoted_length import quoted_case
from firstlight_core.precision.table import PRECISIONS
from firstlight_core.report.checklists import (
    closing_items,
    fallback,
    limitations,
    next_commands,
    production_items,
    service_metrics,
)
from firstlight_core.report.facts import RunFacts, StepFact, collect_facts
from firstlight_core.report.proofs import benchmark_proof
from firstlight_core.report.result import claim_rows, reported_result, sample_rows
from firstlight_core.text import redact, visible

SCHEMA = "firstlight/report.json/1"


def report_document(
    run: Run, *, now: float | None = None, transcripts: bool = False
) -> ReportDocument:
    """Everything the report says about a run; what was not measured is absent.

    With `transcripts` every question of the run stands in it, what was said before `/clear` too.
    """
    facts = collect_facts(run)
    written = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    document: ReportDocument = {
        "schema": SCHEMA,
        "run": {
            "id": facts.id,
            "begun": facts.begun,
            "written": written,
            "folder": str(run.folder),
        },
        "firstlight": __version__,
        "closing": closing_items(facts),
        "steps": [_step(step, facts) for step in facts.steps],
        "production": production_items(facts),
        "limitations": limitations(facts),
        "next": next_commands(facts, facts.in_use or None, run.folder),
    }
    if machine := _machine(facts):
        document["machine"] = machine
    if facts.model is not None and (model := only_known(ReportedModel, facts.model)):
        document["model"] = model
    if precisions := precision_rows(facts):
        document["precisions"] = precisions
    if facts.conversions:
        document["conversions"] = [_conversion(made) for made in facts.conversions]
    if facts.template is not None:
        document["template"] = _template(facts.template)
    if facts.deployment is not None:
        document["deployment"] = facts.deployment
    if facts.server is not None:
        document["server"] = facts.server
    if facts.chat is not None and (chat := _chat(facts.chat)):
        document["chat"] = chat
    if facts.benchmark is not None:
        document["benchmark"] = facts.benchmark
        _add_metrics(document, facts.benchmark)
    if facts.qualities:
        document["quality"] = list(facts.qualities)
    if sentence := fallback(facts):
        document["fallback"] = sentence
    _add_opening(document, facts)
    if transcripts and (pairs := _transcripts(run)):
        document["transcripts"] = pairs
    report: ReportDocument = _visible_copy(document)
    return report


def _add_metrics(document: ReportDocument, bench: BenchDocument) -> None:
    if (metrics := service_metrics(bench, document["run"]["written"])) is not None:
        document["metrics"] = metrics


def _add_opening(document: ReportDocument, facts: RunFacts) -> None:
    """Return the opening of the report, made of the figures that the document has."""
    document["result"] = reported_result(document, facts)
    if claims := claim_rows(document, facts):
        document["claims"] = claims
    if samples := sample_rows(facts):
        document["samples"] = samples


def _visible_copy(value: Any) -> Any:
    """Return the same document with every text made visible and redacted."""
    if isinstance(value, str):
        return visible(redact(value))
    if isinstance(value, Mapping):
        return {_shown_key(str(key)): _visible_copy(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_visible_copy(item) for item in value]
    return value


def _shown_key(key: str) -> str:
    """Firstlight's own names are not redacted, even if they contain the user's name; files and targets are foreign text."""
    return key if key.isidentifier() and key.isascii() else visible(redact(key))


def _step(step: StepFact, facts: RunFacts) -> ReportedStep:
    void = step.id == "benchmark" and benchmark_proof(facts).state == "void"
    return {
        "id": step.id,
        "title": step.title,
        "status": step.status,
        "seconds": step.seconds,
        "reason": benchmark_proof(facts).note if void else step.reason,
    }


def _machine(facts: RunFacts) -> ReportedMachine:
    """Return the machine of the benchmark, and the result of the environment check."""
    machine: ReportedMachine = {}
    if facts.benchmark is not None and facts.benchmark.get("machine"):
        machine["measured"] = facts.benchmark["machine"]
    checks = facts.environment.get("checks", []) if facts.environment is not None else []
    if checks:
        machine["checks"] = {
            check.get("title") or check["id"]: check.get("found", "") for check in checks
        }
    return machine


def precision_rows(facts: RunFacts) -> list[PrecisionRow]:
    """Return the course's table with three kinds of figures side by side: claim, estimate, measured."""
    estimates = facts.model.get("estimates", {}) if facts.model is not None else {}
    rows = []
    for precision in PRECISIONS:
        row: PrecisionRow = {"precision": precision.key, "label": precision.label}
        if (claim := precision.claim) is not None:
            row["claim"] = {
                "size": claim.size,
                "speed": claim.speed,
                "quality": claim.quality,
                "use": claim.use,
            }
        if (estimate := estimates.get(precision.key)) is not None:
            row["estimate"] = _estimate(estimate)
        if measured := _measured(facts, precision.key):
            row["measured"] = measured
        if "estimate" in row or "measured" in row:
            rows.append(row)
    return rows


def _estimate(estimate: EstimateDocument) -> ReportedEstimate:
    return {
        "bytes": estimate["bytes"],
        "peak_ram_bytes": estimate["peak_ram_bytes"],
        "seconds": estimate["seconds"],
        "available": estimate["available"],
        "reason": estimate["reason"],
    }


def _measured(facts: RunFacts, precision: str) -> ReportedFigures:
    """Sizes, drift and speeds of one precision; `void` is true where the speeds are worth nothing."""
    measured: ReportedFigures = {}
    for made in facts.conversions:
        if made["precision"] == precision:
            measured["bytes"] = made["bytes"]
            measured["seconds"] = made["seconds"]
            measured["peak_rss_bytes"] = made["peak_rss_bytes"]
            for quality in facts.qualities_of(made["artifact"]):
                if "drift" in quality:
                    _add_drift(measured, quality["drift"])
    bench = facts.benchmark
    for result in bench.get("results", []) if bench is not None else []:
        case = quoted_case(result.get("cases", []))
        if result.get("precision") == precision and case is not None:
            measured["load_s"] = result["load_s"]
            _add_speeds(measured, case)
            if (rss := result.get("rss_bytes")) is not None:
                measured["run_rss_bytes"] = rss["peak"]
            if (bench is not None and bench.get("void")) or result.get("void"):
                measured["void"] = True
    return measured


def _add_drift(measured: ReportedFigures, drift: DriftDocument) -> None:
    measured["top1_agreement"] = drift["top1_agreement"]
    measured["kl_mean"] = drift["kl_mean"]
    measured["kl_p95"] = drift["kl_p95"]
    measured["perplexity_ratio"] = drift["perplexity_ratio"]
    if "kl_interval" in drift:
        measured["kl_interval"] = drift["kl_interval"]
    if level := drift.get("closeness"):
        measured["closeness"] = level


def _add_speeds(measured: ReportedFigures, case: BenchCase) -> None:
    measured["prompt_tokens"] = case.get("prompt_tokens")
    if "ttft_s" in case:
        measured["ttft_s"] = case["ttft_s"]["median"]
    if "prefill_tps" in case:
        measured["prefill_tps"] = case["prefill_tps"]["median"]
    if "decode_tps" in case:
        measured["decode_tps"] = case["decode_tps"]["median"]
        if {"min", "max"} <= case["decode_tps"].keys():
            measured["decode_range"] = [case["decode_tps"]["min"], case["decode_tps"]["max"]]


def _conversion(made: ConversionDocument) -> ReportedConversion:
    conversion: ReportedConversion = {
        "precision": made["precision"],
        "artifact": made["artifact"],
        "method": made["method"],
        "command": made["command"],
        "smoke": made["smoke"],
        "built": made["built"],
    }
    if "olive_load_seconds" in made:
        conversion["olive_load_seconds"] = made["olive_load_seconds"]
    manifest = read_manifest(Path(made["artifact"]))
    if manifest is None:
        return conversion
    if files := manifest.get("files"):
        conversion["sha256"] = {name: entry["sha256"] for name, entry in files.items()}
    if (tuned := read_document(TunedManifest, manifest.get("tuned"))) is not None:
        conversion["tuned"] = tuned
    return conversion


def _template(template: TemplateValues) -> ReportedTemplate:
    section: ReportedTemplate = {
        "locked": template["locked"],
        "inference_model": template["inference_model"],
    }
    if "sentence" in template:
        section["sentence"] = template["sentence"]
    if "fitted" in template:
        section["fitted"] = template["fitted"]
    if differences := template.get("differences"):
        section["differences"] = [difference["sentence"] for difference in differences]
    return section


def _chat(chat: ChatValues) -> list[ChatPair]:
    """Return the questions and answers of a conversation, or of a run without a screen."""
    pairs: list[ChatPair] = []
    if chat["kind"] != "conversation":
        for turn in chat["turns"]:
            pair: ChatPair = {"question": turn["prompt"], "answer": turn["text"]}
            pairs.append(_with_figures(pair, turn["stats"]))
        return pairs
    stats = iter(chat["stats"])
    for spoken in chat["turns"]:
        if spoken["role"] == "user":
            pairs.append({"question": spoken["text"]})
        elif spoken["role"] == "assistant" and pairs:
            pairs[-1] = _with_figures({**pairs[-1], "answer": spoken["text"]}, next(stats, None))
    return pairs


def _transcripts(run: Run) -> list[ChatPair]:
    """Return every question in the ledger, in order, with the answers of compared models too."""
    pairs: list[ChatPair] = []
    for entry in run.entries():
        if entry.step != "chat" or entry.status != "done":
            continue
        if (turn := read_document(TurnValues, entry.values)) is not None:
            asked_once = _chat({"kind": "turns", "turns": [turn]})
            if by := turn.get("by"):
                asked_once = [{**pair, "by": by} for pair in asked_once]
            pairs += asked_once
        elif (asked := read_document(QuestionsValues, entry.values)) is not None:
            pairs += _chat(asked)
    return pairs


def _with_figures(pair: ChatPair, stats: ChatStats | None) -> ChatPair:
    return {**pair, "measured": stats} if stats else pair
