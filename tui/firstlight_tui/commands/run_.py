"""`firstlight run run.toml --yes`: a whole run without a screen."""

import asyncio
import sys
import time
from pathlib import Path

import typer

from firstlight_core.documents.workflow import RunDocument
from firstlight_core.errors import UsageError
from firstlight_core.text import ago_text, one_line, seconds_text, shown_path
from firstlight_core.workflow.interrupted import Interrupted, find_interrupted
from firstlight_core.workflow.plan import Plan, check_files
from firstlight_core.workflow.run_file import read_run_toml
from firstlight_core.workflow.walk import walk
from firstlight_tui.commands.output import note, run_verb, say, show_events
from firstlight_tui.commands.painting import Painted, Role


def run(
    file: Path = typer.Argument(..., help="A run.toml, as the wizard or an earlier run wrote it."),
    yes: bool = typer.Option(False, "--yes", "-y", help="Do it without asking."),
    resume: bool = typer.Option(
        False,
        "--resume",
        help="Go on with the last run of this file if it was interrupted; finished steps are kept.",
    ),
    log: bool = typer.Option(False, "--log", help="Show every line that the tools print."),
    json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """Repeat a whole run from its run.toml."""

    async def work() -> RunDocument:
        plan = read_run_toml(file)
        check_files(plan)
        interrupted = await asyncio.to_thread(find_interrupted, plan)
        if not yes:
            interrupted = _ask(plan, interrupted, resume=resume)
        elif not resume and interrupted is not None:
            note(f"{_stopped(interrupted)} --resume goes on with it; this is a new run.")
            interrupted = None
        if resume and interrupted is None:
            note("No run of this file was interrupted: this is a new one.")
        return await walk(plan, on_event=show_events(log=log), interrupted=interrupted)

    run_verb("run", work, show_run, as_json=json)


def _stopped(interrupted: Interrupted) -> str:
    ago = ago_text(time.time() - interrupted.at)
    return f"The last run of this file stopped at {interrupted.stopped_at}, {ago}."


def _ask(plan: Plan, interrupted: Interrupted | None, *, resume: bool) -> Interrupted | None:
    """Ask on the terminal; return the run to go on with, None for a new one.

    Raises:
        UsageError: there is no terminal, or the answer is no.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("Nothing was run: this needs a yes.", hint="Add --yes.")
    note(f"Model       {shown_path(plan.subject)}")
    note(f"Precisions  {', '.join(plan.precisions) or 'none, the artifact is adopted'}")
    if plan.deploy is not None:
        note(f"Deploys as  {one_line(plan.deploy.name, 80)} ({plan.deploy.target})")
    if interrupted is not None:
        note(_stopped(interrupted))
        if resume or typer.confirm("Continue it?", err=True, default=True):
            return interrupted
    if not typer.confirm("Run this?", err=True):
        raise UsageError("Nothing was run.")
    return None


_ROLES: dict[str, Role] = {"done": "good", "failed": "bad", "skipped": "quiet"}


def show_run(document: RunDocument) -> None:
    """A line for each step, and one for each report."""
    for step in document["steps"]:
        reason = step["error"]["message"] if "error" in step else step.get("reason", "")
        spent = seconds_text(step["seconds"]) if step["seconds"] else ""
        line = f" {step['id']:12} {spent:>10}  {one_line(reason, 160)}".rstrip()
        say(Painted(f"{step['status']:8}", _ROLES.get(step["status"], "plain")), line)
    for kind, path in document["report"].items():
        say(f"{kind:8} {path}")
