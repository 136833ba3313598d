"""One run as one JSON document: the content of report.json, and what the Markdown and HTML reports are drawn from.

Every figure stands below a key `claim`, `estimate` or `measured`. All text is visible, redacted and safe to show.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from firstlight_core import __version__
from firstlight_core.artifact.manifest import read_manifest
from firstlight_core.ledger import Run
from firstlight_core.precision.table import PRECISIONS
from firstlight_core.report.checklists import (
    closing_items,
    fallback,
    limitations,
    next_commands,
    production_items,
    service_metrics,
)
from firstlight_core.report.facts import RunFacts, collect_facts
from firstlight_core.text import redact, visible

Document = dict[str, Any]
SCHEMA = "firstlight/report.json/1"
_MODEL_KEYS = (
    *("source", "path", "artifact", "architecture", "parameters", "dtype", "tied_embeddings"),
    *("context_length", "weight_bytes", "licence", "fingerprint"),
)


def report_document(run: Run, *, now: float | None = None) -> Document:
    """Everything the report says about a run; what was not measured is absent."""
    facts = collect_facts(run)
    written = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    bench = facts.document("benchmark")
    document: Document = {
        "schema": SCHEMA,
        "run": {
            "id": facts.id,
            "begun": facts.begun,
            "written": written,
            "folder": str(run.folder),
        },
        "firstlight": __version__,
        "closing": closing_items(facts),
        "steps": [asdict(step) for step in facts.steps],
        "machine": _machine(facts),
        "model": {
            key: value
            for key in _MODEL_KEYS
            if (value := facts.document("model").get(key)) is not None
        },
        "precisions": _precision_rows(facts),
        "conversions": [_conversion(c) for c in facts.conversions],
        "template": _template(facts.document("template")),
        "deployment": dict(facts.document("deploy")),
        "server": dict(facts.document("connect")),
        "chat": _chat(facts.document("chat")),
        "benchmark": dict(bench),
        "quality": [dict(q) for q in facts.qualities],
        "metrics": service_metrics(bench, written),
        "production": production_items(facts),
        "limitations": limitations(facts),
        "fallback": fallback(facts),
        "next": next_commands(facts, facts.in_use or None, run.folder),
    }
    report: Document = _visible_copy(
        {k: v for k, v in document.items() if v not in (None, {}, [], "")}
    )
    return report


def _visible_copy(value: Any) -> Any:
    """The same document with every text made visible and redacted."""
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


def _machine(facts: RunFacts) -> Document:
    """What the benchmark measured on, else what the environment check found."""
    checks = facts.document("environment").get("checks", ())
    rows = {str(c.get("title") or c.get("id")): str(c.get("found", "")) for c in checks}
    measured = facts.document("benchmark").get("machine")
    return ({"measured": dict(measured)} if measured else {}) | ({"checks": rows} if rows else {})


def _precision_rows(facts: RunFacts) -> list[Document]:
    """The course's table with three kinds of figures side by side: claim, estimate, measured."""
    estimates = facts.document("model").get("estimates") or {}
    rows = []
    for precision in PRECISIONS:
        row: Document = {"precision": precision.key, "label": precision.label}
        if precision.claim is not None:
            row["claim"] = asdict(precision.claim)
        if estimate := estimates.get(precision.key):
            keys = ("bytes", "peak_ram_bytes", "seconds", "available", "reason")
            row["estimate"] = {k: estimate[k] for k in keys if estimate.get(k) is not None}
        if measured := _measured(facts, precision.key):
            row["measured"] = measured
        if "estimate" in row or "measured" in row:
            rows.append(row)
    return rows


def _measured(facts: RunFacts, precision: str) -> Document:
    """Sizes, drift and speeds of one precision; `void` is true where the speeds are worth nothing."""
    measured: Document = {}
    for made in facts.conversions:
        if made.get("precision") == precision:
            measured |= {k: made[k] for k in ("bytes", "seconds", "peak_rss_bytes") if k in made}
            for quality in facts.qualities_of(str(made.get("artifact"))):
                drift = quality.get("drift") or {}
                keys = ("top1_agreement", "kl_mean", "kl_p95", "perplexity_ratio")
                measured |= {k: drift[k] for k in keys if drift.get(k) is not None}
    bench = facts.document("benchmark")
    for result in bench.get("results", ()):
        if result.get("precision") == precision and result.get("cases"):
            case = result["cases"][-1]
            measured |= {"load_s": result.get("load_s"), "prompt_tokens": case.get("prompt_tokens")}
            for name in ("ttft_s", "prefill_tps", "decode_tps"):
                if (median := (case.get(name) or {}).get("median")) is not None:
                    measured[name] = median
            if bench.get("void"):
                measured["void"] = True
    return measured


def _conversion(made: Mapping[str, Any]) -> Document:
    keys = ("precision", "artifact", "method", "command", "smoke", "built", "olive_load_seconds")
    conversion = {key: made[key] for key in keys if key in made}
    manifest = read_manifest(Path(str(made.get("artifact"))))
    files = manifest.get("files") if manifest is not None else None
    hashes = {
        name: file["sha256"]
        for name, file in (files or {}).items()
        if isinstance(file, Mapping) and file.get("sha256")
    }
    tuned = manifest.get("tuned") if manifest is not None else None
    return conversion | ({"sha256": hashes} if hashes else {}) | ({"tuned": tuned} if tuned else {})


def _template(template: Mapping[str, Any]) -> Document:
    keys = ("locked", "sentence", "fitted", "inference_model")
    section = {k: template[k] for k in keys if template.get(k) is not None}
    differences = template.get("differences") or ()
    if differences:
        section["differences"] = [
            d.get("sentence") or str(d) if isinstance(d, Mapping) else str(d) for d in differences
        ]
    return section


def _chat(chat: Mapping[str, Any]) -> list[Document]:
    """Question and answer pairs of either shape: the walk's turns, or the wizard's roles."""
    pairs: list[Document] = []
    stats = iter(chat.get("stats") or ())
    for turn in chat.get("turns") or ():
        if "prompt" in turn:
            pairs.append(
                {"question": turn["prompt"], "answer": turn.get("text", "")} | _stats(turn)
            )
        elif turn.get("role") == "user":
            pairs.append({"question": turn.get("text", "")})
        elif turn.get("role") == "assistant" and pairs:
            pairs[-1] |= {"answer": turn.get("text", "")} | _stats({"stats": next(stats, None)})
    return pairs


def _stats(turn: Mapping[str, Any]) -> Document:
    return {"measured": dict(turn["stats"])} if turn.get("stats") else {}
