"""Figures of the history for the measured columns: of artifacts that still lie where they were, as they were measured."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from firstlight_core.documents.history import RecordRow
from firstlight_core.errors import FirstlightError
from firstlight_core.estimate.measured_figures import (
    Figures,
    converted_figures,
    with_quality,
    with_speeds,
)
from firstlight_core.files import JsonObject, JsonValue
from firstlight_core.history.fingerprints import (
    artifact_fingerprint,
    machine_fingerprint,
    template_fingerprint,
)
from firstlight_core.history.store import HistoryStore, Query
from firstlight_core.measure.benchmark import machine


def earlier_figures(
    source_fingerprint: str, *, store: HistoryStore | None = None, here: str | None = None
) -> dict[str, Figures]:
    """Return by precision the newest figures of the artifacts that were made of a source.

    Only of artifacts whose folder has the same fingerprint as when it was measured; speeds only of this machine and
    not void, drift and quality only with the template of now. A history that cannot be read has none.

    Args:
        here: the fingerprint of this machine.
    """
    store = store or HistoryStore()
    try:
        rows = store.records(Query(source_fingerprint=source_fingerprint, valid=True))
        if not rows:
            return {}
        here = here or machine_fingerprint(machine())
        figures: dict[str, Figures] = {}
        for row in _present(rows):
            precision = row["precision"]
            if precision is not None and precision not in figures:
                own = [r for r in rows if r["artifact_fingerprint"] == row["artifact_fingerprint"]]
                figures[precision] = _figures(precision, row, own, store, here)
        return figures
    except FirstlightError:
        return {}


def merged_figures(
    measured: Mapping[str, Figures], earlier: Mapping[str, Figures]
) -> dict[str, Figures]:
    """Return the figures of this run, completed from the history where both are of the same conversion."""
    merged = {**earlier, **measured}
    for precision, now in measured.items():
        before = earlier.get(precision)
        if before is not None and _conversion(now) == _conversion(before):
            merged[precision] = _completed(now, before)
    return merged


def _conversion(figures: Figures) -> tuple[str, int | None, float | None]:
    """Folder, size and duration: no two conversions into one folder take the same time to the millisecond."""
    return figures.artifact, figures.bytes, figures.seconds


def _completed(now: Figures, before: Figures) -> Figures:
    if now.decode_tps is None and before.decode_tps is not None:
        now = replace(
            now,
            load_s=before.load_s,
            prompt_tokens=before.prompt_tokens,
            ttft_s=before.ttft_s,
            prefill_tps=before.prefill_tps,
            decode_tps=before.decode_tps,
            decode_range=before.decode_range,
            run_rss_bytes=before.run_rss_bytes,
            void=before.void,
            measured_at=before.measured_at,
        )
    if now.kl_mean is None and now.usable is None and before.usable is not None:
        now = replace(
            now,
            kl_mean=before.kl_mean,
            top1_agreement=before.top1_agreement,
            closeness=before.closeness,
            usable=before.usable,
            drifted=before.drifted,
            measured_at=now.measured_at or before.measured_at,
        )
    return now


def _present(rows: Sequence[RecordRow]) -> Iterator[RecordRow]:
    """Records whose artifact still lies in its folder, the newest first; each folder is looked at once."""
    marks: dict[str, str | None] = {}
    for row in rows:
        folder = row["folder"]
        if folder is None or row["artifact_fingerprint"] is None:
            continue
        if folder not in marks:
            marks[folder] = artifact_fingerprint(Path(folder))
        if marks[folder] == row["artifact_fingerprint"]:
            yield row


def _figures(
    precision: str, row: RecordRow, own: Sequence[RecordRow], store: HistoryStore, here: str
) -> Figures:
    """The figures of one artifact from its newest conversion, benchmark and quality check."""
    folder = str(row["folder"])
    newest: dict[str, RecordRow] = {}
    for record in own:
        fits = record["kind"] != "bench" or record["machine_fingerprint"] == here
        if record["kind"] == "quality":
            fits = record["settings"].get("template") == template_fingerprint(Path(folder))
        if fits:
            newest.setdefault(record["kind"], record)
    figures = Figures(precision=precision, artifact=folder)
    if (made := newest.get("conversion")) is not None:
        for document in _entries(store, made, "results"):
            figures = replace(converted_figures(document), precision=precision, artifact=folder)
    if (bench := newest.get("bench")) is not None:
        for result in _entries(store, bench, "results"):
            figures = with_speeds(figures, result, void=False)
    if (checked := newest.get("quality")) is not None:
        for result in _entries(store, checked, "artifacts"):
            figures = with_quality(figures, result)
    first = newest.get("bench") or newest.get("quality") or made or row
    return replace(figures, measured_at=first["recorded_at"])


def _entries(store: HistoryStore, row: RecordRow, key: str) -> Iterator[JsonObject]:
    """The part of a record's document that is about its target; of several targets that which names it."""
    document = store.record(row["id"])["document"]
    several: JsonValue = document.get(key)
    for entry in several if isinstance(several, list) else [document]:
        if not isinstance(entry, dict):
            continue
        names = [entry.get(name) for name in ("folder", "artifact", "target")]
        if row["folder"] in names or row["target"] in names:
            yield entry
            return
