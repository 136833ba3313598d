"""Publishes an artifact under a name, and proves that Foundry Local's own runtime answers with it."""

import asyncio
import contextlib
import importlib.util
from collections.abc import Callable
from pathlib import Path

from firstlight_core.artifact.artifact import check_artifact
from firstlight_core.artifact.copying import mark_answered, publish_copy
from firstlight_core.artifact.deployments import (
    Deployment,
    find_deployment,
    folders_in,
    list_deployments,
    read_deployment,
)
from firstlight_core.artifact.inference_model import (
    check_name,
    read_inference_model,
    validate_inference_model,
)
from firstlight_core.artifact.manifest import forced_reason
from firstlight_core.artifact.model_caches import ModelCache, remember
from firstlight_core.artifact.model_config import fit_to_context
from firstlight_core.artifact.publishing import previous_of, remove_tree, restore_previous
from firstlight_core.artifact.tokenizer_files import no_chat_template, read_chat_template
from firstlight_core.deploy.next_commands import foundry_commands
from firstlight_core.deploy.proof import prove
from firstlight_core.deploy.targets import deploy_targets
from firstlight_core.documents import jobs_foundry
from firstlight_core.documents.artifact import InferenceModel
from firstlight_core.documents.deploy import (
    AnswerProof,
    Deployed,
    ExportDocument,
    Published,
    RemovedDocument,
    Told,
    Visibility,
)
from firstlight_core.environment.toolchain import install_line
from firstlight_core.errors import CheckFailed, InputRefused, ToolchainMissing, UsageError
from firstlight_core.exports.export import export, undo_export
from firstlight_core.exports.table import EXPORTS
from firstlight_core.exports.vllm_command import Capacity
from firstlight_core.files import is_folder
from firstlight_core.foundry.background import list_background, stop_background
from firstlight_core.foundry.cli import find_foundry_cli
from firstlight_core.foundry.cli_cache import find_cache
from firstlight_core.foundry.folder_scan import diagnose
from firstlight_core.foundry.readers import choose_cache, seen_by
from firstlight_core.foundry.runtime import open_foundry
from firstlight_core.process.events import Event, Stage
from firstlight_core.template.dates import date_formats, frozen_date_notes
from firstlight_core.template.parity import derive_inference_model
from firstlight_core.text import one_line, shown_path

__all__ = ["Deployment", "deploy", "describe", "find_deployment", "list_deployments", "undo"]
QUESTION = "What is int4 quantization?"


async def deploy(
    artifact: Path | str,
    name: str,
    *,
    target: str = "foundry",
    question: str = QUESTION,
    replace: bool = False,
    cache: str = "private",
    source: Path | None = None,
    capacity: Capacity | None = None,
    force: bool = False,
    on_event: Callable[[Event], None] | None = None,
    started: Callable[[int], None] | None = None,
) -> Deployed:
    """Publish a real copy under `models/custom/<name>/`, and let Foundry Local prove that it answers.

    `cache` is one of `caches.CACHES`: Firstlight's own, or that of the `foundry` command.
    A target of `exports.table` writes an export instead; those that serve the original weights want them: `source`, or what the manifest names. Whatever fails, nothing of the new deployment is left, and an old one stays.

    An artifact that was published against the numbers gate is deployed with `force` only; `forced` then says why.

    Raises:
        UsageError: the name or the target is not usable.
        CheckFailed: the numbers gate was red when the artifact was made.
        InputRefused: the artifact is incomplete or changed, or the name is taken.
        ToolchainMissing: foundry-local-sdk is not installed.
    """
    say = on_event or (lambda event: None)
    check_name(name)
    _check_target(target)
    folder = Path(artifact)
    checked = check_artifact(folder)
    if (reason := forced_reason(folder)) and not force:
        raise CheckFailed(
            f"{shown_path(folder)} was published by force. {reason}",
            hint="Convert the model again, at another precision if it stays so; or deploy it all the same with --force.",
        )
    if read_chat_template(folder) is None:
        raise no_chat_template(folder)
    if target in EXPORTS:
        settled, fitted = await _document(folder, name)
        exported = await export(
            folder,
            name,
            target,
            settled,
            source=source,
            capacity=capacity,
            replace=replace,
            say=say,
        )
        document: ExportDocument = {
            **exported,
            **_with_notes(settled, [*exported.get("notes", ()), *fitted], forced=reason),
        }
        return document
    model_cache = await choose_cache(cache)
    # What a killed deployment left is replaced without asking: it was never proven to work.
    unfinished = read_deployment(model_cache.custom / name, model_cache)
    replace = replace or (unfinished is not None and not unfinished.proven)
    output = _free_place(name, folder, model_cache, replace=replace)
    before = read_deployment(output, model_cache) if replace else None
    settled, fitted = await _document(folder, name)
    say(Stage("publish", f"Publishing {name}"))
    identifier = _identifier(name, target, before)
    await asyncio.to_thread(remember, model_cache)
    await publish_copy(
        folder, output, settled, cache=model_cache, target=target, identifier=identifier, say=say
    )
    formats = date_formats(read_chat_template(folder) or "")
    notes = [*fitted, *frozen_date_notes(settled["PromptTemplate"], formats)]
    proof: AnswerProof | None = None
    if target == "foundry":
        try:
            proof = await prove(
                output, identifier, question, cache=model_cache, say=say, started=started
            )
        except BaseException:
            # On any failure the unproven deployment is removed, and a replaced one is restored.
            await asyncio.shield(_take_back(name, output, model_cache, before))
            raise
        await asyncio.to_thread(mark_answered, output, verified=proof["verified"])
    published: Published = {
        "name": name,
        "id": identifier,
        "path": str(output),
        "target": target,
        "precision": checked.precision,
        **_with_notes(settled, notes, forced=reason),
        **await describe(output, model_cache),
    }
    if proof is None:
        return {"kind": "published", "verified": False, **published}
    return {"kind": "answered", "ok": proof["verified"], **proof, **published}


