"""The lists at the end of a report: what was achieved, what production still needs, what to do next."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from firstlight_core.report.facts import RunFacts
from firstlight_core.report.run_file import RUN_FILE

Item = dict[str, str]

THRESHOLDS = {
    "response_time_ms": 2000,
    "error_rate_percent": 5,
    "memory_usage_percent": 85,
    "cpu_usage_percent": 80,
}
"""Alert thresholds of the course (Module 6, section 1: alert_thresholds; cpu_threshold)."""


def closing_items(facts: RunFacts) -> list[Item]:
    """The course's four closing items (Module 5, section 4), each with what this run really did."""
    made = ", ".join(str(c.get("precision")) for c in facts.conversions)
    deployed = facts.document("deploy")
    measured = [s for s in facts.steps if s.id in ("benchmark", "quality") and s.status == "done"]
    adopted = facts.document("model").get("artifact")
    states = {s.id: s for s in facts.steps}
    quantised = [c for c in facts.conversions if str(c.get("precision", "")).startswith("int")]
    return [
        _item(
            "Model format conversion",
            bool(facts.conversions),
            f"ONNX artifacts: {made}",
            "an ONNX artifact was adopted" if adopted else _why(states["convert"]),
        ),
        _item(
            "Model quantization optimization",
            bool(quantised),
            f"{len(quantised)} quantised, {'with' if facts.qualities else 'without'} a drift and quality check",
            _why(states["convert"]) if not facts.conversions else "only unquantised precisions",
        ),
        _item(
            "Foundry Local deployment configuration",
            bool(deployed.get("verified")),
            f"registered as {deployed.get('id') or deployed.get('name')}, its answer verified",
            "published, but not verified with Foundry Local"
            if deployed
            else _why(states["deploy"]),
        ),
        _item(
            "Performance tuning and troubleshooting",
            bool(measured),
            f"measured here: {', '.join(s.title.lower() for s in measured)}",
            _why(states["benchmark"]),
        ),
    ]


def _item(title: str, done: bool, found: str, otherwise: str) -> Item:
    return {
        "title": title,
        "status": "done" if done else "not done",
        "note": found if done else otherwise,
    }


def _why(step: Any) -> str:
    return {"failed": "failed", "cancelled": "cancelled"}.get(step.status, "skipped") + (
        f": {step.reason}" if step.reason else ""
    )


def production_items(facts: RunFacts) -> list[Item]:
    """The production checklist for Foundry Local (Module 6, section 1), 16 items in four groups.

    `verified` means that this run measured or proved it, `done` that Firstlight set it so, `reminder` that it is yours to do.
    """
    deployed = facts.document("deploy")
    bench = facts.document("benchmark")
    quality = bool(facts.qualities)
    verified = bool(deployed.get("verified"))
    rows: tuple[tuple[str, str, str, str], ...] = (
        (
            "Service configuration",
            "Model alias chosen for the use case",
            "done" if deployed else "reminder",
            str(deployed.get("name", "choose a name when you deploy")),
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
            "reminder",
            "measured for one user here" if bench else "not measured in this run",
        ),
        (
            "Performance",
            "Suitable quantization",
            "verified" if quality else "reminder",
            "drift and checks are in this report"
            if quality
            else "run the quality check against the original",
        ),
        (
            "Performance",
            "Caching and warming of the model",
            "verified" if bench else "reminder",
            "the cold load time is measured in this report" if bench else "measure the load time",
        ),
        (
            "Performance",
            "Memory and CPU watched",
            "verified" if bench else "reminder",
            "resident memory and CPU are measured in this report" if bench else "run the benchmark",
        ),
        (
            "Integration",
            "The agent framework talks to the model",
            "reminder",
            "point it at the OpenAI-compatible address of the service",
        ),
        (
            "Integration",
            "Works offline",
            "done" if facts.conversions or verified else "reminder",
            "the tools ran with their offline switches set and with Python's sockets refused",
        ),
        (
            "Integration",
            "Failover and recovery",
            "reminder",
            "stop the service while it answers, and watch your program",
        ),
        (
            "Integration",
            "The whole workflow, end to end",
            "verified" if verified else "reminder",
            "converted, deployed and asked in this run"
            if verified
            else "deploy with Foundry Local and ask it",
        ),
    )
    return [{"group": g, "title": t, "status": s, "note": n} for g, t, s, n in rows]


def limitations(facts: RunFacts) -> list[str]:
    """What this report does not say, in plain words."""
    bench, found = facts.document("benchmark"), []
    found.append(
        "Every measured figure is of this machine at that time; another processor gives others."
    )
    if bench.get("void"):
        found.append("The benchmark is void; measure again before you use its figures.")
    if not bench:
        found.append("Speed and memory were not measured in this run.")
    if not facts.qualities:
        found.append("The quality was not checked in this run.")
    elif not any(q.get("drift") for q in facts.qualities):
        found.append("The drift against the original was not measured.")
    template = facts.document("template")
    if template and not template.get("locked", True):
        found.append("The prompt template differs from the tokenizer's; see the template section.")
    found.append("Backdoors or flaws in the weights themselves cannot be found by these checks.")
    return found


def fallback(facts: RunFacts) -> str:
    """Which precision to fall back to when the quality is not satisfactory."""
    kept = {str(c.get("precision")) for c in facts.conversions}
    for precision in ("int8", "fp16", "fp32"):
        if precision not in kept and any(p.startswith("int4") for p in kept):
            return f"If the quality is not satisfactory, convert to {precision} next (the course's advice)."
    return "The artifacts of this run cover the course's fallbacks." if kept else ""


def next_commands(facts: RunFacts, artifact: str | None, folder: Path) -> list[Item]:
    """Commands that carry on from here; `folder` is the run's."""
    rows: list[tuple[str, Sequence[str]]] = [
        ("Repeat this walk", ("firstlight", "run", str(folder / RUN_FILE), "--yes")),
    ]
    if artifact:
        rows += [
            ("Talk to it", ("firstlight", "chat", artifact)),
            ("Measure it again", ("firstlight", "bench", artifact)),
        ]
    deployed = facts.document("deploy")
    if artifact and not deployed:
        rows.append(("Deploy it", ("firstlight", "deploy", artifact, "--name", "my-model")))
    elif deployed.get("name") and artifact:
        words = ["firstlight", "deploy", "--name", str(deployed["name"])]
        if (target := str(deployed.get("target") or "foundry")) != "foundry":
            words += ["--target", target]
        rows.append(("Take the deployment back", (*words, "--undo")))
    return [{"title": title, "command": shlex.join(command)} for title, command in rows]


def service_metrics(bench: Mapping[str, Any], at: str) -> dict[str, Any] | None:
    """The benchmark in the field names of the course's monitoring service; times in seconds, memory in bytes."""
    models = {}
    for result in bench.get("results", ()):
        totals = [
            float(s)
            for case in result.get("cases", ())
            for s in (case.get("total_s") or {}).get("samples", ())
        ]
        if totals:
            models[str(result.get("label") or result.get("target"))] = {
                "status": "healthy",
                "memory_usage": (result.get("rss_bytes") or {}).get("loaded"),
                "inference_count": len(totals),
                "average_latency": sum(totals) / len(totals),
                # Artifacts have none: a repetition that fails ends their benchmark.
                "error_rate": float(result.get("error_rate", 0.0)),
            }
    return {"timestamp": at, "models": models, "alert_thresholds": THRESHOLDS} if models else None
