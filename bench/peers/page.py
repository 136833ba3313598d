"""`docs/benchmarks.md`: the tables of `bench/results/peers.json`, and the findings written beside them by hand."""

import statistics
from pathlib import Path

from bench.measuring import REPOSITORY
from bench.peers.curve_tables import curve_lines
from bench.peers.document import DriftTest, PeersDocument, Run, latest_run
from bench.peers.markdown import VOID, mib, spread, table, void_lines
from bench.peers.models import (
    BARE,
    INT4,
    LLAMA,
    METRICS,
    MODELS,
    PeerModel,
    llama_name,
    speed_targets,
)
from bench.peers.parity import KIND
from bench.peers.ratios import Ratio, ratio_of, samples_of, target_ratio

PAGE = REPOSITORY / "docs" / "benchmarks.md"
FINDINGS = Path(__file__).with_name("findings.md")
BARE_TOLERANCE = 0.02
MEMORY_LIMIT = 1.1
DRIFT_TEST_LIMIT = 2.0
_SPEED_HEAD = ["", *METRICS.values()]
_MEMORY_HEAD = ["", "Size", "Load", "Running", "Peak", "Mean KL, nats", "Same token"]
_MAKING_HEAD = ["", "Time", "Peak memory of all processes together"]
_TARGET_HEAD = ["", "Against", "To reach", "Measured", ""]


def write_page(document: PeersDocument) -> None:
    """Write the page."""
    PAGE.write_text(page_text(document, FINDINGS.read_text("utf-8")), "utf-8")


def page_text(document: PeersDocument, findings: str) -> str:
    """Return the page; a model without a run is left out."""
    machine = document["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = [
        "# Beside what one would run instead",
        "",
        "Written by `make bench-peers`; do not edit. Every sample is in `bench/results/peers.json`.",
        "",
        f"Machine: {machine['cpu']}, {machine['threads']} threads, {machine['memory']}, {machine['system']}. "
        f"{versions}, {document['llama_cpp']}. Two threads each.",
        "",
        findings.strip(),
        "",
    ]
    for model in MODELS.values():
        lines += _model_lines(document, model)
    lines += curve_lines(document)
    return "\n".join(lines)


def _model_lines(document: PeersDocument, model: PeerModel) -> list[str]:
    speed = latest_run(document, "speed", model.key)
    drift = next((t for t in reversed(document["drift_tests"]) if t["model"] == model.key), None)
    memory = latest_run(document, "memory", model.key)
    parity = latest_run(document, KIND, model.key)
    making = latest_run(document, "making", model.key)
    lines = [f"## {model.title}", ""] if speed or memory or drift or making else []
    if speed is not None:
        lines += ["Tokens a second, median (smallest to largest).", ""]
        lines += void_lines(speed) + table(_SPEED_HEAD, _speed_rows(speed))
    targets = _target_rows(model, speed, memory, drift, parity)
    if targets:
        lines += table(_TARGET_HEAD, targets)
    if memory is not None:
        lines += void_lines(memory) + table(_MEMORY_HEAD, _memory_rows(document, memory, drift))
    if making is not None:
        lines += [
            "Making it:",
            "",
            *void_lines(making),
            *table(_MAKING_HEAD, _making_rows(making)),
        ]
    return lines


def _speed_rows(run: Run) -> list[list[str]]:
    return [
        [
            entry["subject"],
            *(spread(entry["figures"].get(metric, []), run) for metric in METRICS),
        ]
        for entry in run["subjects"]
    ]


def _target_rows(
    model: PeerModel,
    speed: Run | None,
    memory: Run | None,
    drift: DriftTest | None,
    parity: Run | None,
) -> list[list[str]]:
    rows: list[list[str]] = []
    for target in speed_targets(model) if speed is not None else ():
        against, ratio = target_ratio(speed, target) if speed is not None else ("", None)
        if speed is not None and samples_of(speed, target.subject, target.metric):
            name = f"{target.subject}: {METRICS[target.metric].lower()}"
            rows.append(_verdict_row(name, against, f">= {target.least} ×", ratio, target.least))
    if (equal := parity or speed) is not None:
        rows += _bare_rows(equal)
    if memory is not None:
        rows += _memory_targets(memory)
    if drift is not None:
        rows += _drift_targets(drift)
    return rows


