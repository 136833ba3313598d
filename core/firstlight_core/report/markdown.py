"""The report as Markdown: for a pull request, a wiki, a mail."""

from firstlight_core.documents.measure import DriftDocument
from firstlight_core.documents.report import PrecisionRow, ReportDocument, ReportedStep
from firstlight_core.measure.bench_words import service_sentences
from firstlight_core.report.cells import (
    RESOURCES,
    answer_cell,
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
    resource_rows,
    size_cell,
    speed_cell,
    spread_cell,
    table,
    target_name,
    tuned_sentence,
)
from firstlight_core.shells import command_line
from firstlight_core.text import bytes_text, one_line, seconds_text


def report_markdown(document: ReportDocument) -> str:
    """Draw the document of `report_document`."""
    run = document["run"]
    lines = [
        f"# Firstlight report: {plain(run['id'])}",
        "",
        f"Started {run['begun']}, written {run['written']}, Firstlight {document['firstlight']}. "
        "*Claim* is what the course says, *estimate* what Firstlight computed beforehand, *measured* what this machine did.",
        "",
        "## What was done",
        *[
            f"- [{'x' if i['status'] == 'done' else ' '}] {i['title']}: {plain(i['note'])}"
            for i in document["closing"]
        ],
        "",
        *table(("Step", "Status", "Seconds (measured)", "Note"), map(_step_row, document["steps"])),
    ]
    for draw in (
        *(_machine, _model, _precisions, _conversions, _template, _deployment),
        *(_server, _chat, _benchmark, _quality, _metrics, _lists),
    ):
        lines += draw(document)
    return "\n".join(lines).rstrip() + "\n"


def _step_row(step: ReportedStep) -> tuple[str, str, str, str]:
    seconds = step.get("seconds")
    return (
        str(step["title"]),
        str(step["status"]),
        seconds_text(seconds) if seconds else "",
        plain(step.get("reason", "")),
    )


def _machine(document: ReportDocument) -> list[str]:
    machine = document.get("machine", {})
    rows = [(plain(k), plain(v)) for k, v in machine.get("checks", {}).items()]
    measured = machine.get("measured", {})
    versions = ", ".join(f"{k} {v}" for k, v in (measured.get("versions") or {}).items())
    facts = [
        (k, plain(measured[k]))
        for k in ("cpu", "cores", "memory", "system", "python")
        if measured.get(k)
    ]
    if versions:
        facts.append(("versions", plain(versions)))
    lines = table(("Machine (measured)", "Found"), [*facts, *rows])
    return ["## Machine", "", *lines] if lines else []


def _model(document: ReportDocument) -> list[str]:
    model = document.get("model")
    if not model:
        return []
    rows = [
        (
            key,
            bytes_text(value)
            if key.endswith("bytes") and isinstance(value, int)
            else f"`{plain(value)}`"
            if key == "fingerprint"
            else plain(value),
        )
        for key, value in model.items()
    ]
    return ["## Model", "", *table(("Model (measured)", "Found"), rows)]


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
    return (
        ["## Precisions", "", *table(head, rows), *([sentence, ""] if sentence else [])]
        if rows
        else []
    )


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
    return ["## Conversion", "", *lines] if lines else []


def _server(document: ReportDocument) -> list[str]:
    server = document.get("server")
    if not server:
        return []
    where = "on another machine" if server.get("network") else "on this machine"
    return [
        "## Server",
        "",
        f"Chat, benchmark and quality asked a running server {where}, not an artifact of this run: "
        f"{code(str(server.get('target', '')))}.",
        "",
    ]


def _template(document: ReportDocument) -> list[str]:
    template = document.get("template")
    if not template:
        return []
    verdict = template.get("sentence") or (
        "Template matches: all renderers give the same tokens."
        if template.get("locked")
        else "Mismatch: the renderers differ."
    )
    return [
        "## Template",
        "",
        plain(verdict),
        "",
        *[f"- {plain(d)}" for d in template.get("differences", ())[:10]],
        *([plain(template["fitted"])] if template.get("fitted") else []),
        "",
    ]


