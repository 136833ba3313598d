"""A row with options of its own: an edited configuration in the session."""

from firstlight_core.documents.conversion import ConversionDocument, OliveConfig
from firstlight_core.precision.table import find_precision
from firstlight_core.session import Session


def is_tied(session: Session) -> bool:
    """Whether embedding and lm_head of the source are one table."""
    return session.model is not None and bool(session.model.get("tied_embeddings"))


def configured(session: Session, key: str, config: OliveConfig | None) -> Session:
    """The session with another configuration of a row; None is the row's own.

    What was made with the old configuration is no longer this row's artifact.
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
    """Return the session with another calibration text; None has the original answer questions.

    What was rounded on the old text is no longer the artifact of its row.
    """
    if calibration == session.calibration:
        return session
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
