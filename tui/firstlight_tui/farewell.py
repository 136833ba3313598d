"""The shell's text after the wizard: where the results are, and the next commands."""

from pathlib import Path

from firstlight_core.documents.workflow import SummaryFiles
from firstlight_core.session import Session
from firstlight_core.shells import as_typed_here, command_line, program_here
from firstlight_tui.state.workspace import REPORT, Workspace


def farewell(workspace: Workspace, *, unfinished: bool = False) -> list[str]:
    """Return the lines for the shell; none when nothing was made. An unfinished walk can go on at the next start."""
    lines = farewell_lines(workspace.session, workspace.works.result(REPORT))
    return [*lines, f"{'Go on':7} {program_here()}"] if unfinished else lines


def farewell_lines(session: Session, written: SummaryFiles | None) -> list[str]:
    """Return a line each for the report, the command that asks the model, and the one that repeats the walk.

    `written` is what the Summary step wrote; None when the wizard was left before.
    """
    lines = []
    if written is not None:
        lines.append(("Report", Path(written["html"]).absolute().as_uri()))
    name = session.deployment["name"] if session.deployment is not None else session.artifact
    if name:
        lines.append(("Ask it", as_typed_here(command_line(["firstlight", "chat", name]))))
    if written is not None and "run_toml" in written:
        again = command_line(["firstlight", "run", written["run_toml"], "--yes"])
        lines.append(("Again", as_typed_here(again)))
    return [f"{label:7} {words}" for label, words in lines]
