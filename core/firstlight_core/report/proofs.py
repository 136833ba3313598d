"""The proofs of a run: one verdict for each question of the report's checklists."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

from firstlight_core.documents.measure import BenchResult, CheckRow, QualityDocument
from firstlight_core.report.facts import RunFacts
from firstlight_core.text import seconds_text

State = Literal["passed", "failed", "void", "missing"]
"""passed: a valid check says yes; failed: it says no; void: its figures are worthless; missing: there was no check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The answer to one question, and what it rests on."""

    state: State
    note: str
    """A half sentence: what was measured, or what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedArtifact:
    """One artifact of the run and its quality verdict."""

    name: str
    """Precision of the artifact, or the name of its folder."""
    quality: Proof
    drift: bool
    """Whether its drift from the original was measured."""


def benchmark_proof(facts: RunFacts) -> Proof:
    """Judge whether speeds were measured, and are worth something."""
    bench = facts.benchmark
    if bench is None:
        return _not_done(facts, "benchmark", "not measured in this run")
    if bench.get("void"):
        return Proof(state="void", note="the benchmark is void; measure again")
    levels = [
        sweep["clients"]
        for result in bench.get("results", [])
        for sweep in result.get("clients", [])
    ]
    if bench.get("stopped"):
        return Proof(
            state="missing",
            note="the benchmark was stopped early; its figures are of what was finished until then",
        )
    clients = f"up to {max(levels)} clients at once" if levels else "one user at a time"
    return Proof(state="passed", note=f"measured here with {clients}")


def memory_proof(facts: RunFacts) -> Proof:
    """Judge whether resident memory and processor load of an artifact were measured."""
    bench = benchmark_proof(facts)
    if bench.state != "passed":
        return bench
    if not any("rss_bytes" in result for result in _results(facts)):
        return Proof(state="missing", note="only a server was measured, whose memory is its own")
    return Proof(state="passed", note="resident memory and CPU are measured in this report")


def load_proof(facts: RunFacts) -> Proof:
    """Judge whether loading was measured from a cold start: with the files out of the page cache."""
    bench = benchmark_proof(facts)
    if bench.state != "passed" or not any("load_s" in result for result in _results(facts)):
        return bench if bench.state != "passed" else Proof(state="missing", note="not measured")
    cold = [
        seconds
        for r in _results(facts)
        if "cold_s" in (load := r.get("load", {}))
        for seconds in load["cold_s"]["samples"]
    ]
    if cold:
        return Proof(
            state="passed", note=f"no cold start took longer than {seconds_text(max(cold))} here"
        )
    reasons = [
        load["cold_unknown"]
        for r in _results(facts)
        if "cold_unknown" in (load := r.get("load", {}))
    ]
    return Proof(
        state="missing",
        note="only loading with the files in the page cache is measured here, not a cold start"
        + (f": {reasons[0]}" if reasons else ""),
    )


def _results(facts: RunFacts) -> list[BenchResult]:
    return facts.benchmark.get("results", []) if facts.benchmark is not None else []


def checked_artifacts(facts: RunFacts) -> list[CheckedArtifact]:
    """Return every artifact of the run, the converted ones first, with its quality."""
    artifacts = [
        _checked(made["precision"], facts.qualities_of(made["artifact"]))
        for made in facts.conversions
    ]
    if not artifacts and facts.in_use:
        artifacts.append(_checked(PurePath(facts.in_use).name, facts.qualities_of(facts.in_use)))
    return artifacts


def quality_proof(facts: RunFacts) -> Proof:
    """Judge whether the artifact in use is good enough: every check passed, and its drift is small."""
    if not facts.in_use:
        return Proof(state="missing", note="there is no artifact")
    in_use = _checked(facts.precision_in_use or "", facts.qualities_of(facts.in_use))
    others = [c.name for c in checked_artifacts(facts) if c.quality.state != "missing"]
    if in_use.quality.state == "missing" and others and facts.conversions:
        return Proof(
            state="missing",
            note=f"{in_use.name} is in use, and only {', '.join(others)} was checked",
        )
    if in_use.quality.state == "missing" and not facts.qualities:
        return _not_done(facts, "quality", "run the quality check against the original")
    return in_use.quality


def deployment_proof(facts: RunFacts) -> Proof:
    """Judge whether Foundry Local answered with the deployed artifact, and as the artifact itself answers."""
    deployed = facts.deployment
    if deployed is None:
        return _not_done(facts, "deploy", "not deployed in this run")
    match deployed["kind"]:
        case "answered" if deployed["verified"]:
            name = deployed["id"]
            return Proof(state="passed", note=f"registered as {name}, its answer verified")
        case "answered":
            return Proof(state="failed", note="Foundry Local's answer is not the artifact's")
        case "published":
            return Proof(state="missing", note="published, but not verified with Foundry Local")
        case "export":
            target = deployed["target"]
            note = f"exported for {target}, not deployed to Foundry Local"
            return Proof(state="missing", note=note)


def workflow_proof(facts: RunFacts) -> Proof:
    """Judge whether one run went from the source to an answer of the runtime."""
    deployed = deployment_proof(facts)
    if deployed.state != "passed":
        return deployed
    if not facts.conversions:
        return Proof(state="missing", note="deployed and asked; the artifact was not made here")
    return Proof(state="passed", note="converted, deployed and asked in this run")


def _not_done(facts: RunFacts, step: str, otherwise: str) -> Proof:
    """Judge a step that left no document: it failed, or it did not happen."""
    state = next((s for s in facts.steps if s.id == step), None)
    if state is not None and state.status == "failed":
        return Proof(state="failed", note=state.reason or "failed")
    return Proof(state="missing", note=otherwise)


def _checked(name: str, qualities: Iterable[QualityDocument]) -> CheckedArtifact:
    last: QualityDocument | None = None
    for quality in qualities:
        last = quality
    if last is None:
        missing = Proof(state="missing", note="its quality was not checked")
        return CheckedArtifact(name=name, quality=missing, drift=False)
    drift = bool(last.get("drift"))
    return CheckedArtifact(name=name, quality=_quality(last, drift), drift=drift)


def _quality(document: QualityDocument, drift: bool) -> Proof:
    checks = document.get("checks", [])
    failed = [_title(c) for c in checks if c.get("status") == "fail"]
    open_ = [_title(c) for c in checks if c.get("status") not in ("pass", "fail")]
    if failed:
        return Proof(state="failed", note=f"failed: {', '.join(failed)}")
    if not document.get("ok", True):
        return Proof(state="failed", note="too far from the original")
    if not checks:
        return Proof(state="missing", note="no check ran")
    if not drift:
        return Proof(
            state="missing", note="checks passed, but the drift from the original was not measured"
        )
    if open_:
        return Proof(state="missing", note=f"drift measured; not settled: {', '.join(open_)}")
    return Proof(state="passed", note="every check passed and the drift is measured")


def _title(check: CheckRow) -> str:
    return str(check.get("title") or check.get("id"))
