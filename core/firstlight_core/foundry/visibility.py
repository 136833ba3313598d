"""Find what Foundry Local sees in a cache: folders that old cores scan, registrations of newer ones."""

import asyncio
import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from firstlight_core.artifact.deployments import find_deployment
from firstlight_core.artifact.inference_model import check_name
from firstlight_core.artifact.model_caches import ModelCache
from firstlight_core.documents import jobs_foundry
from firstlight_core.documents.foundry import ExaminationDocument, Registration
from firstlight_core.errors import FirstlightError
from firstlight_core.foundry.cli import (
    CliCommand,
    FoundryCli,
    cli_commands,
    find_foundry_cli,
)
from firstlight_core.foundry.cli_cache import CacheChange, find_cache, read_change
from firstlight_core.foundry.folder_scan import FolderVerdict, diagnose, scan
from firstlight_core.foundry.readers import choose_cache, seen_by
from firstlight_core.foundry.runtime import open_foundry


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundryOffer:
    """The `foundry` command as it can be used here for one model."""

    cli: FoundryCli | None
    commands: tuple[CliCommand, ...]
    cache_root: Path | None
    """Where its cache is now, as it says itself."""
    moved: CacheChange | None
    """Firstlight's own move of that cache; None without one."""


async def offer_commands(
    name: str, *, cache: str = "private", environ: Mapping[str, str] = os.environ
) -> FoundryOffer:
    """Find the `foundry` command, where its cache is, and what can be typed or run for this model.

    Raises:
        UsageError: there is no such cache.
    """
    chosen = await choose_cache(cache, environ)
    cli = await find_foundry_cli(environ)
    cli_cache = await find_cache(environ) if cli is not None else None
    there = chosen.id == "foundry" or (
        cli_cache is not None and cli_cache.resolve() == chosen.root.resolve()
    )
    return FoundryOffer(
        cli=cli,
        commands=tuple(cli_commands(cli, name, None if there else chosen.root)),
        cache_root=cli_cache,
        moved=read_change(),
    )


async def examine(
    name: str | None = None,
    *,
    cache: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> ExaminationDocument:
    """Look at a cache as Foundry Local's cores do, old and new.

    With a `name` only its folder and registrations are in the document, and `ok` says whether one of the two ways finds
    it. Without `cache` it is the one in which the name is deployed, else Firstlight's own.

    Raises:
        UsageError: the name or the cache is not usable.
    """
    deployment = find_deployment(check_name(name)) if name is not None else None
    examined = (
        deployment.home
        if cache is None and deployment is not None
        else await choose_cache(cache or "private", environ)
    )
    cli = await find_foundry_cli(environ)
    foreign = await find_cache(environ) if cli is not None else None
    change = read_change()
    verdicts = await asyncio.to_thread(_folders, examined, name)
    registered, problem = await _registered(examined)
    if name is not None:
        registered = [row for row in registered if row["id"].partition(":")[0] == name]
    document: ExaminationDocument = {
        "kind": "examination",
        "cache": examined.id,
        "root": str(examined.root),
        "index": str(examined.index),
        "cli": {"path": cli.path, "version": cli.version} if cli is not None else None,
        "moved": {"before": change.before, "now": change.now} if change is not None else None,
        "seen_by": [reader.to_json() for reader in seen_by(examined, cli, foreign)],
        "folders": [verdict.to_json() for verdict in verdicts],
        "registered": registered,
        "registered_problem": problem,
    }
    if name is not None:
        document["ok"] = any(v.listed for v in verdicts) or any(row["there"] for row in registered)
    return document


def _folders(cache: ModelCache, name: str | None) -> list[FolderVerdict]:
    if name is None:
        return scan(cache.root)
    return [diagnose(cache.custom / name, cache.root)]


async def _registered(cache: ModelCache) -> tuple[list[Registration], str]:
    """Return the index's registrations, and in one sentence why they cannot be read."""
    if importlib.util.find_spec("foundry_local_sdk") is None:
        return [], "foundry-local-sdk is not installed, so its registrations cannot be read."
    if not cache.index.is_dir():
        return [], ""
    try:
        async with open_foundry(cache=cache) as job:
            models = (await job.call(jobs_foundry.LIST({})))["models"]
    except FirstlightError as error:
        return [], error.with_hint
    return [
        {"id": row["id"], "path": row["path"], "there": Path(row["path"]).is_dir()}
        for row in models
    ], ""
