"""The appendices of a report in Markdown: what a reader looks up."""

from collections.abc import Sequence

from firstlight_core.documents.measure import DriftDocument
from firstlight_core.documents.report import (
    ChatPair,
    PrecisionRow,
    ReportDocument,
    ReportedStep,
)
from firstlight_core.report.cells import (
    BENCH_FIGURES,
    answer_cell,
    bench_rows,
    bench_sentence,
    block,
    code,
    conversion_sentence,
    drift_cell,
    drift_rows,
    estimate_cell,
    evidence_text,
    fault_lines,
    kl_number,
    measured_word,
    plain,
    size_cell,
    speed_cell,
    table,
    target_name,
    template_sentence,
    tuned_sentence,
)
from firstlight_core.report.resources import RESOURCES, resource_rows
from firstlight_core.report.rows import (
    bench_notes,
    deployment_rows,
    machine_rows,
    model_rows,
    step_seconds,
    threshold_rows,
)
from firstlight_core.shells import command_line
from firstlight_core.text import one_line


def folded(title: str, body: Sequence[str]) -> list[str]:
    """Return a part that opens when it is asked for; nothing when it is empty."""
    if not body:
        return []
    # Renderers read Markdown within HTML only after an empty line.
    return ["<details>", f"<summary>{title}</summary>", "", *body, "</details>", ""]


def appendices(document: ReportDocument) -> list[tuple[str, list[str]]]:
    """Return the title and the lines of each appendix; those without lines have nothing to tell."""
    return [
        ("Repeat it, and what comes next", _next(document)),
        ("What was done", _done(document)),
        ("Claims, estimates and measurements of each precision", _precisions(document)),
        ("Benchmark", _benchmark(document)),
        ("Quality", _quality(document)),
        ("Template", _template(document)),
        ("Deployment", _deployment(document)),
        ("Server", _server(document)),
        ("Chat", _chat(document.get("chat", ())[:50])),
        ("Everything that was asked", _chat(document.get("transcripts", ()))),
        ("Production readiness", _production(document)),
        ("Model", _model(document)),
        ("Machine and versions", _machine(document)),
        ("Conversion and checksums", _conversions(document)),
    ]


def _next(document: ReportDocument) -> list[str]:
    return [
        *[
            f"- {i['title']}: `{one_line(i['command'].replace('`', ''), 400)}`"
            for i in document["next"]
        ],
        "",
    ]


def _done(document: ReportDocument) -> list[str]:
    return [
        *[
            f"- [{'x' if i['status'] == 'done' else ' '}] {i['title']}: {plain(i['note'])}"
            for i in document["closing"]
        ],
        "",
        *table(("Step", "Status", "Time (measured)", "Note"), map(_step_row, document["steps"])),
    ]


def _step_row(step: ReportedStep) -> tuple[str, str, str, str]:
    return (
        str(step["title"]),
        str(step["status"]),
        step_seconds(step.get("seconds")),
        plain(step.get("reason", "")),
    )


def _machine(document: ReportDocument) -> list[str]:
    rows = [(plain(k), plain(v)) for k, v in machine_rows(document.get("machine", {}))]
    return table(("Machine", "Found (measured)"), rows)


def _model(document: ReportDocument) -> list[str]:
    rows = [(label, plain(text)) for label, text in model_rows(document.get("model", {}))]
    return table(("Model", "Found (measured: read from its files)"), rows)


def _precisions(document: ReportDocument) -> list[str]:
    head = (
        "Precision",
        "Claim: size, speed, quality",
        "Estimate: size, peak RAM, time",
        "Measured: size, peak RAM, time",
        "Measured: load, TTFT, prefill, decode",
        "Measured: top-1, mean KL",
    )
    rows = [
        (
            str(row["label"]),
            _claim(row),
            estimate_cell(row.get("estimate", {})),
            size_cell(row.get("measured", {})),
            speed_cell(row.get("measured", {})),
            drift_cell(row.get("measured", {})),
        )
        for row in document.get("precisions", ())
    ]
    sentence = conversion_sentence(document.get("conversions", ()))
    return [*table(head, rows), *([sentence, ""] if sentence else [])] if rows else []


def _claim(row: PrecisionRow) -> str:
    claim = row.get("claim")
    return ", ".join([claim["size"], claim["speed"], claim["quality"]]) if claim is not None else ""


def _conversions(document: ReportDocument) -> list[str]:
    lines: list[str] = []
    for made in document.get("conversions", ()):
        command = made.get("command")
        lines += [
            f"### {plain(made.get('precision'))}",
            "",
            f"Artifact: {code(str(made.get('artifact')))}",
            "",
        ]
        if command:
            lines += [
                block(command_line(command)),
                "",
            ]
        if sentence := tuned_sentence(made.get("tuned")):
            lines += [f"{sentence} (measured)", ""]
        hashes = made.get("sha256", {})
        lines += table(("File", "sha256"), [(plain(n), f"`{plain(h)}`") for n, h in hashes.items()])
        if smoke := made.get("smoke"):
            lines += [
                "First words of its answer (measured):",
                "",
                block(str(smoke.get("text", ""))),
                "",
            ]
    return lines


