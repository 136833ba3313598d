"""A benchmark against an earlier one: `bench --against last` or `--against ID`."""

from dataclasses import dataclass

from firstlight_core.documents.comparison import ComparisonDocument
from firstlight_core.documents.history import RecordRow
from firstlight_core.documents.measure import BenchDocument
from firstlight_core.errors import ErrorDocument, UsageError
from firstlight_core.history.comparison import compare
from firstlight_core.history.fingerprints import machine_fingerprint
from firstlight_core.history.records import bench_records
from firstlight_core.history.references import (
    LAST,
    earlier_runs,
    find_baseline,
    measured_side,
    side_of,
)
from firstlight_core.history.store import HistoryStore, Query
from firstlight_core.measure.benchmark import machine
from firstlight_core.text import one_line


@dataclass(frozen=True, slots=True)
class Earlier:
    """The valid benchmarks of this machine before a new one begins."""

    rows: tuple[RecordRow, ...]
    """The newest first."""
    chosen: RecordRow | None
    """The record that was named; None for the last of each target."""

    def compare(self, document: BenchDocument) -> BenchDocument:
        """Return the document of a new benchmark with what has changed; a regression, or a void run, is an error.

        A target that has no earlier record is named in `notes`.

        Raises:
            InputRefused: the chosen record cannot stand beside the new one.
        """
        verb: BenchDocument = {**document, "notes": [*document["notes"]]}
        if document["void"]:
            return _failed(
                verb,
                {
                    "code": "void",
                    "message": "The new figures are void, so nothing was compared.",
                    "hint": "Measure again on a quiet machine: --wait-quiet 300 waits for one.",
                },
            )
        comparisons: list[ComparisonDocument] = []
        for facts in bench_records(document):
            row = self.chosen or find_baseline(facts, self.rows)
            if row is None:
                verb["notes"].append(
                    f"{one_line(facts['label'], 60)}: the history has nothing to compare with yet."
                )
                continue
            before, after = side_of(row), measured_side(document, facts)
            runs = earlier_runs(before, after, self.rows)
            comparisons.append(compare(before, after, earlier=runs))
        verb["against"] = comparisons
        errors = [comparison["error"] for comparison in comparisons if "error" in comparison]
        return _failed(verb, errors[0]) if errors else verb


def find_earlier(reference: str, store: HistoryStore | None = None) -> Earlier:
    """Return what a new benchmark is compared with.

    Raises:
        UsageError: the reference is neither `last` nor a number.
        InputRefused: there is no such record.
        StateProblem: the history cannot be read.
    """
    store = store or HistoryStore()
    text = reference.strip()
    if text != LAST and not text.isdecimal():
        raise UsageError(
            f"{one_line(text, 40)!r} is no record of the history.",
            hint="Write --against last, or a number that `firstlight history` shows.",
        )
    chosen = store.record(int(text)) if text.isdecimal() else None
    here = machine_fingerprint(machine())
    rows = store.records(Query(kind="bench", machine_fingerprint=here, valid=True))
    return Earlier(tuple(rows), chosen)


def _failed(verb: BenchDocument, error: ErrorDocument) -> BenchDocument:
    verb["ok"] = False
    verb["error"] = error
    return verb
