"""Rows of the store as documents, and documents as rows."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from firstlight_core.documents.history import (
    RecordFacts,
    RecordKind,
    RecordRow,
    RecordSettings,
    SampleSeries,
    WholeRecord,
)
from firstlight_core.documents.measure import MachineDocument
from firstlight_core.documents.reading import read_document
from firstlight_core.files import JsonObject

if TYPE_CHECKING:
    import sqlite3

RECORDS = (
    "SELECT r.*, d.kind, d.recorded_at, d.firstlight, d.machine_fingerprint, d.machine, d.versions, d.document "
    "FROM records r JOIN documents d ON d.id = r.document_id"
)
SERIES = "SELECT record_id, measure, unit, better, prompt_tokens, samples FROM series"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDocument:
    """One document to be kept, with the records of its targets."""

    kind: RecordKind
    recorded_at: str
    """UTC, ISO 8601."""
    machine_fingerprint: str
    machine: MachineDocument
    versions: dict[str, str]
    firstlight: str
    document: JsonObject
    records: Sequence[RecordFacts]


def read_record(row: "sqlite3.Row", series: "Sequence[sqlite3.Row]") -> RecordRow:
    """Return a row of `RECORDS` with its rows of `SERIES`."""
    return {
        "id": row["id"],
        "kind": row["kind"],
        "recorded_at": row["recorded_at"],
        "label": row["label"],
        "target": row["target"],
        "folder": row["folder"],
        "artifact_fingerprint": row["artifact_fingerprint"],
        "source_fingerprint": row["source_fingerprint"],
        "precision": row["precision"],
        "settings": read_document(RecordSettings, json.loads(row["settings"])) or {},
        "void": bool(row["void"]),
        "void_reasons": [str(reason) for reason in json.loads(row["void_reasons"])],
        "series": [_read_series(entry) for entry in series],
        "machine_fingerprint": row["machine_fingerprint"],
        "versions": {str(k): str(v) for k, v in json.loads(row["versions"]).items()},
        "firstlight": row["firstlight"],
    }


def read_whole(row: "sqlite3.Row", series: "Sequence[sqlite3.Row]") -> WholeRecord:
    """As `read_record`, with the machine and the whole document."""
    document = json.loads(row["document"])
    return {
        **read_record(row, series),
        "machine": read_document(MachineDocument, json.loads(row["machine"])) or {},
        "document": cast(JsonObject, document) if isinstance(document, dict) else {},
    }


def _read_series(row: "sqlite3.Row") -> SampleSeries:
    return {
        "measure": row["measure"],
        "unit": row["unit"],
        "better": row["better"],
        "prompt_tokens": row["prompt_tokens"],
        "samples": [float(sample) for sample in json.loads(row["samples"])],
    }


def insert(connection: "sqlite3.Connection", new: NewDocument) -> list[int]:
    """Write a document and its records; return the ids of the records."""
    document = connection.execute(
        "INSERT INTO documents (kind, recorded_at, firstlight, machine_fingerprint, machine, versions, document) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            new.kind,
            new.recorded_at,
            new.firstlight,
            new.machine_fingerprint,
            _json(new.machine),
            _json(new.versions),
            _json(new.document),
        ),
    ).lastrowid
    numbers = []
    for record in new.records:
        number = connection.execute(
            "INSERT INTO records (document_id, label, target, folder, artifact_fingerprint, source_fingerprint, "
            "precision, settings, void, void_reasons) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                document,
                record["label"],
                record["target"],
                record["folder"],
                record["artifact_fingerprint"],
                record["source_fingerprint"],
                record["precision"],
                _json(record["settings"]),
                int(record["void"]),
                _json(record["void_reasons"]),
            ),
        ).lastrowid
        assert number is not None
        numbers.append(number)
        connection.executemany(
            "INSERT INTO series VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    number,
                    position,
                    series["measure"],
                    series["unit"],
                    series["better"],
                    series["prompt_tokens"],
                    _json(series["samples"]),
                )
                for position, series in enumerate(record["series"])
            ],
        )
    return numbers


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