def _server(document: ReportDocument) -> list[str]:
    server = document.get("server")
    if not server:
        return []
    where = "on another machine" if server.get("network") else "on this machine"
    return [
        f"Chat, benchmark and quality asked a running server {where}, not an artifact of this run: "
        f"{code(str(server.get('target', '')))}.",
        "",
    ]


def _template(document: ReportDocument) -> list[str]:
    template = document.get("template")
    if not template:
        return []
    return [
        plain(template_sentence(template)),
        "",
        *[f"- {plain(d)}" for d in template.get("differences", ())[:10]],
        *([plain(template["fitted"])] if template.get("fitted") else []),
        "",
    ]


def _deployment(document: ReportDocument) -> list[str]:
    deployment = document.get("deployment")
    if not deployment:
        return []
    rows = [(label, plain(text)) for label, text in deployment_rows(deployment)]
    lines = table(("Deployment", "Found"), rows)
    for row in deployment["commands"]:
        lines.append(f"- {plain(row['does'])}: {code(row['command'])}")
    lines += [""] if deployment["commands"] else []
    if deployment["kind"] == "answered":
        lines += ["Its answer (measured):", "", block(deployment["answer"]), ""]
    return lines


def _chat(pairs: Sequence[ChatPair]) -> list[str]:
    lines: list[str] = []
    for pair in pairs:
        by = f" ({plain(pair['by'])})" if "by" in pair else ""
        lines += [f"**{plain(pair['question'])}**{by}", "", block(str(pair.get("answer", ""))), ""]
        if cell := answer_cell(pair.get("measured", {})):
            lines += [f"Measured: {cell}", ""]
    return lines


def _benchmark(document: ReportDocument) -> list[str]:
    bench = document.get("benchmark")
    if not bench:
        return []
    word = measured_word(bench)
    head = ("Target", "Prompt tokens", *(f"{name} ({word})" for name in BENCH_FIGURES))
    rows = [
        (plain(row.target), row.prompt_tokens, *(text for text, _ in row.cells))
        for row in bench_rows(bench)
    ]
    resources = [(plain(name), *figures) for name, *figures in resource_rows(bench)]
    measured = (RESOURCES[0], *(f"{name} ({word})" for name in RESOURCES[1:]))
    notes = bench_notes(bench)
    return [
        f"{bench_sentence(bench)} Every sample stands in report.json.",
        "",
        *table(head, rows),
        *table(measured, resources),
        *[f"- {plain(note)}" for note in notes],
        *([""] if notes else []),
    ]


def _quality(document: ReportDocument) -> list[str]:
    lines: list[str] = []
    for quality in document.get("quality", ()):
        rows = [
            (
                plain(c.get("title") or c.get("id")),
                plain(c.get("status")),
                plain(evidence_text(c["evidence"])),
            )
            for c in quality.get("checks", ())
        ]
        if name := target_name(quality):
            lines += [f"### {plain(name)}", ""]
        if verdict := quality.get("verdict"):
            lines += [plain(verdict, 2_000), ""]
        lines += table(("Check", "Status", "Evidence (measured)"), rows)
        for check in quality.get("checks", ()):
            if faults := fault_lines(check):
                title = plain(check.get("title") or check.get("id"))
                lines += [f"{title}:", "", *[f"- {plain(fault)}" for fault in faults], ""]
        if (drift := quality.get("drift")) is not None:
            lines += table(("Drift from the original", "Measured"), drift_rows(drift))
            lines += _worst(drift)
    note = "Speeds named here are those of the quality check's own short run, not of the benchmark."
    return [*lines, note, ""] if lines else []


def _worst(drift: DriftDocument) -> list[str]:
    """Return the examples that drifted most, beside the original's answer."""
    lines: list[str] = []
    for example in drift.get("worst") or ():
        answers = [
            block(f"{name}: {one_line(answer, 600)}")
            for name, answer in (
                ("original", example["original"]),
                ("artifact", example["artifact"]),
            )
            if answer
        ]
        if answers:
            lines += [
                f"Drifted most, mean KL {kl_number(example.get('kl_mean') or 0)}: {plain(example.get('prompt', ''))}",
                "",
                *answers,
                "",
            ]
    return lines


def _production(document: ReportDocument) -> list[str]:
    rows = [(i["group"], i["title"], i["status"], plain(i["note"])) for i in document["production"]]
    lines = table(("Group", "Item", "Status", "Note"), rows)
    if (metrics := document.get("metrics")) is not None:
        lines += table(("Alert threshold", "Claim (course)"), threshold_rows(metrics))
    return lines
