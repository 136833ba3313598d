"""The drift of the targets of a quality check on one scale; no step is needed for it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from firstlight_core.documents.measure import QualitiesDocument, QualityDocument
from firstlight_core.text import one_line
from firstlight_tui.widgets.charts.drift_gauge import DriftGauge, Marker


def documents_of(quality: QualityDocument | QualitiesDocument) -> list[QualityDocument]:
    """Return one document for each target."""
    return list(quality["artifacts"]) if quality["kind"] == "qualities" else [quality]


def label_of(quality: QualityDocument, labels: Mapping[str, str]) -> str:
    """Return the short name of a target: that of `labels`, else its folder's."""
    return labels.get(quality["target"], one_line(Path(quality["target"]).name, 20))


def drift_gauge(
    documents: Sequence[QualityDocument], labels: Mapping[str, str], target: str | None
) -> DriftGauge | None:
    """Return every measured drift on one scale; `labels` names a target, `target` is the one in use."""
    markers = tuple(
        Marker(
            label=label_of(each, labels),
            nats=each["drift"]["kl_mean"],
            selected=each["target"] == target or len(documents) == 1,
        )
        for each in documents
        if "drift" in each
    )
    return DriftGauge(markers=markers) if markers else None
