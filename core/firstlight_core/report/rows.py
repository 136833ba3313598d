"""The tables of a report as labels and texts, for Markdown and HTML alike; no key of a document is shown raw."""

from typing import NamedTuple

from firstlight_core.documents.deploy import Deployed
from firstlight_core.documents.ledger import ReportedModel
from firstlight_core.documents.measure import BenchDocument
from firstlight_core.documents.report import (
    PrecisionRow,
    ReportDocument,
    ReportedFigures,
    ReportedMachine,
    ServiceMetrics,
)
from firstlight_core.measure.bench_words import service_sentences
from firstlight_core.precision.table import REFERENCE_PRECISION
from firstlight_core.report.cells import kl_number
from firstlight_core.report.charts import number_text
from firstlight_core.report.result import claim_outcome, closeness_text, ttft_text
from firstlight_core.text import bytes_text, seconds_text

_COMPARED = (
    "Precision",
    "Size",
    "Decode, tok/s (least to most)",
    "First token (prompt)",
    "Peak memory",
    "Same token as original",
    "Mean KL, nats",
    "Closeness",
)
MEASURED_NOTE = "Measured on this machine, unless a cell says estimate."
"""The note on every figure of the comparison."""
_NOTHING = "–"


class Cell(NamedTuple):
    """One cell of the comparison."""

    text: str
    void: bool = False


class Comparison(NamedTuple):
    """The table that a report opens with; columns without a figure are left out."""

    head: tuple[str, ...]
    rows: list[tuple[Cell, ...]]


def comparison(document: ReportDocument) -> Comparison:
    """Return one row for each measured precision, and FP32's estimated size to compare with."""
    rows = _comparison_rows(document)
    columns = [
        column
        for column in range(len(_COMPARED))
        if any(row[column].text != _NOTHING for row in rows)
    ]
    return Comparison(
        head=tuple(_COMPARED[column] for column in columns),
        rows=[tuple(row[column] for column in columns) for row in rows],
    )


def _comparison_rows(document: ReportDocument) -> list[tuple[Cell, ...]]:
    precisions = document.get("precisions", [])
    if not any("measured" in row for row in precisions):
        # The reference alone compares nothing.
        return []
    use = document["result"].get("precision", "") if "result" in document else ""
    rows = []
    for row in precisions:
        if "measured" in row:
            mark = " (in use)" if row["precision"] == use else ""
            rows.append((Cell(f"{row['label']}{mark}"), *_compared(row["measured"])))
        elif row["precision"] == REFERENCE_PRECISION and (size := _estimated_size(row)):
            text = f"{bytes_text(size)} (estimate)"
            rows.append((Cell(row["label"]), Cell(text), *[Cell(_NOTHING)] * 6))
    return rows


def _estimated_size(row: PrecisionRow) -> int | None:
    return row.get("estimate", {}).get("bytes")


def _compared(measured: ReportedFigures) -> tuple[Cell, ...]:
    void = measured.get("void", False)
    decode, ends = measured.get("decode_tps"), measured.get("decode_range")
    speed = number_text(decode) if decode is not None else ""
    if speed and ends is not None:
        speed += f" ({number_text(ends[0])} to {number_text(ends[1])})"
    ttft = ttft_text(measured["ttft_s"]) if "ttft_s" in measured else ""
    if ttft and (tokens := measured.get("prompt_tokens")):
        ttft += f" ({tokens} tokens)"
    return (
        _cell(bytes_text(measured["bytes"]) if "bytes" in measured else ""),
        _cell(speed, void),
        _cell(ttft, void),
        _cell(bytes_text(measured["run_rss_bytes"]) if "run_rss_bytes" in measured else "", void),
        _cell(f"{100 * measured['top1_agreement']:.1f} %" if "top1_agreement" in measured else ""),
        _cell(kl_number(measured["kl_mean"]) if "kl_mean" in measured else ""),
        _cell(closeness_text(measured)),
    )


def _cell(text: str, void: bool = False) -> Cell:
    if not text:
        return Cell(_NOTHING)
    return Cell(f"void: {text}" if void else text, void)


