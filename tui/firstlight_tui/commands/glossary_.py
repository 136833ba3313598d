"""`firstlight glossary`."""

import shutil
import textwrap

import typer

from firstlight_core.documents.glossary import GlossaryDocument, Term
from firstlight_core.glossary import find_terms, list_terms
from firstlight_tui.commands.output import run_verb, say
from firstlight_tui.commands.painting import Painted

_MOST_COLUMNS = 100


def glossary(
    term: list[str] = typer.Argument(None, metavar="[TERM]", help="A term; without one, all."),
    json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """Explain a term of the screens and the documents."""
    words = " ".join(term or [])

    def work() -> GlossaryDocument:
        return {"terms": find_terms(words) if words else list_terms()}

    def show(document: GlossaryDocument) -> None:
        for number, entry in enumerate(document["terms"]):
            if number:
                say("")
            _show_term(entry)

    run_verb("glossary", work, show, as_json=json)


def _show_term(term: Term) -> None:
    also = f" ({', '.join(term['also'])})" if term.get("also") else ""
    say(Painted(term["term"], "heading"), also)
    columns = min(_MOST_COLUMNS, shutil.get_terminal_size().columns) - 2
    for line in textwrap.wrap(term["text"], columns):
        say(f"  {line}")
    if term.get("see"):
        say(f"  See: {', '.join(term['see'])}")