async def describe(output: Path, cache: ModelCache) -> Visibility:
    """Return who finds the deployment in this folder, and what to type."""
    cli = await find_foundry_cli()
    cli_cache = await find_cache() if cli is not None and cli.version else None
    return {
        "cache": cache.id,
        "seen_by": [reader.to_json() for reader in seen_by(cache, cli, cli_cache)],
        "folder_drop": (await asyncio.to_thread(diagnose, output, cache.root)).to_json(),
        "commands": foundry_commands(output.name, cache, cli, cli_cache),
    }


async def _document(folder: Path, name: str) -> tuple[InferenceModel, list[str]]:
    """Return the artifact's settled document, or the one that its tokenizer implies, under the deployed name.

    Its `max_length` is one that the model has; the sentences say where it asked for more.
    """
    document = read_inference_model(folder) or await derive_inference_model(folder, name)
    checked, fitted = fit_to_context(validate_inference_model({**document, "Name": name}), folder)
    return checked, [fitted] if fitted else []


def _with_notes(settled: InferenceModel, notes: list[str], *, forced: str) -> Told:
    """Return the deployment's default search settings, with notes for the user."""
    result: Told = {}
    if forced:
        result["forced"] = forced
    if config := settled.get("ModelConfig"):
        result["model_config"] = config
    if notes:
        result["notes"] = notes
    return result


def _check_target(target: str) -> None:
    if target not in deploy_targets():
        raise UsageError(
            f"There is no target {one_line(target, 40)!r}.",
            hint=f"Choose one of: {', '.join(deploy_targets())}.",
        )
    if target == "foundry" and importlib.util.find_spec("foundry_local_sdk") is None:
        raise ToolchainMissing(
            "foundry-local-sdk is not installed, so Foundry Local cannot be asked.",
            hint=f"Use --target folder, or install it: {install_line('foundry')}",
        )


def _identifier(name: str, target: str, before: Deployment | None) -> str:
    """Foundry Local's id: the version goes up when a deployment is replaced."""
    if target != "foundry":
        return name
    version = before.id.partition(":")[2] if before is not None else ""
    return f"{name}:{int(version) + 1 if version.isdecimal() else 1}"


def _free_place(name: str, artifact: Path, cache: ModelCache, *, replace: bool) -> Path:
    output = cache.custom / name
    if artifact.resolve() == output.resolve():
        raise InputRefused(f"{name} is deployed from that very folder already.")
    hint = f"Choose another one, or remove it: firstlight deploy --name {name} --undo"
    for deployment in list_deployments():
        if deployment.name.lower() == name.lower() and deployment.home != cache:
            where = shown_path(deployment.home.root)
            raise InputRefused(
                f"The name {one_line(deployment.name, 80)} is taken in {where}.", hint=hint
            )
    occupied = output if output.exists() or output.is_symlink() else None
    if occupied is None:
        # Foundry Local's names and some file systems do not tell case apart.
        twins = [path for path in folders_in(cache) if path.name.lower() == name.lower()]
        occupied = twins[0] if twins else None
    if occupied is not None and not replace:
        raise InputRefused(f"The name {one_line(occupied.name, 80)} is taken.", hint=hint)
    return output


async def _take_back(name: str, output: Path, cache: ModelCache, before: Deployment | None) -> None:
    """Undo a deployment that was not proven and put back the one that it replaced."""
    with contextlib.suppress(Exception):
        async with open_foundry(cache=cache) as job:
            await job.call(jobs_foundry.UNREGISTER({"name": name, "folder": str(output)}))
    if before is None:
        await asyncio.to_thread(_remove, output)
        return
    await asyncio.to_thread(restore_previous, output)
    await asyncio.to_thread(remove_tree, previous_of(output))
    if before.target == "foundry":
        with contextlib.suppress(Exception):
            async with open_foundry(cache=cache) as job:
                await job.call(jobs_foundry.REGISTER({"folder": str(output), "id": before.id}))


async def undo(name: str, *, target: str = "foundry") -> RemovedDocument:
    """Take a deployment, or an export of `target`, back without a trace: services, registration, files, what it replaced.

    Raises:
        InputRefused: there is no deployment of this name.
        ToolchainMissing: it is registered, and foundry-local-sdk is gone.
    """
    check_name(name)
    if target in EXPORTS:
        return await asyncio.to_thread(undo_export, name, target)
    deployment = find_deployment(name)
    if deployment is None:
        known = ", ".join(d.name for d in list_deployments()[:8])
        raise InputRefused(
            f"There is no deployment {one_line(name, 80)!r}.",
            hint=f"Deployed here: {known}." if known else "Nothing is deployed here.",
        )
    removed: list[str] = []
    for service in list_background():
        if service.target == name:
            await asyncio.to_thread(stop_background, service)
            removed.append(service.base_url)
    if deployment.target == "foundry":
        async with open_foundry(cache=deployment.home) as job:
            done = await job.call(
                jobs_foundry.UNREGISTER({"name": name, "folder": str(deployment.path)})
            )
            removed += done["removed"]
    await asyncio.to_thread(_remove, deployment.path)
    return {"kind": "removed", "name": name, "removed": [*removed, str(deployment.path)]}


def _remove(output: Path) -> None:
    for folder in (output, previous_of(output)):
        if is_folder(folder) and not folder.is_symlink():
            remove_tree(folder)
    for folder in (output.parent, output.parent.parent):
        with contextlib.suppress(OSError):
            folder.rmdir()
