"""`firstlight paths`."""

from typing import cast

import typer

from firstlight_core.documents.upkeep import PathsDocument
from firstlight_core.paths import find_paths
from firstlight_tui.commands.output import run_verb, say


def paths(json: bool = typer.Option(False, "--json", help="One JSON document.")) -> None:
    """Show every folder that Firstlight uses."""

    def show(document: PathsDocument) -> None:
        for name, folder in find_paths().named().items():
            say(f"{name:8} {folder}")

    run_verb("paths", lambda: cast(PathsDocument, find_paths().named()), show, as_json=json)
