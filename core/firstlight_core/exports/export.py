"""The other roads out of a run: a bundle, an Ollama Modelfile, a vLLM server."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from firstlight_core.artifact.artifact import check_artifact
from firstlight_core.artifact.inference_model import check_name
from firstlight_core.artifact.publishing import (
    open_staging,
    publish,
    read_manifest,
    remove_tree,
    tool_versions,
    write_manifest,
)
from firstlight_core.documents.deploy import ExportDocument, RemovedDocument, WrittenExport
from firstlight_core.errors import InputRefused
from firstlight_core.exports.bundle import bundle_export
from firstlight_core.exports.ollama import ollama_export
from firstlight_core.exports.ollama_commands import ollama_commands
from firstlight_core.exports.source_weights import SourceWeights, changed_since, original_weights
from firstlight_core.exports.vllm import vllm_export
from firstlight_core.exports.vllm_command import Capacity
from firstlight_core.files import write_whole
from firstlight_core.paths import find_paths
from firstlight_core.process.events import Event, Stage
from firstlight_core.text import shown_path

EXPORTS = ("bundle", "ollama", "vllm")
CHANGED = "These weights are not the ones that the artifact was made of."
_WRITTEN = {"bundle": "the bundle", "ollama": "the Modelfile", "vllm": "the files for vLLM"}


def export_place(name: str, target: str) -> Path:
    """Where an export of this name is written."""
    folder = find_paths().data / "exports" / target
    return folder / (f"{name}.zip" if target == "bundle" else name)


async def export(
    artifact: Path,
    name: str,
    target: str,
    document: Mapping[str, Any],
    *,
    source: Path | None = None,
    capacity: Capacity | None = None,
    replace: bool = False,
    say: Callable[[Event], None],
) -> ExportDocument:
    """Write one export; `document` is the settled inference_model.json.

    Raises:
        UsageError: the name is taken, or a number is out of range.
        InputRefused: the original weights are not there.
        CheckFailed: the TEMPLATE for Ollama does not say what the tokenizer's template says.
    """
    check_name(name)
    destination = export_place(name, target)
    if destination.exists() and not replace:
        raise InputRefused(
            f"There is a {target} export {name} already.",
            hint="Add --replace, or remove it: "
            f"firstlight deploy --name {name} --target {target} --undo",
        )
    say(Stage("export", f"Writing {_WRITTEN[target]} for {name}"))
    if target == "bundle":
        written = await bundle_export(artifact, destination, document, source=source, say=say)
    else:
        weights = await asyncio.to_thread(original_weights, artifact, source)
        if target == "ollama":
            texts, written = await _ollama(artifact, weights, name, document, destination)
        else:
            wanted = (capacity or Capacity()).checked()
            texts, written = vllm_export(artifact, weights, name, document, destination, wanted)
        if await asyncio.to_thread(changed_since, artifact, weights):
            written.setdefault("notes", []).append(CHANGED)
        await asyncio.to_thread(_write_folder, destination, texts)
    return {
        "kind": "export",
        "name": name,
        "id": name,
        "path": str(destination),
        "target": target,
        **written,
    }


def undo_export(name: str, target: str) -> RemovedDocument:
    """Remove an export.

    Raises:
        InputRefused: there is none of this name.
    """
    exported = export_place(check_name(name), target)
    if exported.is_file():
        exported.unlink()
    elif exported.is_dir() and read_manifest(exported) is not None:
        remove_tree(exported)
    else:
        raise InputRefused(
            f"There is no {target} export {name}.",
            hint=f"Exports stand in {shown_path(exported.parent)}.",
        )
    for folder in (exported.parent, exported.parent.parent):
        if not any(folder.iterdir()):
            folder.rmdir()
    return {"kind": "removed", "name": name, "removed": [str(exported)]}


def _write_folder(destination: Path, texts: Mapping[str, str]) -> None:
    with open_staging(destination) as staging:
        for file, text in texts.items():
            mode = 0o755 if file.endswith(".sh") else 0o644
            write_whole(staging.artifact / file, text, mode=mode)
        write_manifest(staging.artifact, {"tools": tool_versions()})
        publish(staging.artifact, destination)
    for file in texts:
        if file.endswith(".sh"):
            (destination / file).chmod(0o755)


async def _ollama(
    artifact: Path, weights: SourceWeights, name: str, document: Mapping[str, Any], folder: Path
) -> tuple[dict[str, str], WrittenExport]:
    context = check_artifact(artifact).context_length
    text, notes = await ollama_export(artifact, weights, document, context=context)
    commands, command_notes = ollama_commands(name, folder / "Modelfile")
    return {"Modelfile": text}, {
        "verified": False,
        "files": ["Modelfile"],
        "notes": notes + command_notes,
        "commands": commands,
    }
