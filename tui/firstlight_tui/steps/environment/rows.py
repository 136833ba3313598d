"""How the rows of the environment step look, in the table, in the card, and in words."""

from collections import Counter
from collections.abc import Mapping, Sequence

from rich.text import Text
from textual.content import Content

from firstlight_core.documents.environment import CheckDocument, DoctorDocument
from firstlight_core.text import one_line, visible
from firstlight_tui.state.work_rows import CheckRow, WaitingRow
from firstlight_tui.widgets import cell
from firstlight_tui.widgets.charts.paragraphs import HangingText, Paragraph
from firstlight_tui.widgets.fitted_table import Column
from firstlight_tui.widgets.words import part

COLUMNS = (
    Column(key="mark", width=1),
    Column(key="title", label="Check", width=19),
    Column(key="found", label="Found"),
)
MARKS = {
    "ok": ("✓", "text-success"),
    "warning": ("!", "text-warning"),
    "missing": ("–", "text-warning"),
    "fail": ("✗", "text-error"),
    "unknown": ("?", "foreground-muted"),
    "looking": ("·", "foreground-muted"),
}
VERDICTS = {
    "ready": ("Ready.", "bold $text-success"),
    "warnings": ("Ready, with warnings.", "bold $text-warning"),
    "blocked": ("Blocked: something must be fixed first.", "bold $text-error"),
}
COUNTED = (
    ("ok", "OK", "OK"),
    ("warning", "warning", "warnings"),
    ("missing", "missing", "missing"),
    ("optional", "optional item missing", "optional items missing"),
    ("fail", "failed", "failed"),
    ("unknown", "unknown", "unknown"),
)
"""Kind of a row, and the words for one such row and for several."""


def waiting_row(row: CheckRow) -> WaitingRow:
    """Return the row as it is while its check runs again."""
    return {
        "id": row["id"],
        "title": row["title"],
        "status": "looking",
        "found": row["found"],
        "needed": row.get("needed", ""),
        "why": row.get("why", ""),
        "fix": row.get("fix", ""),
        "vital": row.get("vital", False),
    }


def row_cells(row: CheckRow, colours: Mapping[str, str]) -> dict[str, Text]:
    """Return the cells of one row; `colours` are the theme's variables."""
    status = row["status"]
    mark, variable = MARKS.get(status, ("?", "foreground-muted"))
    finding = one_line(row["found"], 300) or ("…" if status == "looking" else "")
    return {
        "mark": cell(mark, f"bold {_colour(variable, colours)}".strip()),
        "title": cell(one_line(row["title"], 40)),
        "found": cell(finding, "dim" if status == "looking" else ""),
    }


def _colour(variable: str, colours: Mapping[str, str]) -> str:
    """Return a theme colour as Rich reads it; the `auto` ones depend on the background and are left out."""
    value = colours.get(variable, "")
    return value if value.startswith("#") and len(value) == 7 else ""


def verdict_words(document: DoctorDocument) -> Content:
    """Return the verdict, and how many rows are of which kind."""
    words, style = VERDICTS[document["verdict"]]
    counted = Counter(_kind(row) for row in document["checks"])
    counts = " · ".join(
        f"{counted[status]} {singular if counted[status] == 1 else several}"
        for status, singular, several in COUNTED
        if counted[status]
    )
    return Content.assemble(part(words, style), part(f"  {counts}", "$foreground-muted"))


def _kind(row: CheckDocument) -> str:
    """Return the status; what is missing but not vital counts as optional."""
    status = row["status"]
    return "optional" if status == "missing" and not row["vital"] else status


def detail_words(row: CheckRow) -> HangingText:
    """Return found, needed, why and fix: the text of the card under the table."""
    details = (
        ("Found", row["found"]),
        ("Needed", row.get("needed", "")),
        ("Why", row.get("why", "")),
        ("Fix", row.get("fix", "")),
    )
    return HangingText(
        *(
            Paragraph(head=[(f"{name:8}", "$foreground-muted")], text=Content(visible(text)))
            for name, text in details
            if text
        )
    )


def course_text(document: DoctorDocument | None) -> Content:
    """Return the course's own install commands with what is already satisfied, and the one that is used here."""
    lines = [Content("Module 5, section 4 installs these; nothing of it is run here."), Content("")]
    for line in document["course"] if document is not None else ():
        satisfied = line["satisfied"]
        mark = ("✓ ", "$text-success") if satisfied else ("· ", "$text-warning")
        state = "already satisfied" if satisfied else "not yet"
        lines.append(
            Content.assemble(mark, part(line["command"], "bold"), part(f"  {state}", mark[1]))
        )
    if len(lines) == 2:
        lines.append(Content("Wait until the check has ended: then this says what is satisfied."))
    lines += [
        Content(""),
        Content(
            "Newest versions of each do not fit together: most pairs convert nothing, and some"
        ),
        Content("say that they did. `i` installs the versions that were run together."),
    ]
    return Content("\n").join(lines)


def fine_content(rows: Sequence[CheckRow]) -> Content:
    """The checks that are OK, a line each; nothing where there is none."""
    fine = [row for row in rows if row["status"] == "ok"]
    if not fine:
        return Content("")
    lines = [Content.styled("What is OK", "$text-accent")]
    for row in fine:
        lines.append(
            Content.assemble(
                part("✓ ", "$text-success"),
                part(f"{one_line(row['title'], 19):20}"),
                part(one_line(row["found"], 120), "$foreground-muted"),
            )
        )
    return Content("\n").join(lines)
