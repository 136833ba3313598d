"""The report of one run: Markdown to paste, JSON to compute with, HTML to look at."""

import json

from firstlight_core.documents.workflow import WrittenReport
from firstlight_core.errors import InputRefused
from firstlight_core.files import write_whole
from firstlight_core.ledger import Run, list_runs
from firstlight_core.report.digest import (
    FILES,
    REPORT,
    content_digest,
    file_digest,
    ledger_digest,
)
from firstlight_core.report.document import report_document
from firstlight_core.report.html import report_html
from firstlight_core.report.markdown import report_markdown
from firstlight_core.report.privacy import without_texts

LAST = "last"


def find_run(name: str) -> Run:
    """Return a run by its id, its folder, or `last` for the newest.

    Raises:
        InputRefused: there is no such run.
    """
    if name != LAST:
        return Run.open(name)
    if not (runs := list_runs()):
        raise InputRefused("There is no run yet.", hint="`firstlight --demo` makes one.")
    return runs[0]


def write_report(run: Run, *, texts: bool = True, transcripts: bool = False) -> WrittenReport:
    """Write report.md, report.json and report.html into the run's folder and return their paths.

    User name, home folder and tokens are taken out; every number is marked claim, estimate or measured. Without `texts`
    no question, answer or other text of a conversation stands in it; with `transcripts` everything that was asked does. The digests of the files go into the ledger.

    Raises:
        InputRefused: the run's ledger is empty.
        StateProblem: a file cannot be written.
    """
    if next(run.entries(), None) is None:
        raise InputRefused(f"The run {run.id} has recorded nothing.", hint="Take another run.")
    mark = ledger_digest(run)
    document = report_document(run, transcripts=transcripts)
    if not texts:
        document = without_texts(document)
    document["digest"] = {"content": content_digest(document), "ledger": mark}
    drawn = {
        "markdown": report_markdown(document),
        "json": json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
        "html": report_html(document),
    }
    raw = {kind: text.encode("utf-8", "surrogatepass") for kind, text in drawn.items()}
    paths = {kind: run.folder / FILES[kind] for kind in drawn}
    for kind, path in paths.items():
        write_whole(path, raw[kind], mode=0o600)
    digests = {kind: file_digest(content) for kind, content in raw.items()}
    run.record(REPORT, "done", values={"sha256": digests})
    return {
        "markdown": str(paths["markdown"]),
        "json": str(paths["json"]),
        "html": str(paths["html"]),
    }
