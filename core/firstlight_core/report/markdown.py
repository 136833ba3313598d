"""The report as Markdown: for a pull request, a wiki, a mail. Its appendices are folded where Markdown can fold."""

from firstlight_core.documents.report import ReportDocument
from firstlight_core.report.cells import plain, table
from firstlight_core.report.markdown_appendices import appendices, folded
from firstlight_core.report.rows import MEASURED_NOTE, claim_lines, comparison


def report_markdown(document: ReportDocument) -> str:
    """Draw the document of `report_document`."""
    run = document["run"]
    lines = [*_opening(document)]
    for draw in (_comparison, _samples, _claims, _limitations):
        lines += draw(document)
    lines += [
        "## Appendices",
        "",
        "*Claim* is what the course says, *estimate* what Firstlight computed beforehand, *measured* what this machine did.",
        "",
    ]
    for title, body in appendices(document):
        lines += folded(title, body)
    lines += [
        f"Started {run['begun']}, written {run['written']}, Firstlight {document['firstlight']}.",
        "",
        *_digest(document),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _opening(document: ReportDocument) -> list[str]:
    """Return the verdict, the machine, and that the benchmark is void."""
    run, result = document["run"], document.get("result")
    lines = [f"# Firstlight report: {plain(run['id'])}", ""]
    if result is None:
        return lines
    lines += [f"**{plain(result['verdict'], 1_000)}**", ""]
    if "machine" in result:
        lines += [plain(result["machine"]), ""]
    if "void" in result:
        lines += [f"> **{plain(result['void'], 1_000)}**", ""]
    return lines


def _comparison(document: ReportDocument) -> list[str]:
    head, compared = comparison(document)
    rows = [tuple(plain(cell.text) for cell in row) for row in compared]
    if not rows:
        return []
    return ["## The precisions compared", "", MEASURED_NOTE, "", *table(head, rows)]


def _samples(document: ReportDocument) -> list[str]:
    samples = document.get("samples", [])
    asked = any("original" in row for row in samples)
    names = list(dict.fromkeys(answer["name"] for row in samples for answer in row["answers"]))
    head = ("Question", *(["Original"] if asked else []), *map(plain, names))
    rows = []
    for row in samples:
        texts = {answer["name"]: answer["text"] for answer in row["answers"]}
        answers = [
            *([row.get("original", "")] if asked else []),
            *(texts.get(n, "") for n in names),
        ]
        rows.append((plain(row["prompt"]), *map(plain, answers)))
    if not rows:
        return []
    which = (
        "The questions where it drifted most from the original, so the worst that was seen."
        if asked
        else "The original was not asked."
    )
    note = f"{which} Measured: what each said here."
    return ["## Sample answers", "", note, "", *table(head, rows)]


def _claims(document: ReportDocument) -> list[str]:
    head = ("What", "Claim of the course", "Measured here", "Outcome")
    rows = [tuple(map(plain, line)) for line in claim_lines(document)]
    return ["## Claim against measurement", "", *table(head, rows)] if rows else []


def _limitations(document: ReportDocument) -> list[str]:
    return [
        *("## Limitations", ""),
        *[f"- {plain(line)}" for line in document["limitations"]],
        *([f"- {plain(document['fallback'])}"] if document.get("fallback") else []),
        "",
    ]


def _digest(document: ReportDocument) -> list[str]:
    digest = document.get("digest")
    if not digest:
        return []
    sentence = f"SHA-256 of this report's content: `{digest['content']}`; `firstlight verify report.json` checks it."
    return [sentence, ""]
