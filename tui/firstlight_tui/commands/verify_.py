"""`firstlight verify`."""

from pathlib import Path

import typer

from firstlight_core.documents.deploy import VerifyDocument
from firstlight_core.report.verification import verify as verify_files
from firstlight_tui.commands.output import note, run_verb, say
from firstlight_tui.commands.painting import Painted


def verify(
    path: Path = typer.Argument(
        ..., help="A bundle, an artifact folder, a deployed name or a report's JSON."
    ),
    json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """Check every file against the checksums that were written with it."""

    def show(document: VerifyDocument) -> None:
        for problem in document["problems"]:
            say(Painted(problem, "bad"))
        count = document["files"]
        all_of = f"All {count} checksums match." if count != 1 else "The checksum matches."
        if document["ok"]:
            say(Painted(all_of, "good"))
        else:
            say(Painted(f"{count} file{'s' * (count != 1)}: not as written.", "bad"))
        for sentence in document.get("notes", ()):
            note(sentence)

    run_verb("verify", lambda: verify_files(path), show, as_json=json)
