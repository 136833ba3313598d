"""Rows of the store as documents."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from firstlight_core.documents.history import (
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
SERIES = "SELECT measure, unit, better, prompt_tokens, samples FROM series"


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
