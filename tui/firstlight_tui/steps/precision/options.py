"""Advanced options of one row: asked in a modal, kept in the session as an edited configuration."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firstlight_core.errors import FirstlightError
from firstlight_core.precision.options import options_for, read_options, with_options
from firstlight_core.precision.table import find_precision
from firstlight_core.session import Session
from firstlight_tui.steps.precision.options_screen import AdvancedScreen

if TYPE_CHECKING:
    from firstlight_tui.steps.base import StepScreen


def is_tied(session: Session) -> bool:
    """Whether embedding and lm_head of the source are one table."""
    return bool((session.model or {}).get("tied_embeddings"))


def ask_options(step: "StepScreen", key: str) -> None:
    """Ask for the options of a row and keep the answer in the session."""
    session, row = step.session, find_precision(key)
    options = options_for(row, tied=is_tied(session))
    if not options or session.source is None:
        words = f"{row.label} is not quantised: there is nothing to choose."
        step.notify(words, severity="warning", markup=False)
        return
    try:
        own = step.wizard.services.plan_conversion(
            Path(session.source), Path("OUTPUT"), precision=key
        ).run_config
    except FirstlightError as error:
        step.show_problem(error)
        return

    def use(values: dict[str, int | str | bool] | None) -> None:
        if values is None:
            return
        changed = with_options(own, values, precision=row, tied=is_tied(session))
        step.wizard.session = configured(step.session, key, None if changed == own else changed)

    config = (session.configs or {}).get(key, own)
    step.app.push_screen(
        AdvancedScreen(f"Advanced: {row.label}", options, read_options(config)), use
    )


def configured(session: Session, key: str, config: Mapping[str, Any] | None) -> Session:
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
