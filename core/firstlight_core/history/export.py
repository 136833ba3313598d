"""The history as text for other programs: Markdown, CSV, JSON, and the lines that Go's benchstat reads."""

import csv
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence

from firstlight_core.documents.history import RecordRow, SampleSeries
from firstlight_core.errors import UsageError
from firstlight_core.history.comparison import NAMES
from firstlight_core.measure.metrics import percentile
from firstlight_core.text import bytes_text, one_line, seconds_text

COLUMNS = (
    "id",
    "recorded_at",
    "kind",
    "label",
    "precision",
    "artifact_fingerprint",
    "source_fingerprint",
    "machine_fingerprint",
    "firstlight",
    "void",
    "measure",
    "unit",
    "prompt_tokens",
    "sample",
    "value",
)
UNITS = {"s": "sec/op", "tokens/s": "tokens/s", "bytes": "B", "nats": "nats", "share": "share"}
"""Unit → its name in benchstat, which turns seconds and bytes into readable ones."""


def export(records: Sequence[RecordRow], form: str) -> str:
    """Return the records as text in one of `FORMATS`.

    Raises:
        UsageError: there is no such form.
    """
    if form not in FORMATS:
        raise UsageError(
            f"There is no form {one_line(form, 40)!r}.", hint=f"Choose one of {', '.join(FORMATS)}."
        )
    return FORMATS[form](records)


def value_text(series: SampleSeries) -> str:
    """Return the median of a series with its unit."""
    median = percentile(series["samples"], 50)
    match series["unit"]:
        case "s":
            return seconds_text(median)
        case "bytes":
            return bytes_text(round(median))
        case "tokens/s":
            return f"{median:.1f} tokens/s"
        case "share":
            return f"{100 * median:.1f} %"
    return f"{median:.3g} nats"


def figure_name(series: SampleSeries) -> str:
    """Return what a series is: `decode at 128`."""
    name = NAMES.get(series["measure"], series["measure"])
    return name if series["prompt_tokens"] is None else f"{name} at {series['prompt_tokens']}"


def _markdown(records: Sequence[RecordRow]) -> str:
    lines = [
        "| id | when (UTC) | kind | model | precision | figure | median | samples | void |",
        "|---:|---|---|---|---|---|---:|---:|---|",
    ]
    for record in records:
        head = (
            str(record["id"]),
            record["recorded_at"],
            record["kind"],
            _cell(record["label"]),
            record["precision"] or "",
        )
        for series in record["series"]:
            cells = (
                *head,
                figure_name(series),
                value_text(series),
                str(len(series["samples"])),
                "void" if record["void"] else "",
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return one_line(text, 80).replace("|", "\\|")


def _csv(records: Sequence[RecordRow]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for record in records:
        for series in record["series"]:
            for number, value in enumerate(series["samples"], 1):
                writer.writerow(
                    (
                        record["id"],
                        record["recorded_at"],
                        record["kind"],
                        _plain(record["label"]),
                        record["precision"],
                        record["artifact_fingerprint"],
                        record["source_fingerprint"],
                        record["machine_fingerprint"],
                        record["firstlight"],
                        int(record["void"]),
                        series["measure"],
                        series["unit"],
                        series["prompt_tokens"],
                        number,
                        repr(value),
                    )
                )
    return stream.getvalue()


def _plain(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    text = one_line(text, 200)
    return f"'{text}" if text[:1] in tuple("=+-@\t") else text


def _json(records: Sequence[RecordRow]) -> str:
    return json.dumps(list(records), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _benchstat(records: Sequence[RecordRow]) -> str:
    """Lines in the format of Go's benchmarks (golang.org/design/14313-benchmark-format); void records are left out."""
    lines = ["Unit tokens/s better=higher", "Unit share better=higher"]
    lines += ["Unit nats better=lower"]
    for record in records:
        if record["void"]:
            continue
        lines += ["", f"record: {record['id']}", f"date: {record['recorded_at']}"]
        lines += [f"machine: {record['machine_fingerprint']}"]
        lines += [f"{name}: {one_line(text, 40)}" for name, text in record["versions"].items()]
        for series in record["series"]:
            name = f"Benchmark{_word(NAMES.get(series['measure'], series['measure'])).capitalize()}"
            name += f"/model={_word(record['label'])}"
            if record["precision"]:
                name += f"/precision={_word(record['precision'])}"
            if series["prompt_tokens"] is not None:
                name += f"/prompt={series['prompt_tokens']}"
            lines += [f"{name} 1 {value!r} {UNITS[series['unit']]}" for value in series["samples"]]
    return "\n".join(lines) + "\n"


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("_") or "_"


FORMATS: Mapping[str, Callable[[Sequence[RecordRow]], str]] = {
    "md": _markdown,
    "csv": _csv,
    "json": _json,
    "benchstat": _benchstat,
}
"""Form → what writes it."""
