"""`firstlight serve`."""

import asyncio
import sys

import typer

from firstlight_core.deploy.serving import open_service
from firstlight_core.errors import JobDied
from firstlight_tui.commands.output import Document, note, print_json, run_verb, say, show_events


def serve(
    target: str = typer.Argument(..., help="A deployed name or an artifact folder."),
    port: int = typer.Option(0, help="Port on loopback; 0 takes a free one."),
    json: bool = typer.Option(False, "--json", help="One JSON document as soon as it serves."),
) -> None:
    """Serve a model to every OpenAI client on this machine, until Ctrl-C."""

    async def work() -> Document:
        async with open_service(target, port=port, on_event=show_events()) as service:
            document = {"schema": "firstlight/serve/1", "ok": True, **service.to_json()}
            if json:
                print_json(document)
            else:
                _show(document)
            sys.stdout.flush()
            try:
                while service.job.alive:
                    await asyncio.sleep(0.5)
            except asyncio.CancelledError:
                # For a service, being stopped is its normal end.
                note("Stopped.")
                raise SystemExit(130) from None
        raise JobDied("Foundry Local's service ended by itself.", hint="Start it again.")

    run_verb("serve", work, _show, as_json=json)


def _show(document: Document) -> None:
    say(f"Base URL: {document['base_url']}")
    say(f"Model:    {document['model']}")
    say(f"Process:  {document['pid']}")
    say()
    say(document["snippets"]["python"])
    say("Ctrl-C stops it.")
