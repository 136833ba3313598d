"""The shell's text after the wizard: where the results are, and the next commands."""

from collections.abc import Mapping
from typing import Any

from firstlight_core.session import Session
from firstlight_core.shells import command_line
from firstlight_core.text import shown_path
from firstlight_tui.state.workspace import Workspace


def farewell(workspace: Workspace) -> list[str]:
    """Return the lines for the shell; none when nothing was made."""
    report = workspace.works.get("report")
    return farewell_lines(workspace.session, report.result or {} if report is not None else {})


def farewell_lines(session: Session, written: Mapping[str, Any]) -> list[str]:
    """Return a line each for the report, the command that asks the model, and the one that repeats the walk.

    `written` is what the Summary step wrote; empty when the wizard was left before.
    """
    lines = []
    if page := written.get("html"):
        lines.append(("Report", shown_path(str(page))))
    name = (session.deployment or {}).get("name") or session.artifact
    if name:
        lines.append(("Ask it", command_line(["firstlight", "chat", str(name)])))
    if again := written.get("run_toml"):
        lines.append(("Again", command_line(["firstlight", "run", str(again), "--yes"])))
    return [f"{label:7} {words}" for label, words in lines]
