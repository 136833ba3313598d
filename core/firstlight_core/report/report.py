"""The report of one run: Markdown to paste, JSON to compute with, HTML to look at."""

from typing import Any

from firstlight_core.errors import InputRefused
from firstlight_core.files import write_json, write_whole
from firstlight_core.ledger import Run, list_runs
from firstlight_core.report.document import report_document
from firstlight_core.report.html import report_html
from firstlight_core.report.markdown import report_markdown

LAST = "last"


def find_run(name: str) -> Run:
    """A run by its id, its folder, or `last` for the newest.

    Raises:
        InputRefused: there is no such run.
    """
    if name != LAST:
        return Run.open(name)
    if not (runs := list_runs()):
        raise InputRefused("There is no run yet.", hint="`firstlight --demo` makes one.")
    return runs[0]


def write_report(run: Run) -> dict[str, Any]:
    """Write report.md, report.json and report.html into the run's folder; `{markdown, json, html}` are their paths.

    User name, home folder and tokens are taken out; every number is marked claim, estimate or measured.

    Raises:
        InputRefused: the run's ledger is empty.
        StateProblem: a file cannot be written.
    """
    if next(run.entries(), None) is None:
        raise InputRefused(f"The run {run.id} has recorded nothing.", hint="Take another run.")
    document = report_document(run)
    paths = {
        kind: run.folder / f"report.{ending}"
        for kind, ending in (("markdown", "md"), ("json", "json"), ("html", "html"))
    }
    write_json(paths["json"], document)
    write_whole(paths["markdown"], report_markdown(document))
    write_whole(paths["html"], report_html(document))
    return {kind: str(path) for kind, path in paths.items()}
