"""What the step rail says of each step, and whether a click may go there."""

from pathlib import PurePath
from typing import TYPE_CHECKING

from firstlight_core.precision.table import find_precision
from firstlight_core.session import Session
from firstlight_core.text import one_line
from firstlight_tui.widgets import RailEntry

if TYPE_CHECKING:
    from firstlight_tui.app import WizardApp
    from firstlight_tui.steps.base import StepScreen


def rail_entries(wizard: "WizardApp", current: "type[StepScreen]") -> list[RailEntry]:
    """One line a step: current, running, failed, done or open."""
    return [RailEntry(step.STEP_TITLE, _state(wizard, step, current)) for step in wizard.steps]


def _state(wizard: "WizardApp", step: "type[StepScreen]", current: "type[StepScreen]") -> str:
    work = wizard.works.get(step.WORK) if step.WORK else None
    if step is current:
        return "current"
    if work is not None and work.running:
        return "running"
    if step.done(wizard.session):
        # A valid answer outweighs a later failed try, which the step itself shows.
        return "done"
    return "failed" if work is not None and work.status == "failed" else "open"


def hindrance(wizard: "WizardApp", index: int) -> str:
    """Why the step at `index` cannot be opened now; empty when it can."""
    chosen, session = wizard.steps[index], wizard.session
    if chosen.ABOUT_A_MODEL and session.endpoint is not None:
        return f"{chosen.STEP_TITLE} needs a model of your own; Ctrl+G disconnects the server."
    if index <= wizard.position:
        return ""
    for step in wizard.steps[:index]:
        if not step.passed_by(session) and (why := step.missing(session)):
            return f"{step.STEP_TITLE}: {why}"
    return ""


def in_use_words(session: Session) -> str:
    """What the steps work on: the connected server, a precision that was made here, or an adopted folder."""
    if session.endpoint is not None:
        return one_line(session.endpoint["model"] or session.endpoint["target"], 40)
    if session.artifact is None:
        return ""
    key = session.precision_in_use
    if key is None:
        return one_line(PurePath(session.artifact).name, 40)
    more = len(session.artifacts) - 1
    others = f" (and {more} more made)" if more else ""
    return f"{find_precision(key).label} in use{others}"