def _verdict_row(
    name: str, against: str, goal: str, ratio: Ratio | None, least: float
) -> list[str]:
    if ratio is None:
        return [name, against, goal, VOID, ""]
    text = f"{ratio.median:.2f} × ({ratio.low:.2f} to {ratio.high:.2f})"
    return [name, against, goal, text, "reached" if ratio.median >= least else "**not reached**"]


def _bare_rows(run: Run) -> list[list[str]]:
    rows = []
    for metric, label in METRICS.items():
        ratio = ratio_of(samples_of(run, INT4, metric), samples_of(run, BARE, metric))
        name = f"`firstlight bench`: {label.lower()}"
        if ratio is None or run["void_reasons"]:
            rows.append([name, BARE, "within 2 %", VOID, ""])
            continue
        reached = abs(ratio.median - 1) <= BARE_TOLERANCE
        text = f"{ratio.median:.3f} × ({ratio.low:.2f} to {ratio.high:.2f})"
        rows.append([name, BARE, "within 2 %", text, "reached" if reached else "**not reached**"])
    return rows


def _memory_targets(run: Run) -> list[list[str]]:
    name, goal = f"{INT4}: peak memory", f"<= {MEMORY_LIMIT} ×"
    if run["void_reasons"]:
        return [[name, LLAMA, goal, VOID, ""]]
    against = smallest_llama(run)
    ratio = ratio_of(samples_of(run, INT4, "peak_bytes"), samples_of(run, against, "peak_bytes"))
    if ratio is None:
        return [[name, against, goal, VOID, ""]]
    verdict = "reached" if ratio.median <= MEMORY_LIMIT else "**not reached**"
    return [[name, against, goal, f"{ratio.median:.2f} ×", verdict]]


def smallest_llama(run: Run) -> str:
    """Return the name of llama.cpp's format with the lowest peak memory."""
    names = [e["subject"] for e in run["subjects"] if e["subject"].startswith(LLAMA)]
    return min(names, key=lambda name: statistics.median(samples_of(run, name, "peak_bytes")))


def _drift_targets(test: DriftTest) -> list[list[str]]:
    mean = {entry["subject"]: entry["kl_mean"] for entry in test["drifts"]}
    other = llama_name("Q4_0")
    rows = []
    if INT4 in mean and other in mean:
        verdict = "reached" if mean[INT4] <= mean[other] else "**not reached**"
        text = f"{mean[INT4]:.3g} against {mean[other]:.3g} nats"
        rows.append([f"{INT4}: drift", other, "not above", text, verdict])
    name = f"the whole test of drift, {test['prompts']} prompts"
    goal = f"<= {DRIFT_TEST_LIMIT:.0f} ×"
    if test["void_reasons"]:
        return [*rows, [name, "its forward passes", goal, VOID, ""]]
    ratio = ratio_of(test["whole_s"], test["forward_s"])
    if ratio is not None:
        verdict = "reached" if ratio.median <= DRIFT_TEST_LIMIT else "**not reached**"
        rows.append([name, "its forward passes", goal, f"{ratio.median:.2f} ×", verdict])
    return rows


def _memory_rows(document: PeersDocument, run: Run, drift: DriftTest | None) -> list[list[str]]:
    sizes = {s["subject"]: s["bytes"] for s in document["sizes"] if s["model"] == run["model"]}
    drifts = {entry["subject"]: entry for entry in drift["drifts"]} if drift is not None else {}
    rows = []
    for entry in run["subjects"]:
        name, figures = entry["subject"], entry["figures"]
        own = drifts.get(name)
        rows.append(
            [
                name,
                mib(sizes[name]) if name in sizes else "",
                spread(figures["load_s"], run, digits=2) + " s",
                spread(figures["running_bytes"], run, unit=2**20) + " MiB",
                spread(figures["peak_bytes"], run, unit=2**20) + " MiB",
                f"{own['kl_mean']:.3g}" if own is not None else "",
                f"{100 * own['top1_agreement']:.1f} %" if own is not None else "",
            ]
        )
    return rows


def _making_rows(run: Run) -> list[list[str]]:
    return [
        [
            entry["subject"],
            spread(entry["figures"]["seconds"], run) + " s",
            spread(entry["figures"]["peak_bytes"], run, unit=2**20) + " MiB",
        ]
        for entry in run["subjects"]
    ]
