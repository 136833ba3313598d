"""The rows of the precision step, derived from the session and the ledger."""

from collections.abc import Iterable, Mapping

from firstlight_core.estimate.earlier_figures import merged_figures
from firstlight_core.estimate.measured_figures import Figures, Measurements, measured_figures
from firstlight_core.estimate.recommendation import Recommendation
from firstlight_core.ledger import Entry
from firstlight_core.precision.table import PRECISIONS
from firstlight_core.session import Session
from firstlight_tui.state.precision_choice import estimates_of, form_of_estimate, is_edited
from firstlight_tui.widgets.precision_columns import PrecisionRow


def figures_of(
    session: Session, entries: Iterable[Entry], earlier: Mapping[str, Figures] | None = None
) -> dict[str, Figures]:
    """Return the measurements of each precision: of this session and this run, completed by the history's `earlier`."""
    measured = measured_figures(session.artifacts, Measurements.of(session, entries))
    return merged_figures(measured, earlier or {})


def rows_of(
    session: Session, figures: Mapping[str, Figures], advice: Recommendation | None = None
) -> dict[str, PrecisionRow]:
    """Return one row for each precision."""
    estimates = estimates_of(session)
    return {
        precision.key: PrecisionRow(
            precision=form_of_estimate(precision.key, estimates),
            guess=estimates.get(precision.key, {}),
            figures=figures.get(precision.key),
            marked=precision.key in session.precisions,
            recommended=advice is not None and advice.precision == precision.key,
            edited=is_edited(session, precision.key),
        )
        for precision in PRECISIONS
    }
