"""What the precision step shows, worked out from the session: its rows and its picture."""

from collections.abc import Iterable, Mapping

from firstlight_core.documents.conversion import OliveConfig
from firstlight_core.documents.estimate import Estimates, PartialEstimate
from firstlight_core.documents.model import InspectDocument
from firstlight_core.estimate.edited_size import edited_bytes
from firstlight_core.estimate.measured_figures import Figures, Measurements, measured_figures
from firstlight_core.estimate.recommendation import Recommendation
from firstlight_core.ledger import Entry
from firstlight_core.precision.options import costs_of
from firstlight_core.precision.table import DEFAULT_PRECISION, PRECISIONS, find_precision
from firstlight_core.session import Session
from firstlight_core.settings import default_precision
from firstlight_tui.widgets.precision_columns import PrecisionRow


def is_edited(session: Session, key: str) -> bool:
    """Whether a row has an edited configuration."""
    return session.method == "config" and key in (session.configs or {})


def estimates_of(session: Session) -> Estimates:
    """The estimate of every row; empty when the model was not inspected.

    The formulas know the rows' own options: of an edited row they know the size, and what does not hang on options.
    """
    if session.model is None:
        return {}
    estimates = session.model.get("estimates") or {}
    edited = session.configs or {} if session.method == "config" else {}
    return {
        key: _edited_estimate(session.model, key, edited[key]) if key in edited else {**estimate}
        for key, estimate in estimates.items()
    }


def _edited_estimate(model: InspectDocument, key: str, config: OliveConfig) -> PartialEstimate:
    """Return the size of an edited row, and what does not hang on its options."""
    row, estimates = find_precision(key), model["estimates"]
    costs = estimates.get(costs_of(row, config).key, estimates[key])
    partial: PartialEstimate = {}
    if (size := edited_bytes(model, row, config)) is not None:
        partial["bytes"] = size
    if "peak_ram_bytes" in costs:
        partial["peak_ram_bytes"] = costs["peak_ram_bytes"]
    if "available" in costs:
        partial["available"] = costs["available"]
    if "reason" in costs:
        partial["reason"] = costs["reason"]
    return partial


def advised(session: Session) -> str:
    """The precision of the settings, else INT4, or the first row that can run when they cannot."""
    for key in (
        default_precision(),
        DEFAULT_PRECISION,
        *(precision.key for precision in PRECISIONS),
    ):
        if estimates_of(session).get(key, {}).get("available", True):
            return key
    return DEFAULT_PRECISION


def figures_of(session: Session, entries: Iterable[Entry]) -> dict[str, Figures]:
    """What was measured of each precision, in this session or earlier in this run."""
    return measured_figures(session.artifacts, Measurements.of(session, entries))


def rows_of(
    session: Session, figures: Mapping[str, Figures], advice: Recommendation | None = None
) -> dict[str, PrecisionRow]:
    """One row for each precision."""
    return {
        precision.key: PrecisionRow(
            precision=precision,
            guess=estimates_of(session).get(precision.key, {}),
            figures=figures.get(precision.key),
            marked=precision.key in session.precisions,
            recommended=advice is not None and advice.precision == precision.key,
            edited=is_edited(session, precision.key),
        )
        for precision in PRECISIONS
    }
