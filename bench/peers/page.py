"""`docs/benchmarks.md`: the tables of `bench/results/peers.json`, and the findings written beside them by hand."""

from pathlib import Path

from bench.measuring import REPOSITORY
from bench.peers.curve_tables import curve_lines
from bench.peers.document import DriftTest, PeersDocument, Run
from bench.peers.machines import machine_line
from bench.peers.markdown import mib, spread, table, void_lines
from bench.peers.models import METRICS, MODELS, PeerModel
from bench.peers.targets import measured_on, summary_table, verdict_table, verdicts

PAGE = REPOSITORY / "docs" / "benchmarks.md"
FINDINGS = Path(__file__).with_name("findings.md")
_SPEED_HEAD = ["", *METRICS.values()]
_MEMORY_HEAD = ["", "Size", "Load", "Running", "Peak", "Mean KL, nats", "Same token"]
_MAKING_HEAD = ["", "Time", "Peak memory of all processes together"]


def write_page(document: PeersDocument) -> None:
    """Write the page."""
    PAGE.write_text(page_text(document, FINDINGS.read_text("utf-8")), "utf-8")


def page_text(document: PeersDocument, findings: str) -> str:
    """Return the page; a model without a run is left out, and a machine from a model that was not measured on it."""
    lines = [
        "# Beside what one would run instead",
        "",
        "Written by `make bench-peers`; do not edit. Every sample is in `bench/results/peers.json`.",
        "",
        "Machines, two threads of each; no table mixes them, and no ratio is taken across:",
        "",
        *(f"* {machine_line(entry)}" for entry in document["machines"]),
        "",
        "The numbers to reach, on each of them (medians; how they spread stands in the tables below):",
        "",
        *_summary(document),
        findings.strip(),
        "",
    ]
    for model in MODELS.values():
        parts = [
            line
            for entry in document["machines"]
            for line in _model_lines(document, model, entry["name"])
        ]
        lines += [f"## {model.title}", "", *parts] if parts else []
    lines += curve_lines(document)
    return "\n".join(lines)


def _model_lines(document: PeersDocument, model: PeerModel, machine: str) -> list[str]:
    measured = measured_on(document, model.key, machine)
    lines = [f"### {model.title} on {machine}", ""] if measured else []
    if (speed := measured.speed) is not None:
        lines += ["Tokens a second, median (smallest to largest).", ""]
        lines += void_lines(speed) + table(_SPEED_HEAD, _speed_rows(speed))
    lines += verdict_table(verdicts(model, measured))
    if (memory := measured.memory) is not None:
        lines += void_lines(memory)
        lines += table(_MEMORY_HEAD, _memory_rows(document, memory, measured.drift))
    if (making := measured.making) is not None:
        lines += [
            "Making it:",
            "",
            *void_lines(making),
            *table(_MAKING_HEAD, _making_rows(making)),
        ]
    return lines


def _summary(document: PeersDocument) -> list[str]:
    return summary_table(
        [
            (
                entry["name"],
                [
                    (model, verdicts(model, measured_on(document, model.key, entry["name"])))
                    for model in MODELS.values()
                ],
            )
            for entry in document["machines"]
        ]
    )


def _speed_rows(run: Run) -> list[list[str]]:
    return [
        [
            entry["subject"],
            *(spread(entry["figures"].get(metric, []), run) for metric in METRICS),
        ]
        for entry in run["subjects"]
    ]


def _memory_rows(document: PeersDocument, run: Run, drift: DriftTest | None) -> list[list[str]]:
    key = (run["model"], run["machine"])
    sizes = {
        size["subject"]: size["bytes"]
        for size in document["sizes"]
        if (size["model"], size["machine"]) == key
    }
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
