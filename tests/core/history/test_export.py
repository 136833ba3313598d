"""The history for other programs, and the words for a time."""

import csv
import io
import json
import re
from datetime import UTC, datetime

import pytest

from firstlight_core.documents.history import RecordRow
from firstlight_core.errors import UsageError
from firstlight_core.history.export import FORMATS, export
from firstlight_core.history.since import read_since
from firstlight_core.history.store import HistoryStore
from tests.support.records import new_document, record_facts


@pytest.fixture
def records() -> list[RecordRow]:
    store = HistoryStore()
    store.add(new_document(record_facts(label="=cmd|'x'", samples=[1.5, 0.1 + 0.2])))
    store.add(new_document(record_facts(label="void one", void=True)))
    return store.records()


def test_csv_has_a_line_for_each_sample_and_no_formula(records: list[RecordRow]) -> None:
    rows = list(csv.DictReader(io.StringIO(export(records, "csv"))))
    assert [float(row["value"]) for row in rows] == [100.0, 101.0, 99.0, 1.5, 0.1 + 0.2]
    assert rows[-1]["label"] == "'=cmd|'x'" and rows[0]["void"] == "1"
    assert rows[-1]["measure"] == "decode_tps" and rows[-1]["prompt_tokens"] == "128"


def test_json_is_the_records(records: list[RecordRow]) -> None:
    assert json.loads(export(records, "json")) == records


def test_markdown_has_a_table_whose_cells_hold_their_bars(records: list[RecordRow]) -> None:
    lines = export(records, "md").splitlines()
    assert len(lines) == 4
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {10}
    assert "decode at 128" in lines[2] and lines[2].endswith("| void |")


def test_benchstat_lines(records: list[RecordRow]) -> None:
    lines = export(records, "benchstat").splitlines()
    values = [line for line in lines if line.startswith("Benchmark")]
    # golang.org/design/14313-benchmark-format: name, iterations, value, unit.
    assert values == [
        "BenchmarkDecode/model=cmd_x/precision=int4/prompt=128 1 1.5 tokens/s",
        f"BenchmarkDecode/model=cmd_x/precision=int4/prompt=128 1 {0.1 + 0.2!r} tokens/s",
    ]
    keys = [line for line in lines if re.match(r"[a-z][^ :]*: ", line)]
    assert "machine: machine-1" in keys and "onnxruntime-genai: 0.18.0" in keys


def test_an_unknown_form_is_refused(records: list[RecordRow]) -> None:
    with pytest.raises(UsageError, match="no form 'xls'"):
        export(records, "xls")
    assert set(FORMATS) == {"md", "csv", "json", "benchstat"}
    assert all(export([], form) for form in FORMATS)


NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("36h", "2026-11-28T00:00:00+00:00"),
        ("7d", "2026-11-22T12:00:00+00:00"),
        (" 2 w ", "2026-11-15T12:00:00+00:00"),
        ("2026-11-29T14:00+02:00", "2026-11-29T12:00:00+00:00"),
    ],
)
def test_times(text: str, time: str) -> None:
    assert read_since(text, now=NOW) == time


def test_a_bare_date_is_midnight_here() -> None:
    here = datetime(2026, 11, 29).astimezone().astimezone(UTC).isoformat(timespec="seconds")
    assert read_since("2026-11-29") == here


@pytest.mark.parametrize("text", ["", "soon", "9q", "999999w", "2026-13-01", "-7d"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no time"):
        read_since(text, now=NOW)
