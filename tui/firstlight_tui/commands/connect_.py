"""`firstlight connect`: which OpenAI-compatible servers answer, and which models they offer."""

import asyncio

import typer

from firstlight_core.documents.inference import ConnectDocument
from firstlight_core.errors import InputRefused
from firstlight_core.foundry.background import list_background
from firstlight_core.inference.endpoint import find_servers
from firstlight_core.inference.servers import WELL_KNOWN, typed_address
from firstlight_core.text import one_line, seconds_text
from firstlight_tui.commands.output import note, run_verb, say
from firstlight_tui.commands.painting import Painted


def connect(
    address: str | None = typer.Argument(
        None, help="http://host:port/v1; without it the usual ports of this machine are asked."
    ),
    network: bool = typer.Option(False, "--network", help="Allow a server on another machine."),
    json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """List running servers and their models; the API key is read from FIRSTLIGHT_API_KEY."""

    async def work() -> ConnectDocument:
        own = await asyncio.to_thread(list_background)
        known = [("Foundry Local, served by Firstlight", service.base_url) for service in own]
        typed = typed_address(address) if address is not None else None
        servers = await find_servers(typed, known=[*known, *WELL_KNOWN], network=network)
        if typed is not None and not servers[0]["ok"]:
            raise InputRefused(servers[0]["sentence"], hint=servers[0]["hint"])
        targets = [
            f"{server['base_url']}#{model}" for server in servers for model in server["models"]
        ]
        return {"servers": servers, "targets": targets}

    run_verb("connect", work, _show, as_json=json)


def _show(document: ConnectDocument) -> None:
    found = any(server["ok"] for server in document["servers"])
    for server in document["servers"]:
        name = f"{server['name']}, " if server["name"] else ""
        if not server["ok"]:
            # An empty port is worth a word only where nothing else answers.
            if not found:
                note(f"- {name}{server['base_url']}: {server['sentence']}")
            continue
        say(f"{name}{server['base_url']} (answered in {seconds_text(server['seconds'])})")
        for model in server["models"]:
            say(f"  {one_line(server['base_url'], 200)}#{one_line(model, 300)}")
        if not server["models"]:
            say("  It offers no model.")
    if document["targets"]:
        say("Use such a target with chat, bench and quality.")
    else:
        say(Painted("No server offers a model.", "caution"))
