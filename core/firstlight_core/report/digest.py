"""Digests that tie a report to what it was written from: its own content, its run's ledger, the drawn files."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from firstlight_core.documents.ledger import ReportValues
from firstlight_core.documents.reading import read_document
from firstlight_core.documents.report import LedgerDigest
from firstlight_core.errors import StateProblem
from firstlight_core.ledger import LEDGER, Run

REPORT = "report"
"""The ledger's entry that holds the digests of the files of one report."""
FILES = {"json": "report.json", "markdown": "report.md", "html": "report.html"}
LIMITS = (
    "This finds a figure that was changed after the report was written. Somebody who rewrites the report, its ledger "
    "and the artifacts together can write fitting digests too; only a signature would show that."
)


def content_digest(document: Mapping[str, object]) -> str:
    """SHA-256 of a report's JSON without its `digest`: keys sorted, no white space, ASCII."""
    content = {key: value for key, value in document.items() if key != "digest"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(raw: bytes) -> str:
    """SHA-256 of a file's content."""
    return hashlib.sha256(raw).hexdigest()


def ledger_digest(run: Run) -> LedgerDigest:
    """Return how long the run's ledger is now, and its digest.

    Raises:
        StateProblem: it cannot be read.
    """
    path = run.folder / LEDGER
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise StateProblem(f"Cannot read {path.name}: {error.strerror}.") from error
    return {"bytes": len(raw), "sha256": file_digest(raw)}


def written_digests(folder: Path) -> dict[str, str]:
    """Kind → digest of the newest report in this folder's ledger; empty without one."""
    digests: dict[str, str] = {}
    for entry in Run(folder).entries():
        if entry.step == REPORT:
            values = read_document(ReportValues, entry.values)
            digests = values.get("sha256", {}) if values is not None else digests
    return digests
