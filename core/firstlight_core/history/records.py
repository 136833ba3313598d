"""Documents of the verbs as records of the history: which target, which figures, every sample."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from firstlight_core.artifact.manifest import read_manifest, read_source, tool_versions
from firstlight_core.artifact.target import find_target
from firstlight_core.documents.comparison import Better, Unit
from firstlight_core.documents.conversion import ConversionDocument
from firstlight_core.documents.history import RecordFacts, RecordKind, RecordSettings, SampleSeries
from firstlight_core.documents.measure import (
    BenchDocument,
    BenchResult,
    MachineDocument,
    QualitiesDocument,
    QualityDocument,
    SpeedFigures,
)
from firstlight_core.documents.tuning import (
    LengthFigures,
    StoppedTuningDocument,
    TrialRow,
    TunedDocument,
)
from firstlight_core.errors import FirstlightError
from firstlight_core.files import JsonObject
from firstlight_core.history.fingerprints import (
    artifact_fingerprint,
    machine_fingerprint,
    template_fingerprint,
)
from firstlight_core.history.rows import NewDocument
from firstlight_core.history.store import utc_now
from firstlight_core.model.fingerprint import quick_fingerprint
from firstlight_core.model.folder import list_folder

Speed = Literal["ttft_s", "prefill_tps", "decode_tps", "total_s"]
SPEEDS: tuple[Speed, ...] = ("ttft_s", "prefill_tps", "decode_tps", "total_s")
MEASURES: Mapping[str, tuple[Unit, Better]] = {
    "ttft_s": ("s", "lower"),
    "prefill_tps": ("tokens/s", "higher"),
    "decode_tps": ("tokens/s", "higher"),
    "total_s": ("s", "lower"),
    "load_s": ("s", "lower"),
    "load_cold_s": ("s", "lower"),
    "joules_per_token": ("J/token", "lower"),
    "seconds": ("s", "lower"),
    "peak_rss_bytes": ("bytes", "lower"),
    "bytes": ("bytes", "lower"),
    "kl": ("nats", "lower"),
    "kl_by_prompt": ("nats", "lower"),
    "top1_agreement": ("share", "higher"),
}
"""Figure → its unit, and which direction is better."""


def bench_records(document: BenchDocument) -> list[RecordFacts]:
    """Return a record for each target of a benchmark."""
    return [bench_record(document, result) for result in document["results"]]


def bench_record(document: BenchDocument, result: BenchResult) -> RecordFacts:
    """Return the record of one target."""
    settings: RecordSettings = {
        "new_tokens": document["new_tokens"],
        "repeats": document["repeats"],
    }
    if (context := result.get("context")) is not None:
        settings["context"] = context
    if "overhead" in document:
        settings["through_foundry"] = True
    load = result.get("load", {})
    warm = load["warm_s"]["samples"] if "warm_s" in load else [result["load_s"]]
    series = [_series("load_s", None, warm)]
    if "cold_s" in load:
        series.append(_series("load_cold_s", None, load["cold_s"]["samples"]))
    for case in result["cases"]:
        length = case.get("prompt_tokens", case.get("asked_tokens"))
        series += _figures(case, length)
        if (joules := case.get("joules_per_token")) is not None:
            series.append(_series("joules_per_token", length, joules["samples"]))
    if (rss := result.get("rss_bytes")) is not None:
        series.append(_series("peak_rss_bytes", None, [rss["peak"]]))
    folder = result.get("folder")
    facts = _facts("bench", result["label"], result["target"], folder, settings, series)
    facts["precision"] = result.get("precision") or facts["precision"]
    facts["void"] = document["void"] or result.get("void", False)
    facts["void_reasons"] = document.get("void_reasons", [])
    return facts


def tune_records(document: TunedDocument | StoppedTuningDocument) -> list[RecordFacts]:
    """Return the record of the best setting; a stopped tuning has none yet."""
    if document["kind"] == "stopped":
        return []
    best = document["best"]
    settings: RecordSettings = {
        "prompt_tokens": document["prompt_tokens"],
        "new_tokens": document["new_tokens"],
        "repeats": document["repeats"],
        "threads": best["label"],
    }
    target = document["source"] if document["kind"] == "source" else document["artifact"]
    folder = None if document["kind"] == "source" else document["artifact"]
    each = best.get("by_length")
    series = (
        [row for figures in each for row in _figures(figures, figures["prompt_tokens"])]
        if each is not None
        else list(_figures(best, document["prompt_tokens"]))
    )
    facts = _facts("tune", Path(target).name, target, folder, settings, series)
    if document["kind"] != "artifact":
        facts["precision"] = document["precision"]
        facts["source_fingerprint"] = source_fingerprint(Path(document["source"]))
    facts["void"] = document["void"]
    facts["void_reasons"] = document.get("void_reasons", [])
    return [facts]


def quality_records(document: QualityDocument | QualitiesDocument) -> list[RecordFacts]:
    """Return a record for each checked target; that of a check that was stopped is void."""
    each = document["artifacts"] if document["kind"] == "qualities" else [document]
    return [_quality_record(checked) for checked in each]


def conversion_records(documents: Sequence[ConversionDocument]) -> list[RecordFacts]:
    """Return a record for each artifact that was made."""
    return [_conversion_record(document) for document in documents]


def new_document(
    kind: RecordKind,
    document: JsonObject,
    records: Sequence[RecordFacts],
    machine: MachineDocument,
) -> NewDocument:
    """Return a document of now, ready to be kept."""
    versions = tool_versions()
    firstlight = versions.pop("firstlight", "")
    return NewDocument(
        kind=kind,
        recorded_at=utc_now(),
        machine_fingerprint=machine_fingerprint(machine),
        machine=machine,
        versions=versions,
        firstlight=firstlight,
        document=document,
        records=records,
    )


def source_fingerprint(folder: Path) -> str | None:
    """Return the fingerprint of a source model without a long read; None when it cannot be read."""
    try:
        return quick_fingerprint(list_folder(folder))
    except FirstlightError:
        return None


def _quality_record(document: QualityDocument) -> RecordFacts:
    folder = _folder_of(document["target"])
    settings: RecordSettings = {"prompts": document["prompts"]}
    if folder is not None:
        settings["template"] = template_fingerprint(folder)
    series = []
    if (drift := document.get("drift")) is not None:
        series.append(_series("kl", None, [drift["kl_mean"]]))
        if by_prompt := drift.get("kl_by_prompt"):
            series.append(_series("kl_by_prompt", None, by_prompt))
        series.append(_series("top1_agreement", None, [drift["top1_agreement"]]))
    label = folder.name if folder is not None else document["target"]
    where = str(folder) if folder is not None else None
    facts = _facts("quality", label, document["target"], where, settings, series)
    if document.get("stopped"):
        facts["void"], facts["void_reasons"] = True, [document["verdict"]]
    return facts


def _conversion_record(document: ConversionDocument) -> RecordFacts:
    series = [
        _series("seconds", None, [document["seconds"]]),
        _series("peak_rss_bytes", None, [document["peak_rss_bytes"]]),
        _series("bytes", None, [document["bytes"]]),
    ]
    artifact = document["artifact"]
    settings: RecordSettings = {"method": document["method"]}
    facts = _facts("conversion", Path(artifact).name, artifact, artifact, settings, series)
    facts["precision"] = document["precision"]
    facts["source_fingerprint"] = document["source"]["fingerprint"] or None
    return facts


def _facts(
    kind: RecordKind,
    label: str,
    target: str,
    folder: str | None,
    settings: RecordSettings,
    series: Sequence[SampleSeries],
) -> RecordFacts:
    source = read_source(Path(folder)) if folder is not None else None
    manifest = read_manifest(Path(folder)) if folder is not None else None
    precision = manifest.get("precision") if manifest is not None else None
    return {
        "kind": kind,
        "label": label,
        "target": target,
        "folder": folder,
        "artifact_fingerprint": artifact_fingerprint(Path(folder)) if folder is not None else None,
        "source_fingerprint": source["fingerprint"] or None if source is not None else None,
        # A manifest that was edited may hold a value of another type.
        "precision": precision if isinstance(precision, str) else None,
        "settings": settings,
        "void": False,
        "void_reasons": [],
        "series": list(series),
    }


def _folder_of(target: str) -> Path | None:
    try:
        return find_target(target).folder
    except FirstlightError:
        return None


def _figures(
    figures: SpeedFigures | TrialRow | LengthFigures, length: int | None
) -> Iterator[SampleSeries]:
    for measure in SPEEDS:
        figure = figures.get(measure)
        if figure is not None:
            yield _series(measure, length, figure["samples"])


def _series(measure: str, length: int | None, samples: Sequence[float]) -> SampleSeries:
    unit, better = MEASURES[measure]
    return {
        "measure": measure,
        "unit": unit,
        "better": better,
        "prompt_tokens": length,
        "samples": [float(sample) for sample in samples],
    }
