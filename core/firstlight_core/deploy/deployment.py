"""Publishes an artifact under a name, and proves that Foundry Local's own runtime answers with it."""

import asyncio
import contextlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firstlight_core.conversion.publishing import (
    previous_of,
    read_manifest,
    remove_tree,
    restore_previous,
)
from firstlight_core.deploy.copy import mark_proven, publish_copy
from firstlight_core.deploy.exports import EXPORTS, export
from firstlight_core.deploy.foundry_cli import cli_commands, find_foundry_cli
from firstlight_core.deploy.foundry_doctor import diagnose
from firstlight_core.deploy.foundry_proof import open_foundry, prove
from firstlight_core.deploy.vllm import Capacity
from firstlight_core.errors import InputRefused, TemplateRefused, ToolchainMissing, UsageError
from firstlight_core.events import Event, Stage
from firstlight_core.paths import find_paths
from firstlight_core.talk.artifacts import check_artifact
from firstlight_core.template.files import read_chat_template
from firstlight_core.template.inference_model import (
    check_name,
    read_inference_model,
    validate_inference_model,
)
from firstlight_core.template.lock import derive_inference_model
from firstlight_core.text import one_line, shown_path

Document = dict[str, Any]
QUESTION = "What is int4 quantization?"
TARGETS = ("foundry", "folder", *EXPORTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """An artifact that was published under a name."""

    name: str
    path: Path
    target: str
    id: str
    """Foundry Local's id, or the name where Foundry Local was not asked."""
    precision: str | None = None
    proven: bool = True
    """False when Firstlight was killed between publishing it and its first answer."""

    def to_json(self) -> Document:
        """A JSON object."""
        return {
            "name": self.name,
            "path": str(self.path),
            "target": self.target,
            "id": self.id,
            "precision": self.precision,
            "proven": self.proven,
        }


def _custom() -> Path:
    return find_paths().models / "custom"


def list_deployments() -> list[Deployment]:
    """Everything that is published on this machine, by name."""
    root = _custom()
    if not root.is_dir():
        return []
    return [found for path in sorted(root.iterdir()) if (found := _read(path)) is not None]


def _read(path: Path) -> Deployment | None:
    manifest = read_manifest(path) if path.is_dir() and not path.is_symlink() else None
    about = manifest.get("deployment") if manifest is not None else None
    if manifest is None or not isinstance(about, Mapping):
        return None
    precision = manifest.get("precision")
    return Deployment(
        name=path.name,
        path=path,
        target=str(about.get("target", "folder")),
        id=str(about.get("id", path.name)),
        precision=precision if isinstance(precision, str) else None,
        proven=about.get("proven") is not False,
    )


def find_deployment(name: str) -> Deployment | None:
    """The deployment of this name; None when there is none."""
    try:
        return _read(_custom() / check_name(name))
    except (UsageError, OSError):
        return None


async def deploy(
    artifact: Path | str,
    name: str,
    *,
    target: str = "foundry",
    question: str = QUESTION,
    replace: bool = False,
    source: Path | None = None,
    capacity: Capacity | None = None,
    on_event: Callable[[Event], None] | None = None,
    started: Callable[[int], None] | None = None,
) -> Document:
    """Publish a real copy under `models/custom/<name>/`, and let Foundry Local prove that it answers.

    The document: `name, id, path, target, verified, commands[]`, and for Foundry Local `question, answer,
    artifact_answer, finish_reason, load_seconds, answer_seconds`. `ok` is false when the answers differ.
    The targets bundle, ollama and vllm write an export instead (`exports.export`); the last two want the
    original weights: `source`, or what the manifest names. Whatever fails, nothing of the new deployment is left, and an old one stays.

    Raises:
        UsageError: the name or the target is not usable.
        InputRefused: the artifact is incomplete or changed, or the name is taken.
        ToolchainMissing: foundry-local-sdk is not installed.
    """
    say = on_event or (lambda event: None)
    check_name(name)
    _check_target(target)
    folder = Path(artifact)
    checked = check_artifact(folder)
    if read_chat_template(folder) is None:
        raise TemplateRefused(
            f"{shown_path(folder)} has no chat template, so no runtime can talk to it.",
            hint="Copy chat_template.jinja from the source, or from the base model.",
        )
    if target in EXPORTS:
        settled = await _document(folder, name)
        return await export(
            folder, name, target, settled, source=source, capacity=capacity, say=say
        )
    # What a killed deployment left is replaced without asking: it was never proven to work.
    unfinished = _read(_custom() / name)
    replace = replace or (unfinished is not None and not unfinished.proven)
    output = _free_place(name, folder, replace=replace)
    before = _read(output) if replace else None
    document = await _document(folder, name)
    say(Stage("publish", f"Publishing {name}"))
    identifier = _identifier(name, target, before)
    await publish_copy(folder, output, document, target=target, identifier=identifier, say=say)
    result: Document = {
        "name": name,
        "id": identifier,
        "path": str(output),
        "target": target,
        "verified": False,
        "precision": checked.precision,
    }
    if target == "foundry":
        try:
            proof = await prove(
                output, identifier, question, say=say, started=started, replace=replace
            )
        except BaseException:
            # Whatever stopped it: the half-proven deployment does not stay. A replaced one comes back.
            await asyncio.shield(_take_back(name, output, before))
            raise
        await asyncio.to_thread(mark_proven, output)
        result |= proof
        result["ok"] = result["verified"]
    models = find_paths().models
    result["folder_drop"] = (await asyncio.to_thread(diagnose, output, models)).to_json()
    cli = await find_foundry_cli()
    result["commands"] = [
        {"command": f"firstlight serve {name}", "does": "serve it to every OpenAI client"},
        {"command": f"firstlight chat {name}", "does": "talk to it"},
        *cli_commands(cli, name, str(models)),
    ]
    return result


async def _document(folder: Path, name: str) -> Document:
    """The artifact's settled document, or the one that its tokenizer implies, under the deployed name."""
    document = read_inference_model(folder) or await derive_inference_model(folder, name)
    return validate_inference_model({**document, "Name": name})


def _check_target(target: str) -> None:
    if target not in TARGETS:
        raise UsageError(
            f"There is no target {one_line(target, 40)!r}.",
            hint=f"Choose one of: {', '.join(TARGETS)}.",
        )
    if target == "foundry" and importlib.util.find_spec("foundry_local_sdk") is None:
        raise ToolchainMissing(
            "foundry-local-sdk is not installed, so Foundry Local cannot be asked.",
            hint='Install it: pip install "firstlight[foundry]", or use --target folder.',
        )


def _identifier(name: str, target: str, before: Deployment | None) -> str:
    """Foundry Local's id: the version goes up when a deployment is replaced."""
    if target != "foundry":
        return name
    version = before.id.partition(":")[2] if before is not None else ""
    return f"{name}:{int(version) + 1 if version.isdecimal() else 1}"


def _free_place(name: str, artifact: Path, *, replace: bool) -> Path:
    output = _custom() / name
    if artifact.resolve() == output.resolve():
        raise InputRefused(f"{name} is deployed from that very folder already.")
    taken = output if output.exists() or output.is_symlink() else None
    if taken is None and _custom().is_dir():
        # Foundry Local's names and some file systems do not tell case apart.
        twins = [path for path in _custom().iterdir() if path.name.lower() == name.lower()]
        taken = twins[0] if twins else None
    if taken is not None and not replace:
        raise InputRefused(
            f"The name {one_line(taken.name, 80)} is taken.",
            hint=f"Choose another one, or remove it: firstlight deploy --name {name} --undo",
        )
    return output


async def _take_back(name: str, output: Path, before: Deployment | None) -> None:
    """Undo a deployment that was not proven; the one that it replaced stands there again."""
    with contextlib.suppress(Exception):
        async with open_foundry() as job:
            await job.request("unregister", name=name)
    if before is None:
        await asyncio.to_thread(_remove, output)
        return
    await asyncio.to_thread(restore_previous, output)
    await asyncio.to_thread(remove_tree, previous_of(output))
    if before.target == "foundry":
        with contextlib.suppress(Exception):
            async with open_foundry() as job:
                await job.request("register", folder=str(output), id=before.id)


async def undo(name: str) -> Document:
    """Take a deployment back without a trace: registration, files, and what it replaced.

    The document: `name, removed[]`.

    Raises:
        UsageError: there is no deployment of this name.
        ToolchainMissing: it is registered, and foundry-local-sdk is gone.
    """
    output = _custom() / check_name(name)
    found = _read(output)
    if found is None:
        known = ", ".join(d.name for d in list_deployments()[:8])
        raise UsageError(
            f"There is no deployment {one_line(name, 80)!r}.",
            hint=f"Deployed here: {known}." if known else "Nothing is deployed here.",
        )
    removed: list[str] = []
    if found.target == "foundry":
        async with open_foundry() as job:
            removed += (await job.request("unregister", name=name))["removed"]
    await asyncio.to_thread(_remove, output)
    return {"name": name, "removed": [*removed, str(output)]}


def _remove(output: Path) -> None:
    for folder in (output, previous_of(output)):
        if folder.is_dir() and not folder.is_symlink():
            remove_tree(folder)
    for folder in (output.parent, output.parent.parent):
        with contextlib.suppress(OSError):
            folder.rmdir()
