"""Precisions in a session: their estimates, the recommended default, and rows with options of their own."""

from collections.abc import Mapping
from enum import Enum

from firstlight_core.conversion.calibration_choice import CalibrationWord
from firstlight_core.documents.conversion import ConversionDocument, OliveConfig
from firstlight_core.documents.estimate import Estimates, RowEstimate
from firstlight_core.documents.model import InspectDocument
from firstlight_core.estimate.calibrated_offer import offer_calibrated
from firstlight_core.estimate.edited_size import edited_bytes, estimate_of_form
from firstlight_core.estimate.estimates import form_of
from firstlight_core.estimate.measured_figures import Figures
from firstlight_core.estimate.recommendation import Recommendation, find_goal, recommend
from firstlight_core.precision.options import costs_of
from firstlight_core.precision.table import (
    DEFAULT_PRECISION,
    PRECISIONS,
    REFERENCE_PRECISION,
    Precision,
    calibrates,
    find_precision,
)
from firstlight_core.session import Session
from firstlight_core.settings import default_precision
from firstlight_core.text import bytes_text


class AsksText(Enum):
    """Whether the options of a row ask what its weights are rounded on."""

    ALWAYS = "always"
    """The row is always rounded on a text."""
    OPTIONAL = "optional"
    """The word `none` asks for no text: each weight to the nearest step."""
    NEVER = "never"


def is_edited(session: Session, key: str) -> bool:
    """Return whether a row has an edited configuration."""
    return session.method == "config" and key in (session.configs or {})


def estimates_of(session: Session) -> Estimates:
    """Return the estimate of every row; empty when the model was not inspected.

    The formulas are fitted to the rows' own options: an edited row has only its size and the figures that do not
    depend on its options.
    """
    if session.model is None:
        return {}
    estimates = session.model.get("estimates") or {}
    edited = session.configs or {} if session.method == "config" else {}
    if session.calibration == CalibrationWord.NEAREST:
        estimates = {**estimates, **(session.model.get("nearest_estimates") or {})}
    return {
        key: _edited_estimate(session.model, key, edited[key]) if key in edited else {**estimate}
        for key, estimate in estimates.items()
    }


def form_in(session: Session, key: str) -> Precision:
    """Return the form of a row that a conversion of this session makes, as far as the estimates know."""
    return form_of_estimate(key, estimates_of(session))


def form_of_estimate(key: str, estimates: Estimates) -> Precision:
    """Return the form of a row that an estimate is of."""
    return form_of(find_precision(key), None, rounded=estimates.get(key, {}).get("calibrated"))


def asks_text(session: Session, key: str) -> AsksText:
    """Return whether the options of a row ask for a calibration text in this session."""
    if find_precision(key).nearest is not None:
        chosen_nearest = session.calibration == CalibrationWord.NEAREST
        possible = chosen_nearest or form_in(session, key).calibrated
        return AsksText.OPTIONAL if possible else AsksText.NEVER
    return AsksText.ALWAYS if form_in(session, key).calibrated else AsksText.NEVER


def initial_text(session: Session, key: str) -> str | None:
    """Return the calibration text that the options of a row start with; None is the built-in one.

    A row that is always rounded on a text has no use for `none`, which another row was given.
    """
    asks = asks_text(session, key)
    refused = asks is AsksText.ALWAYS and session.calibration == CalibrationWord.NEAREST
    return None if refused or asks is AsksText.NEVER else session.calibration


def _edited_estimate(model: InspectDocument, key: str, config: OliveConfig) -> RowEstimate:
    """Return the size of an edited row, and the figures that do not depend on its options."""
    row, estimates = (
        form_of(find_precision(key), None, rounded=calibrates(config)),
        model["estimates"],
    )
    own = estimate_of_form(model, row) or estimates[key]
    costs = own if (like := costs_of(row, config)) is row else estimates.get(like.key, own)
    partial: RowEstimate = {"calibrated": row.calibrated}
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
    """Return the precision of the settings, else INT4; the first available row when neither is available."""
    for key in (
        default_precision(),
        DEFAULT_PRECISION,
        *(precision.key for precision in PRECISIONS),
    ):
        if estimates_of(session).get(key, {}).get("available", True):
            return key
    return DEFAULT_PRECISION


def recommended(
    session: Session, figures: Mapping[str, Figures], *, by_goal: bool
) -> Recommendation | None:
    """Return the row that is recommended; None when no row can run here.

    It is the row to start with, which is also the chosen one, until somebody asks for a goal or Quality refutes it.
    """
    estimates, key = estimates_of(session), advised(session)
    own = figures.get(key)
    refuted = own is not None and (own.usable is False or own.drifted)
    by_figures = recommend(session.goal, estimates, figures)
    if by_goal or refuted or by_figures is None:
        return by_figures
    words = f"Start with {find_precision(key).label}"
    size = estimates.get(key, {}).get("bytes")
    whole = estimates.get(REFERENCE_PRECISION, {}).get("bytes")
    if size and whole and key != REFERENCE_PRECISION:
        reference = find_precision(REFERENCE_PRECISION).label
        words += (
            f": {bytes_text(size)} instead of the {bytes_text(whole)} of {reference} (estimate)"
        )
    sentences = [f"{words}.", offer_calibrated(estimates, figures)]
    return Recommendation(
        goal=find_goal(session.goal),
        precision=key,
        basis="estimate",
        sentence=" ".join(filter(None, sentences)),
    )


def is_tied(session: Session) -> bool:
    """Return whether embedding and lm_head of the source are one table."""
    return session.model is not None and bool(session.model.get("tied_embeddings"))


def configured(session: Session, key: str, config: OliveConfig | None) -> Session:
    """Return the session with another configuration of a row; None restores the row's own.

    An artifact made with the old configuration no longer belongs to the row.
    """
    configs = {k: v for k, v in (session.configs or {}).items() if k != key}
    if config is not None:
        configs[key] = config
    if configs == (session.configs or {}):
        return session
    remaining = tuple(a for a in session.artifacts if a["precision"] != key)
    return session.decide(
        configs=configs or None,
        method="config",
        artifacts=remaining,
        artifact=_in_use(session, remaining),
    )


def calibrated_on(session: Session, calibration: str | None) -> Session:
    """Return the session with another calibration text; None means the built-in one, `none` rounding to the nearest.

    An artifact that was rounded on the old text no longer belongs to its row, nor an edited configuration to the other
    form of one.
    """
    if calibration == session.calibration:
        return session
    if CalibrationWord.NEAREST in (calibration, session.calibration):
        for row in PRECISIONS:
            if row.nearest is not None:
                session = configured(session, row.key, None)
    remaining = tuple(a for a in session.artifacts if not find_precision(a["precision"]).calibrated)
    return session.decide(
        calibration=calibration, artifacts=remaining, artifact=_in_use(session, remaining)
    )


def _in_use(session: Session, remaining: tuple[ConversionDocument, ...]) -> str | None:
    """Return the artifact in use, or the first that remains in place of one that does not."""
    folders = [a["artifact"] for a in remaining]
    if len(remaining) == len(session.artifacts) or session.artifact in folders:
        return session.artifact
    return folders[0] if folders else None
