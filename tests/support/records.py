"""Records of the history, ready to be kept."""

from collections.abc import Sequence

from firstlight_core.documents.history import RecordFacts, RecordKind
from firstlight_core.history.rows import NewDocument


def record_facts(
    *,
    label: str = "int4",
    artifact: str | None = "artifact-1",
    source: str | None = "source-1",
    precision: str | None = "int4",
    samples: Sequence[float] = (100.0, 101.0, 99.0),
    void: bool = False,
    kind: RecordKind = "bench",
) -> RecordFacts:
    """Return a record with one series: the decode rate at 128 tokens of prompt."""
    return {
        "kind": kind,
        "label": label,
        "target": f"/models/{label}",
        "folder": f"/models/{label}",
        "artifact_fingerprint": artifact,
        "source_fingerprint": source,
        "precision": precision,
        "settings": {"new_tokens": 32, "repeats": len(samples)},
        "void": void,
        "void_reasons": [],
        "series": [
            {
                "measure": "decode_tps",
                "unit": "tokens/s",
                "better": "higher",
                "prompt_tokens": 128,
                "samples": list(samples),
            }
        ],
    }


def new_document(
    *records: RecordFacts,
    kind: RecordKind = "bench",
    at: str = "2026-11-29T12:00:00+00:00",
    machine: str = "machine-1",
) -> NewDocument:
    """Return a document of these records."""
    return NewDocument(
        kind=kind,
        recorded_at=at,
        machine_fingerprint=machine,
        machine={"cpu": "A processor", "cores": 2},
        versions={"onnxruntime-genai": "0.18.0"},
        firstlight="0.1.0",
        document={"results": [], "void": False},
        records=[{**record, "kind": kind} for record in records],
    )
