"""`firstlight runs`."""

import typer

from firstlight_core.documents.upkeep import RunRow, RunsDocument
from firstlight_core.ledger import Run, list_runs
from firstlight_core.report.facts import collect_facts
from firstlight_core.text import shown_path
from firstlight_tui.commands.output import run_verb, say


def runs(json: bool = typer.Option(False, "--json", help="One JSON document.")) -> None:
    """List earlier runs, the newest first."""

    def show(document: RunsDocument) -> None:
        for row in document["runs"]:
            say(f"{row['id']:45} {row['begun']:24} {', '.join(row['done']) or '-'}")
        if not document["runs"]:
            say("There is no run yet.")

    def work() -> RunsDocument:
        return {"runs": [_row(run) for run in list_runs()]}

    run_verb("runs", work, show, as_json=json)


def _row(run: Run) -> RunRow:
    facts = collect_facts(run)
    report = run.folder / "report.html"
    return {
        "id": run.id,
        "folder": shown_path(run.folder),
        "begun": facts.begun,
        "done": [step.id for step in facts.steps if step.status == "done"],
        "failed": [step.id for step in facts.steps if step.status == "failed"],
        "report": shown_path(report) if report.is_file() else None,
    }