def claim_lines(document: ReportDocument) -> list[tuple[str, str, str, str]]:
    """Subject, claim, measurement and outcome of each claim."""
    return [
        (row["subject"].capitalize(), row["claim"], row["measured"], claim_outcome(row))
        for row in document.get("claims", ())
    ]


def model_rows(model: ReportedModel) -> list[tuple[str, str]]:
    """Return the facts of the model with their names."""
    rows: list[tuple[str, str]] = []
    if source := model.get("source"):
        rows.append(("Source", source))
    if (path := model.get("path")) and path != source:
        rows.append(("Folder", path))
    if artifact := model.get("artifact"):
        rows.append(("Adopted artifact", artifact))
    if architecture := model.get("architecture"):
        rows.append(("Architecture", architecture))
    if parameters := model.get("parameters"):
        rows.append(("Parameters", _count_text(parameters)))
    if dtype := model.get("dtype"):
        rows.append(("Data type", dtype))
    if "tied_embeddings" in model:
        shared = "one table for both" if model["tied_embeddings"] else "a table each"
        rows.append(("Input and output embeddings", shared))
    if context := model.get("context_length"):
        rows.append(("Context", f"{context:,} tokens"))
    if weights := model.get("weight_bytes"):
        rows.append(("Weights", bytes_text(weights)))
    if licence := model.get("licence"):
        rows.append(("Licence", licence))
    if fingerprint := model.get("fingerprint"):
        rows.append(("Fingerprint", fingerprint))
    return rows


def _count_text(count: int) -> str:
    for word, size in (("billion", 10**9), ("million", 10**6)):
        if count >= size:
            return f"{count / size:.3g} {word}"
    return f"{count:,}"


def machine_rows(machine: ReportedMachine) -> list[tuple[str, str]]:
    """Return the facts of the benchmark's machine and of the environment check, without repetition."""
    measured = machine.get("measured", {})
    memory = measured.get("memory_bytes")
    known = [
        ("Processor", measured.get("cpu", "")),
        ("Cores", str(measured.get("cores", ""))),
        ("Threads", str(measured.get("threads", ""))),
        ("Memory in all", bytes_text(memory) if memory else measured.get("memory", "")),
        ("Operating system", measured.get("system", "")),
        ("Python", measured.get("python", "")),
    ]
    checks = machine.get("checks", {})
    if "cpu" in measured and measured["cpu"] in checks.get("CPU", ""):
        # The check tells it with its cores and instruction sets.
        known = [("CPU", checks["CPU"]), *known[2:]]
    rows = {name: str(text) for name, text in known if text}
    for package, version in (measured.get("versions") or {}).items():
        rows.setdefault(package, version)
    same = {name.casefold() for name in rows}
    for title, found in checks.items():
        if title.casefold() not in same:
            rows[title] = found
    return list(rows.items())


def deployment_rows(deployment: Deployed) -> list[tuple[str, str]]:
    """Return where the artifact was deployed, and whether that was proven."""
    rows = [
        ("Name", deployment["name"]),
        ("Id", deployment["id"]),
        ("Target", deployment["target"]),
        ("Folder", deployment["path"]),
        ("Verified", "yes" if deployment["verified"] else "no"),
    ]
    return [(label, text) for label, text in rows if text]


def threshold_rows(metrics: ServiceMetrics) -> list[tuple[str, str]]:
    """Return the course's thresholds with their names and units."""
    limits = metrics["alert_thresholds"]
    return [
        ("Response time", f"{limits['response_time_ms']:,} ms"),
        ("Errors", f"{limits['error_rate_percent']} %"),
        ("Memory", f"{limits['memory_usage_percent']} %"),
        ("Processor", f"{limits['cpu_usage_percent']} %"),
    ]


def bench_notes(bench: BenchDocument) -> list[str]:
    """Return a benchmark's sentences on services, and its notes; those of a void one say so."""
    mark = "void: " if bench.get("void") else ""
    return [*(f"{mark}{line}" for line in service_sentences(bench)), *bench.get("notes", ())]


def step_seconds(seconds: float | None) -> str:
    """Return how long a step took; empty when it is not known."""
    return seconds_text(seconds) if seconds else ""
