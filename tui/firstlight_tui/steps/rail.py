"""The entries of the step rail, and the target that the steps work on."""

from pathlib import PurePath

from firstlight_core.precision.table import find_precision
from firstlight_core.session import Session
from firstlight_core.text import one_line
from firstlight_tui.state.navigation import Step
from firstlight_tui.state.workspace import Workspace
from firstlight_tui.widgets import RailEntry


def rail_entries(workspace: Workspace, current: Step) -> list[RailEntry]:
    """Return a line for each step: current, running, failed, done or open."""
    steps = workspace.navigation.steps
    return [RailEntry(step.STEP_TITLE, _state(workspace, step, current)) for step in steps]


def _state(workspace: Workspace, step: Step, current: Step) -> str:
    work = workspace.works.get(step.WORK) if step.WORK else None
    if step.STEP_ID == current.STEP_ID:
        return "current"
    if work is not None and work.pending:
        return work.status
    if step.done(workspace.session):
        # A valid answer outweighs a later failed try, which the step itself shows.
        return "done"
    return "failed" if work is not None and work.status == "failed" else "open"


def in_use_words(session: Session) -> str:
    """Return the target of the steps: the connected server, a precision that was made here, or an adopted folder."""
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
