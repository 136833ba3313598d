"""`firstlight inspect SOURCE`."""

from pathlib import Path

import typer

from firstlight_core.documents.model import InspectDocument
from firstlight_core.estimate.estimates import with_estimates
from firstlight_core.files import exists
from firstlight_core.model.base_choice import choose_base
from firstlight_core.model.download import download_model, resolve_hub_id
from firstlight_core.model.inspection import inspect_model
from firstlight_core.model.sources import find_source, remember_folder
from firstlight_core.model.support import STATUS_WORDS
from firstlight_core.text import bytes_text, seconds_text
from firstlight_tui.commands.output import run_verb, say, show_events
from firstlight_tui.commands.painting import Painted


def inspect(
    source: str = typer.Argument(
        ..., help="A model folder, a LoRA adapter folder, a cached hub id, or `sample`."
    ),
    base: str | None = typer.Option(
        None, "--base", help="The base of a LoRA adapter; remembered for this adapter."
    ),
    context: int = typer.Option(
        2048, "--context", min=1, help="Context length for the RAM estimate, in tokens."
    ),
    download: bool = typer.Option(
        False, "--download", help="Yes: fetch a hub id that is not on this machine."
    ),
    json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """Say what a model folder is, from its headers only, and what it will cost."""

    async def work() -> InspectDocument:
        if download and not exists(Path(source)) and resolve_hub_id(source) is None:
            await download_model(source, agreed=True, on_event=show_events())
        folder = find_source(source)
        inspection = choose_base(folder, find_source(base)) if base else inspect_model(folder)
        remember_folder(inspection.adapter.folder if inspection.adapter else inspection.folder)
        return with_estimates(inspection, context=context)

    run_verb("inspect", work, _show, as_json=json)


def _show(document: InspectDocument) -> None:
    kinds = document["parameters_by_kind"]
    say(Painted(document["source"], "heading"))
    say(
        f"{document['architecture']}, {document['parameters'] / 1e6:,.1f} M parameters "
        f"(embedding {kinds['embedding'] / 1e6:,.1f}, body {kinds['body'] / 1e6:,.1f}, "
        f"head {kinds['head'] / 1e6:,.1f}), {document['dtype']}, "
        f"{'tied' if document['tied_embeddings'] else 'untied'} embeddings"
    )
    say(
        f"{bytes_text(document['weight_bytes'])} of weights, context {document['context_length']}, "
        f"chat template: {document['template'] or 'none'}, licence: {document['licence'] or 'not found'}"
    )
    say(f"fingerprint {document['fingerprint']}")
    if support := document.get("support"):
        say(Painted(STATUS_WORDS[support["status"]], "heading"), f": {support['reason']}")
    for warning in document["warnings"]:
        say(Painted("warning: ", "caution"), warning)
    say()
    header = f"{'precision':16} {'size':>10} {'peak RAM':>10} {'time':>12} {'RAM to run':>11}"
    say(Painted(f"{header}  (estimates)", "quiet"))
    for key, row in document["estimates"].items():
        say(
            f"{key:16} {bytes_text(row['bytes']):>10} {bytes_text(row['peak_ram_bytes']):>10} "
            f"{seconds_text(row['seconds']):>12} {bytes_text(row['run_ram_bytes']):>11}  {row['reason']}"
        )
