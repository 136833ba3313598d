"""The achievements of a run, step by step, in the words of its last screen; failed and void ones say so."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Literal

from firstlight_core.documents.measure import QualityDocument
from firstlight_core.measure.quoted_length import quoted_case
from firstlight_core.report.facts import RunFacts, result_of
from firstlight_core.report.proofs import (
    benchmark_proof,
    checked_artifacts,
    deployment_proof,
)
from firstlight_core.text import bytes_text

Outcome = Literal["done", "failed", "void", "skipped"]
_OUTCOMES: Mapping[str, Outcome] = {
    "passed": "done",
    "failed": "failed",
    "void": "void",
    "missing": "skipped",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Achievement:
    """One line of the summary."""

    outcome: Outcome
    title: str
    note: str = ""
    step: str = ""
    """Id of the step that achieves it; empty for a connection, which is no step."""


def achievements(facts: RunFacts) -> list[Achievement]:
    """Return one line for each thing that a walk can achieve, in the order of the steps."""
    server = facts.server["target"] if facts.server is not None else ""
    connected = [Achievement(outcome="done", title="Connected to a running server", note=server)]
    return [
        *(connected if server else []),
        *(
            replace(achieve(facts), step=step)
            for step, achieve in (
                ("convert", _model),
                ("template", _template),
                ("deploy", _deployment),
                ("chat", _conversation),
                ("benchmark", _speed),
                ("quality", _quality),
            )
        ),
    ]


def _model(facts: RunFacts) -> Achievement:
    if facts.conversions:
        made = [
            f"{made['precision']} {bytes_text(made['bytes'])}"
            if "bytes" in made
            else made["precision"]
            for made in facts.conversions
        ]
        return Achievement(outcome="done", title="Model converted to ONNX", note=", ".join(made))
    if facts.in_use:
        name = PurePath(facts.in_use).name
        return Achievement(outcome="done", title="ONNX artifact adopted", note=name)
    return _simple(facts, "convert", "Model converted to ONNX")


def _template(facts: RunFacts) -> Achievement:
    title, template = "Prompt template settled", facts.template
    if template is None:
        return _simple(facts, "template", title)
    note = "the same, token by token" if template.get("locked") else "saved, with known differences"
    if template.get("exceptions"):
        note = "the same, but for unusual texts"
    return Achievement(outcome="done", title=title, note=note)


def _deployment(facts: RunFacts) -> Achievement:
    proof = deployment_proof(facts)
    note, deployed = proof.note, facts.deployment
    if proof.state == "missing" and deployed is not None:
        return Achievement(outcome="done", title=f"Deployed as {deployed['id']}", note=note)
    if proof.state == "passed" and deployed is not None:
        note = f"{deployed['id']}, verified"
    return Achievement(outcome=_OUTCOMES[proof.state], title="Deployed to Foundry Local", note=note)


def _conversation(facts: RunFacts) -> Achievement:
    return _simple(facts, "chat", "Tested in a conversation")


def _speed(facts: RunFacts) -> Achievement:
    proof = benchmark_proof(facts)
    result = result_of(facts.benchmark, facts.in_use)
    case = quoted_case(result.get("cases", [])) if result is not None else None
    rate = ""
    if case is not None and "decode_tps" in case:
        rate = f"decode {case['decode_tps']['median']:.0f} tok/s (median)"
    missing = proof.note if facts.benchmark is not None else ""
    notes = {"passed": rate or proof.note, "missing": missing}
    note = notes.get(proof.state, proof.note)
    if proof.state == "void" and rate:
        note = f"{rate}, but void: measure again"
    return Achievement(outcome=_OUTCOMES[proof.state], title="Measured on this machine", note=note)


def _quality(facts: RunFacts) -> Achievement:
    """Say "Validated against the original" only where the drift was measured and nothing failed."""
    title = "Quality checked"
    if not facts.qualities:
        return _simple(facts, "quality", title)
    several = len(facts.qualities) > 1
    notes = [_passed(document, several) for document in facts.qualities]
    drift = [document for document in facts.qualities if document.get("drift")]
    failed = [document for document in facts.qualities if not _good(document)]
    asked_server = any("://" in str(document.get("target")) for document in facts.qualities)
    unknown = [a.name for a in checked_artifacts(facts) if not a.drift]
    if not drift:
        notes.append("a server does not tell its drift" if asked_server else "drift not measured")
    elif unknown:
        notes.append(f"drift not measured for {', '.join(unknown)}")
    if drift and not failed:
        title = "Validated against the original"
    return Achievement(outcome="failed" if failed else "done", title=title, note="; ".join(notes))


def _passed(document: QualityDocument, named: bool) -> str:
    checks = document.get("checks") or ()
    passed = sum(1 for check in checks if check.get("status") == "pass")
    name = f"{PurePath(str(document.get('target'))).name}: " if named else ""
    return f"{name}{passed} of {len(checks)} checks passed"


def _good(document: QualityDocument) -> bool:
    checks = document.get("checks") or ()
    return bool(document.get("ok", True)) and all(c.get("status") != "fail" for c in checks)


def _simple(facts: RunFacts, step: str, title: str) -> Achievement:
    """Return the achievement of a step of which only the status is known."""
    if (step == "chat" and facts.chat is not None) or (step == "convert" and facts.conversions):
        return Achievement(outcome="done", title=title)
    state = next((s for s in facts.steps if s.id == step), None)
    if state is not None and state.status in ("failed", "cancelled"):
        note = state.reason or state.status
        return Achievement(outcome="failed", title=title, note=note)
    return Achievement(outcome="skipped", title=title, note=state.reason if state else "")
