"""The lists at the end of a report: what was achieved, what production still needs, what to do next."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from firstlight_core.documents.measure import BenchDocument
from firstlight_core.documents.report import (
    ClosingItem,
    ModelMetrics,
    NextCommand,
    ProductionItem,
    ServiceMetrics,
)
from firstlight_core.monitor import ALERT_THRESHOLDS
from firstlight_core.paths import RUN_FILE
from firstlight_core.precision.table import (
    REFERENCE_PRECISION,
    closer_precisions,
    course_name_of,
    is_quantised,
)
from firstlight_core.report.facts import RunFacts, StepFact
from firstlight_core.report.proofs import (
    Proof,
    State,
    benchmark_proof,
    checked_artifacts,
    deployment_proof,
    load_proof,
    memory_proof,
    quality_proof,
    workflow_proof,
)
from firstlight_core.shells import command_line


def closing_items(facts: RunFacts) -> list[ClosingItem]:
    """Return the course's four closing items (Module 5, section 4), each with what this run really did, and did not."""
    made = ", ".join(c["precision"] for c in facts.conversions)
    adopted = facts.model is not None and "artifact" in facts.model
    states = {s.id: s for s in facts.steps}
    quantised = [c for c in facts.conversions if is_quantised(c["precision"])]
    deployed, measured = deployment_proof(facts), _measured_here(facts)
    return [
        _item(
            "Fine-tuned model format conversion",
            bool(facts.conversions),
            f"ONNX artifacts: {made}",
            "an ONNX artifact was adopted" if adopted else _why(states["convert"]),
        ),
        _item(
            "Model quantization optimization",
            bool(quantised),
            f"{len(quantised)} quantized artifact{'s' * (len(quantised) != 1)}; {_checked_words(facts, len(quantised))}",
            _why(states["convert"]) if not facts.conversions else "only unquantized precisions",
        ),
        _item(
            "Foundry Local deployment configuration",
            deployed.state == "passed",
            deployed.note,
            deployed.note if facts.deployment is not None else _why(states["deploy"]),
        ),
        _item(
            "Performance tuning and troubleshooting",
            measured.state == "passed",
            measured.note,
            measured.note,
        ),
    ]


def _checked_words(facts: RunFacts, count: int) -> str:
    """Return how many quantised artifacts have a drift and checks, and which failed."""
    checked = [a for a in checked_artifacts(facts) if is_quantised(a.name)]
    drift = [a.name for a in checked if a.drift]
    failed = [a.name for a in checked if a.quality.state == "failed"]
    if not drift:
        words = "drift from the original not measured"
    elif len(drift) == count:
        words = "drift measured for " + ("all" if count > 1 else "it")
    else:
        words = f"drift measured for {len(drift)} of them ({', '.join(drift)})"
    return words + (f"; quality failed: {', '.join(failed)}" if failed else "")


def _measured_here(facts: RunFacts) -> Proof:
    """Judge whether speed was measured, or quality checked, with a figure that counts; every failure is named."""
    bench, quality = benchmark_proof(facts), quality_proof(facts)
    checked = bool(facts.qualities)
    notes = [bench.note] + ([f"quality: {quality.note}"] if checked else [])
    # A void benchmark is not made good by a quality check: its figures are to be measured again.
    good = bench.state == "passed" or (
        checked and quality.state != "failed" and bench.state != "void"
    )
    return Proof(state="passed" if good else bench.state, note="; ".join(notes))


def _item(title: str, done: bool, evidence: str, otherwise: str) -> ClosingItem:
    return {
        "title": title,
        "status": "done" if done else "not done",
        "note": evidence if done else otherwise,
    }


def _why(step: StepFact) -> str:
    return {"failed": "failed", "cancelled": "cancelled"}.get(step.status, "skipped") + (
        f": {step.reason}" if step.reason else ""
    )


