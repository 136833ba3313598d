"""`firstlight clean`: left-overs with their sizes."""

import typer

from firstlight_core.documents.upkeep import CleanDocument
from firstlight_core.text import bytes_text, shown_path
from firstlight_core.workflow.leftovers import (
    ON_REQUEST,
    find_leftovers,
    remove_leftovers,
)
from firstlight_tui.commands.output import run_verb, say


def clean(
    yes: bool = typer.Option(False, "--yes", "-y", help="Remove what is listed."),
    everything: bool = typer.Option(
        False, "--all", help="Also artifacts of earlier runs and the deployments before the last."
    ),
    json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """List what Firstlight left on the disk; with --yes remove it."""

    def work() -> CleanDocument:
        leftovers = find_leftovers()
        going = [item for item in leftovers if everything or item.kind not in ON_REQUEST]
        removed = remove_leftovers(leftovers, everything=everything) if yes else []
        return {
            "left_overs": [{**item.to_json(), "kept": item not in going} for item in leftovers],
            "bytes": sum(item.bytes for item in going),
            "removed": [item.path for item in removed],
            "removed_bytes": sum(item.bytes for item in removed),
            "ok": not yes or len(removed) == len(going),
        }

    def show(document: CleanDocument) -> None:
        for row in document["left_overs"]:
            path, size = row["path"], bytes_text(row["bytes"])
            state = "removed" if path in document["removed"] else "kept" if row["kept"] else ""
            say(f"{size:>9}  {row['kind']:9} {state:8} {shown_path(path)}  ({row['why']})")
        if yes:
            say(f"Removed {bytes_text(document['removed_bytes'])}.")
        elif document["bytes"]:
            say(f"{bytes_text(document['bytes'])} may go: `firstlight clean --yes`.")
        else:
            say("There is nothing to remove.")

    run_verb("clean", work, show, as_json=json)
