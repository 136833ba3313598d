"""Names of records on the command line: a number, `last`, an artifact, or a file that a verb has printed."""

from collections.abc import Sequence
from pathlib import Path

from firstlight_core.artifact.target import find_target
from firstlight_core.documents.history import RecordFacts, RecordRow
from firstlight_core.documents.measure import BenchDocument
from firstlight_core.documents.reading import read_document
from firstlight_core.errors import FirstlightError, InputRefused
from firstlight_core.files import read_json_object
from firstlight_core.history.comparison import REFUSED_SETTINGS, Side
from firstlight_core.history.fingerprints import artifact_fingerprint, machine_fingerprint
from firstlight_core.history.records import bench_records
from firstlight_core.history.store import HistoryStore, Query
from firstlight_core.text import one_line, shown_path

LAST, PREVIOUS = "last", "previous"
HINT = "Name a number of `firstlight history`, last, previous, an artifact, or a file of `bench --json`."
MOST_EARLIER = 20
"""Earlier runs whose scatter counts; older ones belong to another state of the machine."""


def find_side(reference: str, store: HistoryStore) -> Side:
    """Return the record, or the printed document, that a reference names.

    `last` is the newest benchmark that is not void, `previous` the one before it of the same target.

    Raises:
        InputRefused: there is none, or the file holds no single benchmark.
        StateProblem: the history cannot be read.
    """
    text = reference.strip()
    if text.isdecimal():
        return side_of(store.record(int(text)))
    if text in (LAST, PREVIOUS):
        rows = store.records(Query(kind="bench", valid=True))
        if text == PREVIOUS and rows:
            rows = [row for row in rows[1:] if _same_target(row, rows[0])]
        if not rows:
            raise InputRefused(
                f"The history has no {text} benchmark that is not void.",
                hint="`firstlight bench ARTIFACT` makes one.",
            )
        return side_of(rows[0])
    if text.endswith(".json"):
        return _side_of_file(Path(text))
    try:
        folder = find_target(text).folder
    except FirstlightError:
        folder = None
    rows = store.records(Query(kind="bench", valid=True))
    own = [r for r in rows if text == r["label"] or (folder and r["folder"] == str(folder))]
    if not own:
        raise InputRefused(
            f"The history has no benchmark of {one_line(text, 120)!r} that is not void.", hint=HINT
        )
    return side_of(own[0])


def side_of(row: RecordRow) -> Side:
    """Return a record as a side of a comparison."""
    return Side(
        facts=row,
        machine_fingerprint=row["machine_fingerprint"],
        versions=row["versions"],
        id=row["id"],
        recorded_at=row["recorded_at"],
    )


def measured_side(document: BenchDocument, facts: RecordFacts) -> Side:
    """Return what a benchmark has just measured of one target."""
    machine = document["machine"]
    return Side(
        facts=facts,
        machine_fingerprint=machine_fingerprint(machine),
        versions=machine.get("versions", {}),
    )


def find_baseline(facts: RecordFacts, rows: Sequence[RecordRow]) -> RecordRow | None:
    """Return the newest of these rows that can stand beside a new record: the same target, or the same artifact."""
    for row in rows:
        if _same_settings(row, facts) and _same_target(row, facts):
            return row
    mark = facts["artifact_fingerprint"]
    for row in rows:
        if mark and row["artifact_fingerprint"] == mark and _same_settings(row, facts):
            return row
    return None


def earlier_runs(before: Side, after: Side, rows: Sequence[RecordRow]) -> list[RecordRow]:
    """Return those rows that measured exactly what `before` did, itself included; none without a fingerprint."""
    mark = before.facts["artifact_fingerprint"]
    if mark is None:
        return []
    runs = [
        row
        for row in rows
        if row["id"] != after.id
        and not row["void"]
        and row["kind"] == before.facts["kind"]
        and row["artifact_fingerprint"] == mark
        and row["machine_fingerprint"] == before.machine_fingerprint
        and row["versions"] == before.versions
        and _same_settings(row, before.facts)
    ]
    return runs[:MOST_EARLIER]


def _same_target(row: RecordFacts, other: RecordFacts) -> bool:
    if row["folder"] is not None and other["folder"] is not None:
        return row["folder"] == other["folder"]
    return row["target"] == other["target"]


def _same_settings(row: RecordFacts, other: RecordFacts) -> bool:
    old: dict[str, object] = {**row["settings"]}
    new: dict[str, object] = {**other["settings"]}
    return all(old.get(key) == new.get(key) for key in REFUSED_SETTINGS)


def _side_of_file(path: Path) -> Side:
    document = read_document(BenchDocument, read_json_object(path))
    if document is None or len(document["results"]) != 1:
        raise InputRefused(
            f"{shown_path(path)} does not hold the benchmark of one target.",
            hint="Write one with: firstlight bench ARTIFACT --json > FILE",
        )
    (facts,) = bench_records(document)
    if facts["folder"] is not None and artifact_fingerprint(Path(facts["folder"])) is not None:
        # The folder may hold another artifact by now, and of another machine it is not there at all.
        facts["artifact_fingerprint"] = facts["source_fingerprint"] = None
    return measured_side(document, facts)