def production_items(facts: RunFacts) -> list[ProductionItem]:
    """Return the production checklist for Foundry Local (Module 6, section 1), 16 items in four groups.

    `verified` means that a valid check of this run passed, `failed` that it did not, `void` that its figures are worth
    nothing, `done` that Firstlight set it so, `reminder` that it is yours to do.
    """
    deployed = facts.deployment
    # Exports for other servers have a name too, which Foundry Local does not know.
    alias = deployed["name"] if deployed is not None and deployed["kind"] != "export" else ""
    load = benchmark_proof(facts)
    rows: tuple[tuple[str, str, str | Proof, str], ...] = (
        (
            "Service configuration",
            "Model alias chosen for the use case",
            "done" if alias else "reminder",
            alias or "choose a name when you deploy",
        ),
        (
            "Service configuration",
            "Resource limits and monitoring thresholds",
            "reminder",
            "the course's thresholds are listed in this report; set max_length to what you need",
        ),
        (
            "Service configuration",
            "Health checks and metrics",
            "reminder",
            "ask /v1/models of the service regularly; this report's `metrics` has the field names",
        ),
        (
            "Service configuration",
            "Automatic restart and failover",
            "reminder",
            "run the service under a supervisor of your system",
        ),
        (
            "Security",
            "Local-only access to the API",
            "reminder",
            "Foundry Local has no authentication: keep it on the loopback address",
        ),
        (
            "Security",
            "Management of API keys",
            "reminder",
            "needed as soon as something stands in front of the service",
        ),
        (
            "Security",
            "Audit log of what is asked and answered",
            "reminder",
            "neither runtime keeps one",
        ),
        ("Security", "Rate limiting", "reminder", "needs a proxy in front of the service"),
        (
            "Performance",
            "Speed under the expected load",
            # What load to expect is yours to say; a measurement alone verifies nothing.
            load if load.state in ("failed", "void") else "reminder",
            load.note,
        ),
        ("Performance", "Suitable quantization", quality_proof(facts), ""),
        ("Performance", "Caching and warming of the model", load_proof(facts), ""),
        ("Performance", "Memory and CPU watched", memory_proof(facts), ""),
        (
            "Integration",
            "The agent framework talks to the model",
            "reminder",
            "point it at the OpenAI-compatible address of the service",
        ),
        (
            "Integration",
            "Works offline",
            "reminder",
            "Firstlight's own tools ran with their offline switches set; take the network away once and ask your program",
        ),
        (
            "Integration",
            "Failover and recovery",
            "reminder",
            "stop the service while it answers, and watch your program",
        ),
        ("Integration", "The whole workflow, end to end", workflow_proof(facts), ""),
    )
    return [_row(*row) for row in rows]


_STATUS: Mapping[State, str] = {
    "passed": "verified",
    "failed": "failed",
    "void": "void",
    "missing": "reminder",
}


def _row(group: str, title: str, status: str | Proof, note: str) -> ProductionItem:
    if isinstance(status, Proof):
        return _row(group, title, _STATUS[status.state], note or status.note)
    return {"group": group, "title": title, "status": status, "note": note}


def limitations(facts: RunFacts) -> list[str]:
    """Limitations of this report in plain words."""
    sentences = [
        "Every measured figure is of this machine at that time; another processor gives others."
    ]
    bench = benchmark_proof(facts)
    if bench.state == "void":
        sentences.append("The benchmark is void; measure again before you use its figures.")
    elif bench.state != "passed":
        sentences.append("Speed and memory were not measured in this run.")
    artifacts = checked_artifacts(facts)
    if not facts.qualities:
        sentences.append("The quality was not checked in this run.")
    elif not any(a.drift for a in artifacts):
        sentences.append("The drift from the original was not measured.")
    elif unknown := [a.name for a in artifacts if not a.drift]:
        sentences.append(f"The drift from the original was not measured for {', '.join(unknown)}.")
    sentences += [
        f"Quality, {a.name}: {a.quality.note}." for a in artifacts if a.quality.state == "failed"
    ]
    template = facts.template
    if template is not None and not template.get("locked", True):
        sentences.append(
            "The prompt template differs from the tokenizer's; see the template section."
        )
    if template is None and facts.in_use:
        sentences.append("The prompt template was not checked in this run.")
    sentences.append(
        "Backdoors or flaws in the weights themselves cannot be found by these checks."
    )
    return sentences