def _deployment(document: ReportDocument) -> list[str]:
    deployment = document.get("deployment")
    if not deployment:
        return []
    rows = [
        ("name", plain(deployment["name"])),
        ("id", plain(deployment["id"])),
        ("target", plain(deployment["target"])),
        ("path", plain(deployment["path"])),
        ("verified", plain(deployment["verified"])),
    ]
    lines = ["## Deployment", "", *table(("Deployment", "Found"), rows)]
    for row in deployment["commands"]:
        lines.append(f"- {plain(row['does'])}: {code(row['command'])}")
    lines += [""] if deployment["commands"] else []
    if deployment["kind"] == "answered":
        lines += ["Its answer (measured):", "", block(deployment["answer"]), ""]
    return lines


def _chat(document: ReportDocument) -> list[str]:
    lines: list[str] = []
    for pair in document.get("chat", ())[:50]:
        lines += [f"**{plain(pair['question'])}**", "", block(str(pair.get("answer", ""))), ""]
        if cell := answer_cell(pair.get("measured", {})):
            lines += [f"Measured: {cell}", ""]
    return ["## Chat", "", *lines] if lines else []


def _benchmark(document: ReportDocument) -> list[str]:
    bench = document.get("benchmark")
    if not bench:
        return []
    word = measured_word(bench)
    head = (
        "Target",
        "Prompt tokens",
        f"TTFT s ({word})",
        f"Prefill tok/s ({word})",
        f"Decode tok/s ({word})",
    )
    results = bench.get("results", ())
    rows = [
        (
            plain(target_name(result)),
            str(case.get("prompt_tokens", "unknown")),
            spread_cell(case.get("ttft_s")),
            spread_cell(case.get("prefill_tps")),
            spread_cell(case.get("decode_tps")),
        )
        for result in results
        for case in result.get("cases", ())
    ]
    resources = [(plain(name), *figures) for name, *figures in resource_rows(results)]
    measured = (RESOURCES[0], *(f"{name} ({word})" for name in RESOURCES[1:]))
    notes = [*service_sentences(bench), *bench.get("notes", ())]
    return [
        "## Benchmark",
        "",
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
        lines += table(("Check", "Status", "Evidence (measured)"), rows)
        for check in quality.get("checks", ()):
            if faults := fault_lines(check):
                title = plain(check.get("title") or check.get("id"))
                lines += [f"{title}:", "", *[f"- {plain(fault)}" for fault in faults], ""]
        if (drift := quality.get("drift")) is not None:
            lines += table(("Drift from the original", "Measured"), drift_rows(drift))
            lines += _worst(drift)
        if verdict := quality.get("verdict"):
            lines += [plain(verdict, 2_000), ""]
    return ["## Quality", "", *lines] if lines else []


def _worst(drift: DriftDocument) -> list[str]:
    """The examples that drifted most, beside the original's answer."""
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


def _metrics(document: ReportDocument) -> list[str]:
    metrics = document.get("metrics")
    if not metrics:
        return []
    rows = [(str(k), str(v)) for k, v in metrics["alert_thresholds"].items()]
    return ["## Alert thresholds", "", *table(("Threshold", "Claim (course)"), rows)]


def _lists(document: ReportDocument) -> list[str]:
    return [
        *("## Production readiness", ""),
        *table(
            ("Group", "Item", "Status", "Note"),
            [
                (i["group"], i["title"], i["status"], plain(i["note"]))
                for i in document["production"]
            ],
        ),
        *("## Limitations", ""),
        *[f"- {plain(line)}" for line in document["limitations"]],
        *([f"- {plain(document['fallback'])}"] if document.get("fallback") else []),
        *("", "## Next", ""),
        *[
            f"- {i['title']}: `{one_line(i['command'].replace('`', ''), 400)}`"
            for i in document["next"]
        ],
        "",
        *_digest(document),
    ]


def _digest(document: ReportDocument) -> list[str]:
    digest = document.get("digest")
    if not digest:
        return []
    sentence = f"SHA-256 of this report's content: `{digest['content']}`; `firstlight verify report.json` checks it."
    return [sentence, ""]
