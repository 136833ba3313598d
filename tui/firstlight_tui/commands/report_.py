"""`firstlight report RUN`."""

import typer

from firstlight_core.documents.upkeep import ReportVerb
from firstlight_core.report.report import LAST, find_run, write_report
from firstlight_tui.commands.output import run_verb, say


def report(
    run: str = typer.Argument(LAST, help="Id or folder of a run, or `last`."),
    texts: bool = typer.Option(
        True,
        "--texts/--no-texts",
        help="Whether questions and answers stand in it; leave them out before you pass it on.",
    ),
    transcripts: bool = typer.Option(
        False, "--transcripts", help="Put in all that was asked, what was said before /clear too."
    ),
    json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """Write the report of a run."""

    def work() -> ReportVerb:
        chosen = find_run(run)
        return {"run": chosen.id, **write_report(chosen, texts=texts, transcripts=transcripts)}

    def show(document: ReportVerb) -> None:
        say(f"markdown {document['markdown']}")
        say(f"json     {document['json']}")
        say(f"html     {document['html']}")

    run_verb("report", work, show, as_json=json)
