"""Digests that tie a report to what it was written from: its own content, its run's ledger, the drawn files."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firstlight_core.errors import StateProblem
from firstlight_core.ledger import LEDGER, Run

REPORT = "report"
"""The ledger's entry that holds the digests of the files of one report."""
FILES = {"json": "report.json", "markdown": "report.md", "html": "report.html"}
LIMITS = (
    "This finds a figure that was changed after the report was written. Somebody who rewrites the report, its ledger "
    "and the artifacts together can write fitting digests too; only a signature would show that."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerMark:
    """The part of the ledger that a report was written from."""

    bytes: int
    sha256: str


def content_digest(document: Mapping[str, Any]) -> str:
    """SHA-256 of a report's JSON without its `digest`: keys sorted, no white space, ASCII."""
    content = {key: value for key, value in document.items() if key != "digest"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(raw: bytes) -> str:
    """SHA-256 of a file's content."""
    return hashlib.sha256(raw).hexdigest()


def ledger_mark(run: Run) -> LedgerMark:
    """How long the run's ledger is now, and its digest.

    Raises:
        StateProblem: it cannot be read.
    """
    path = run.folder / LEDGER
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise StateProblem(f"Cannot read {path.name}: {error.strerror}.") from error
    return LedgerMark(bytes=len(raw), sha256=file_digest(raw))


def written_digests(folder: Path) -> dict[str, str]:
    """Kind → digest of the newest report that the ledger in this folder tells of; empty when there is none."""
    digests: dict[str, str] = {}
    for entry in Run(folder).entries():
        recorded = entry.values.get("sha256")
        if entry.step == REPORT and isinstance(recorded, Mapping):
            digests = {str(kind): str(value) for kind, value in recorded.items()}
    return digests
