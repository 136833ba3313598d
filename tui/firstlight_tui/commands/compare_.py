"""`firstlight compare`: what has changed between two measurements, and whether it is more than chance."""

from collections.abc import Mapping

import typer

from firstlight_core.documents.comparison import (
    ChangeRow,
    ChangeVerdict,
    ComparisonDocument,
    SideFigure,
)
from firstlight_core.history.comparison import NAMES, change_text
from firstlight_core.history.comparison import compare as compare_sides
from firstlight_core.history.references import earlier_runs, find_side
from firstlight_core.history.store import HistoryStore, Query
from firstlight_core.text import bytes_text, one_line, seconds_text
from firstlight_tui.commands.output import note, run_verb, say
from firstlight_tui.commands.painting import Painted, Role

VERDICTS: Mapping[ChangeVerdict, tuple[str, Role]] = {
    "regression": ("WORSE", "bad"),
    "improvement": ("better", "good"),
    "no-change": ("no change beyond chance", "plain"),
    "not-judged": ("not judged", "quiet"),
}
"""Verdict → its words, and how they are painted."""


def compare(
    before: str = typer.Argument(
        help="A number of `firstlight history`, last, previous, an artifact, or a file of `bench --json`."
    ),
    after: str = typer.Argument(help="The same, of the newer one."),
    across_machines: bool = typer.Option(
        False,
        "--across-machines",
        help="Compare although they were measured on different machines.",
    ),
    json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """Compare two measurements; leaves with 1 when something became worse."""

    def work() -> ComparisonDocument:
        store = HistoryStore()
        old, new = find_side(before, store), find_side(after, store)
        rows = store.records(Query(kind=old.facts["kind"], valid=True))
        for sentence in store.notes:
            note(Painted(sentence, "caution"))
        return compare_sides(
            old, new, across_machines=across_machines, earlier=earlier_runs(old, new, rows)
        )

    run_verb("compare", work, show_comparison, as_json=json)


def show_comparison(document: ComparisonDocument) -> None:
    """Show a comparison as a table."""
    old, new = document["before"], document["after"]
    say(
        Painted(_side(old["id"], old["label"]), "heading"),
        " against ",
        Painted(_side(new["id"], new["label"]), "heading"),
    )
    for sentence in document["notes"]:
        say(f"  {one_line(sentence, 300)}")
    table = [HEADERS, *(_cells(row) for row in document["rows"])]
    widths = [max(len(cells[column]) for cells in table) for column in range(len(HEADERS))]
    for number, cells in enumerate(table):
        padded = [cell.rjust(width) for cell, width in zip(cells, widths, strict=True)]
        padded[0] = cells[0].ljust(widths[0])
        line = "  " + "  ".join(padded)
        if number == 0:
            say(Painted(line, "quiet"))
        else:
            words, role = VERDICTS[document["rows"][number - 1]["verdict"]]
            say(f"{line}  ", Painted(words, role))
    if shares := [row["detectable"] for row in document["rows"] if row["detectable"] is not None]:
        say(
            f"Intervals at {100 * document['level']:.1f} %: without a change, at most 2 of 100 comparisons flag one. "
            f"A slowdown of {100 * min(shares):.1f} % would have been found in the steadiest figure."
        )
    if error := document.get("error"):
        say(Painted(error["message"], "bad"))


HEADERS = ("figure", "before", "after", "change", "interval")


def _side(number: int | None, label: str) -> str:
    label = one_line(label, 60)
    return f"{number} ({label})" if number is not None else label


def _cells(row: ChangeRow) -> tuple[str, ...]:
    name = NAMES.get(row["measure"], row["measure"])
    if row["lengths"] > 1:
        name += ", all lengths"
    elif row["prompt_tokens"] is not None:
        name += f" at {row['prompt_tokens']}"
    interval = row["interval"]
    span = f"{change_text(interval[0])} to {change_text(interval[1])}" if interval else ""
    return (
        name,
        _figure(row, row["before"]),
        _figure(row, row["after"]),
        change_text(row["ratio"]),
        span,
    )


def _figure(row: ChangeRow, figure: SideFigure | None) -> str:
    if figure is None:
        return ""
    median = figure["median"]
    match row["unit"]:
        case "s":
            return seconds_text(median)
        case "bytes":
            return bytes_text(round(median))
        case "tokens/s":
            return f"{median:.1f} tok/s"
    return f"{median:.4g}"
