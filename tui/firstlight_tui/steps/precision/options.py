"""A row with options of its own: an edited configuration in the session."""

from firstlight_core.documents.conversion import OliveConfig
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
    remaining = tuple(a for a in session.artifacts if a.get("precision") != key)
    folders = [str(a["artifact"]) for a in remaining]
    artifact = session.artifact
    if len(remaining) != len(session.artifacts) and artifact not in folders:
        artifact = folders[0] if folders else None
    return session.decide(
        configs=configs or None, method="config", artifacts=remaining, artifact=artifact
    )