def fallback(facts: RunFacts) -> str:
    """Return which precision comes next when the quality of the one in use is not satisfactory."""
    used = facts.precision_in_use
    if not used:
        return ""
    estimates = facts.model.get("estimates", {}) if facts.model is not None else {}
    known = {a.name: a.quality.state for a in checked_artifacts(facts)}
    for precision in closer_precisions(used):
        made = next((name for name in known if course_name_of(name) == precision), None)
        if made is not None and known[made] != "failed":
            return f"If the quality of {used} is not satisfactory, take {made}, which this run made too."
        estimate = estimates.get(precision)
        if made is None and (estimate is None or estimate["available"]):
            return f"If the quality of {used} is not satisfactory, convert to {precision} next."
    return (
        f"Nothing that can be made here lies closer to the original than {used}."
        if used != REFERENCE_PRECISION
        else f"{REFERENCE_PRECISION} is the reference itself: if its quality is not satisfactory, train again."
    )


def next_commands(facts: RunFacts, artifact: str | None, folder: Path) -> list[NextCommand]:
    """Commands that carry on from here; `folder` is the run's."""
    rows: list[tuple[str, Sequence[str]]] = []
    if (plan := folder / RUN_FILE).is_file():
        rows.append(("Repeat this run", ("firstlight", "run", str(plan), "--yes")))
    if artifact:
        rows += [
            ("Talk to it", ("firstlight", "chat", artifact)),
            ("Measure it again", ("firstlight", "bench", artifact)),
        ]
    deployed = facts.deployment
    if artifact and deployed is None:
        rows.append(("Deploy it", ("firstlight", "deploy", artifact, "--name", "my-model")))
    elif deployed is not None and artifact:
        words = ["firstlight", "deploy", "--name", deployed["name"]]
        if deployed["target"] != "foundry":
            words += ["--target", deployed["target"]]
        rows.append(("Take the deployment back", (*words, "--undo")))
    return [{"title": title, "command": command_line(command)} for title, command in rows]


def service_metrics(bench: BenchDocument, at: str) -> ServiceMetrics | None:
    """Return the benchmark in the field names of the course's monitoring service; times in seconds, memory in bytes.

    `status` is "healthy" or "degraded" by the course's thresholds, and "void" where the figures are worth nothing.
    """
    models: dict[str, ModelMetrics] = {}
    for result in bench.get("results", []):
        totals = [
            seconds
            for case in result.get("cases", [])
            if "total_s" in case
            for seconds in case["total_s"].get("samples", [])
        ]
        if totals:
            latency = sum(totals) / len(totals)
            # Artifacts have none: a repetition that fails ends their benchmark.
            errors = result.get("error_rate", 0.0)
            models[str(result.get("label") or result.get("target"))] = {
                "status": "void" if bench.get("void") else _health(latency, errors),
                "memory_usage": result["rss_bytes"].get("loaded")
                if "rss_bytes" in result
                else None,
                "inference_count": len(totals),
                "average_latency": latency,
                "error_rate": errors,
            }
    if not models:
        return None
    return {"timestamp": at, "models": models, "alert_thresholds": ALERT_THRESHOLDS}


def _health(latency: float, errors: float) -> Literal["degraded", "healthy"]:
    slow = 1_000 * latency > ALERT_THRESHOLDS["response_time_ms"]
    return (
        "degraded" if slow or 100 * errors > ALERT_THRESHOLDS["error_rate_percent"] else "healthy"
    )
