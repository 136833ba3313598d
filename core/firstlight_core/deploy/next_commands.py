"""The commands to type after a deployment: only those that work with the programs installed on this machine."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

from firstlight_core.artifact.model_caches import ModelCache
from firstlight_core.documents.foundry import CommandDocument
from firstlight_core.foundry.cli import CliCommand, FoundryCli, cli_commands

Find = Callable[[str], str | None]


def foundry_commands(
    name: str, cache: ModelCache, cli: FoundryCli | None, cli_cache: Path | None
) -> list[CommandDocument]:
    """Return the commands of Firstlight and of the `foundry` command that find this deployment.

    `cli_cache` is where the CLI's cache is now; None when it does not tell.
    """
    rows: list[CommandDocument] = []
    if importlib.util.find_spec("foundry_local_sdk") is not None:
        rows.append(
            {"command": f"firstlight serve {name}", "does": "serve it to every OpenAI client"}
        )
    rows.append({"command": f"firstlight chat {name}", "does": "talk to it"})
    return rows + [command.to_json() for command in usable(cli, name, cache, cli_cache)]


def usable(
    cli: FoundryCli | None, name: str, cache: ModelCache, cli_cache: Path | None
) -> list[CliCommand]:
    """Return the commands of the installed CLI with which this model can be found; none where no command can.

    Up to 0.8 it scans its cache, which may have to be moved first; 0.10 and 0.11 know no models of one's own; from 0.12
    on it knows what is registered in its own cache.
    """
    if cli is None or cli.release == (0, 0):
        return []
    theirs = cache.id == "foundry" or (
        cli_cache is not None and cli_cache.resolve() == cache.root.resolve()
    )
    if cli.old:
        return cli_commands(cli, name, None if theirs else cache.root)
    if cli.release < (0, 12) or not theirs:
        return []
    return cli_commands(cli, name, None)
