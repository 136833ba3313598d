"""`firstlight serve`."""

import asyncio
import sys
from collections.abc import Sequence
from typing import NoReturn

import typer

from firstlight_core.documents.foundry import (
    BackgroundAddress,
    BackgroundDocument,
    ServeDocument,
    ServiceDocument,
    StoppedDocument,
)
from firstlight_core.errors import JobDied, UsageError
from firstlight_core.foundry.background import (
    find_background,
    list_background,
    start_background,
    stop_background,
)
from firstlight_core.foundry.service import open_service, snippets
from firstlight_core.text import one_line
from firstlight_tui.commands.output import note, print_json, run_verb, say, show_events


def serve(
    target: str | None = typer.Argument(None, help="A deployed name or an artifact folder."),
    port: int = typer.Option(0, help="Port on loopback; 0 takes a free one."),
    background: bool = typer.Option(
        False, "--background", help="Return as soon as it serves, and let it run."
    ),
    stop: bool = typer.Option(
        False, "--stop", help="Stop the background service of TARGET, or every one."
    ),
    client: str = typer.Option(
        "python",
        help="Whose snippet is shown: curl, python, environment, javascript, agent_framework.",
    ),
    json: bool = typer.Option(False, "--json", help="One JSON document as soon as it serves."),
) -> None:
    """Serve a model to every OpenAI client on this machine, until Ctrl-C."""

    async def work() -> ServeDocument:
        if client not in snippets("", ""):
            known = ", ".join(snippets("", ""))
            raise UsageError(
                f"There is no snippet for {one_line(client, 40)!r}.",
                hint=f"Choose one of: {known}.",
            )
        if stop:
            return await asyncio.to_thread(_stop, target)
        if target is None:
            running = [service.to_json() for service in list_background()]
            if not running:
                raise UsageError(
                    "Name what is to be served.", hint="firstlight serve NAME_OR_ARTIFACT"
                )
            return {"kind": "running", "running": running}
        if background:
            service = await start_background(target, port=port, on_event=show_events())
            return {"kind": "background", **service.to_json(), "background": True}
        await _hold(target, port, client, as_json=json)

    run_verb("serve", work, lambda document: _show(document, client), as_json=json)


async def _hold(target: str, port: int, client: str, *, as_json: bool) -> NoReturn:
    async with open_service(target, port=port, on_event=show_events()) as service:
        document = service.to_json()
        if as_json:
            print_json({"schema": "firstlight/serve/1", "ok": True, **document})
        else:
            _show(document, client)
        sys.stdout.flush()
        try:
            while service.job.alive:
                await asyncio.sleep(0.5)
        except asyncio.CancelledError:
            # For a service, being stopped is its normal end.
            note("Stopped.")
            raise SystemExit(130) from None
    # The one document of `--json` is already written: this goes to stderr.
    note("Foundry Local's service ended by itself.")
    note("  Start it again.")
    raise SystemExit(JobDied.exit_code)


def _stop(target: str | None) -> StoppedDocument:
    services = list_background()
    if target is not None:
        named = find_background(target)
        services = [named] if named is not None else []
    if not services:
        whose = f" of {one_line(target, 120)!r}" if target else ""
        raise UsageError(
            f"No background service{whose} is running.",
            hint="`firstlight serve` lists those that run.",
        )
    for service in services:
        stop_background(service)
    return {"kind": "stopped", "stopped": [service.address() for service in services]}


def _show(document: ServeDocument, client: str) -> None:
    match document["kind"]:
        case "stopped":
            _show_rows("Stopped", document["stopped"])
        case "running":
            _show_rows("Running", document["running"])
        case "service" | "background":
            _show_service(document, client)


def _show_rows(state: str, rows: Sequence[BackgroundAddress]) -> None:
    for row in rows:
        say(f"{state}: {row['model']} at {row['base_url']} (process {row['pid']})")


def _show_service(document: ServiceDocument | BackgroundDocument, client: str) -> None:
    say(f"Base URL: {document['base_url']}")
    say(f"Model:    {document['model']}")
    say(f"Process:  {document['pid']}")
    say()
    say(document["snippets"][client])
    if document["kind"] == "background":
        say(f"It keeps running; this stops it: firstlight serve --stop {document['model']}")
    else:
        say("Ctrl-C stops it.")
