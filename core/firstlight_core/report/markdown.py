"""The report as Markdown: for a pull request, a wiki, a mail."""

from collections.abc import Mapping
from typing import Any

from firstlight_core.measure.bench_words import service_sentences
from firstlight_core.report.cells import (
    RESOURCES,
    bench_sentence,
    block,
    code,
    conversion_sentence,
    drift_cell,
    drift_rows,
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

Document = Mapping[str, Any]


def report_markdown(document: Document) -> str:
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


def _step_row(step: Document) -> tuple[str, str, str, str]:
    seconds = step.get("seconds")
    return (
        str(step["title"]),
        str(step["status"]),
        seconds_text(seconds) if seconds else "",
        plain(step.get("reason", "")),
    )


def _machine(document: Document) -> list[str]:
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


def _model(document: Document) -> list[str]:
    model = document.get("model")
    if not model:
        return []
    rows = [
        (
            key,
            bytes_text(value)
            if key.endswith("bytes")
            else f"`{plain(value)}`"
            if key == "fingerprint"
            else plain(value),
        )
        for key, value in model.items()
    ]
    return ["## Model", "", *table(("Model (measured)", "Found"), rows)]


def _precisions(document: Document) -> list[str]:
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
            ", ".join(
                str((row.get("claim") or {}).get(k, "")) for k in ("size", "speed", "quality")
            ).strip(", "),
            size_cell(row.get("estimate", {}), "peak_ram_bytes"),
            size_cell(row.get("measured", {}), "peak_rss_bytes"),
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


def _conversions(document: Document) -> list[str]:
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
                block(command if isinstance(command, str) else command_line([*map(str, command)])),
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


def _server(document: Document) -> list[str]:
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


def _template(document: Document) -> list[str]:
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


def _deployment(document: Document) -> list[str]:
    deployment = document.get("deployment")
    if not deployment:
        return []
    keys = ("name", "id", "target", "path", "base_url", "verified")
    rows = [(k, plain(deployment[k])) for k in keys if deployment.get(k) is not None]
    lines = ["## Deployment", "", *table(("Deployment", "Found"), rows)]
    for row in deployment.get("commands", ()):
        lines.append(f"- {plain(row.get('does'))}: {code(str(row.get('command')))}")
    lines += [""] if deployment.get("commands") else []
    if deployment.get("answer"):
        lines += ["Its answer (measured):", "", block(str(deployment["answer"])), ""]
    return lines


def _chat(document: Document) -> list[str]:
    lines: list[str] = []
    for pair in document.get("chat", ())[:50]:
        lines += [f"**{plain(pair['question'])}**", "", block(str(pair.get("answer", ""))), ""]
        if cell := speed_cell(pair.get("measured", {})):
            lines += [f"Measured: {cell}", ""]
    return ["## Chat", "", *lines] if lines else []


def _benchmark(document: Document) -> list[str]:
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
            *(spread_cell(case.get(key)) for key in ("ttft_s", "prefill_tps", "decode_tps")),
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


def _quality(document: Document) -> list[str]:
    lines: list[str] = []
    for quality in document.get("quality", ()):
        rows = [
            (
                plain(c.get("title") or c.get("id")),
                plain(c.get("status")),
                plain(evidence_text(c.get("evidence"))),
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
        if isinstance(drift := quality.get("drift"), Mapping):
            lines += table(("Drift from the original", "Measured"), drift_rows(drift))
            lines += _worst(drift)
        if verdict := quality.get("verdict"):
            lines += [plain(verdict, 2_000), ""]
    return ["## Quality", "", *lines] if lines else []


def _worst(drift: Document) -> list[str]:
    """The examples that drifted most, beside the original's answer."""
    lines: list[str] = []
    for example in drift.get("worst") or ():
        answers = [
            block(f"{name}: {one_line(str(example[key]), 600)}")
            for name, key in (("original", "original"), ("artifact", "artifact"))
            if example.get(key)
        ]
        if answers:
            lines += [
                f"Drifted most, mean KL {kl_number(example.get('kl_mean') or 0)}: {plain(example.get('prompt', ''))}",
                "",
                *answers,
                "",
            ]
    return lines


def _metrics(document: Document) -> list[str]:
    metrics = document.get("metrics")
    if not metrics:
        return []
    rows = [(str(k), str(v)) for k, v in metrics["alert_thresholds"].items()]
    return ["## Alert thresholds", "", *table(("Threshold", "Claim (course)"), rows)]


def _lists(document: Document) -> list[str]:
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


def _digest(document: Document) -> list[str]:
    digest = document.get("digest")
    if not digest:
        return []
    sentence = f"SHA-256 of this report's content: `{digest['content']}`; `firstlight verify report.json` checks it."
    return [sentence, ""]
