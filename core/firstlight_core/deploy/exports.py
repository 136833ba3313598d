"""The other roads out of a run: a bundle, an Ollama Modelfile, a vLLM server."""

import asyncio
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from firstlight_core.conversion.publishing import (
    open_staging,
    publish,
    read_manifest,
    remove_tree,
    sha256_of,
    tool_versions,
    write_manifest,
)
from firstlight_core.deploy.bundle import write_bundle
from firstlight_core.deploy.ollama_export import ollama_export
from firstlight_core.deploy.verification import verify_bundle
from firstlight_core.deploy.vllm import Capacity
from firstlight_core.deploy.vllm_export import vllm_export
from firstlight_core.deploy.weights import Weights, changed_since, licences, original_weights
from firstlight_core.errors import FirstlightError, InputRefused, UsageError
from firstlight_core.events import Event, Progress, Stage
from firstlight_core.files import write_whole
from firstlight_core.paths import find_paths
from firstlight_core.talk.artifacts import check_artifact
from firstlight_core.template.inference_model import check_name
from firstlight_core.text import one_line

Document = dict[str, Any]
EXPORTS = ("bundle", "ollama", "vllm")


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
) -> Document:
    """Write one export; `document` is the settled inference_model.json.

    The document: `name, id, path, target, verified, files[], notes[], commands[]`. `verified` is true only for
    what was read back and checked here; a server that was not run is not verified.

    Raises:
        UsageError: the name is taken, or a number is out of range.
        InputRefused: the original weights are not there.
        CheckFailed: the TEMPLATE for Ollama does not say what the tokenizer's template says.
    """
    check_name(name)
    place = export_place(name, target)
    if place.exists() and not replace:
        raise InputRefused(
            f"There is a {target} export {name} already.",
            hint="Add --replace, or remove it: "
            f"firstlight deploy --name {name} --target {target} --undo",
        )
    say(Stage("export", f"Writing {target} for {name}"))
    base: Document = {"name": name, "id": name, "path": str(place), "target": target}
    if target == "bundle":
        return base | await asyncio.to_thread(_bundle, artifact, place, document, source, say)
    weights = await asyncio.to_thread(original_weights, artifact, source)
    if target == "ollama":
        texts, found = await _ollama(artifact, weights, name, document, place)
    else:
        wanted = (capacity or Capacity()).checked()
        texts, found = vllm_export(artifact, weights, name, document, place, wanted)
    if await asyncio.to_thread(changed_since, artifact, weights):
        found["notes"].append("These weights are not the ones that the artifact was made of.")
    await asyncio.to_thread(_write_folder, place, texts)
    return base | {"verified": False, "files": sorted(texts)} | found


def undo_export(name: str, target: str) -> Document:
    """Remove an export.

    Raises:
        UsageError: there is none of this name.
    """
    place = export_place(check_name(name), target)
    if place.is_file():
        place.unlink()
    elif place.is_dir() and read_manifest(place) is not None:
        remove_tree(place)
    else:
        raise UsageError(f"There is no {target} export {name}.")
    for folder in (place.parent, place.parent.parent):
        if not any(folder.iterdir()):
            folder.rmdir()
    return {"name": name, "removed": [str(place)]}


def _write_folder(place: Path, texts: Mapping[str, str]) -> None:
    with open_staging(place) as staging:
        for file, text in texts.items():
            mode = 0o755 if file.endswith(".sh") else 0o644
            write_whole(staging.artifact / file, text, mode=mode)
        write_manifest(staging.artifact, {"tools": tool_versions()})
        publish(staging.artifact, place)
    for file in texts:
        if file.endswith(".sh"):
            (place / file).chmod(0o755)


def _bundle(
    artifact: Path,
    place: Path,
    document: Mapping[str, Any],
    source: Path | None,
    say: Callable[[Event], None],
) -> Document:
    from firstlight_core.deploy.copy import copy_complete

    found = _licences(artifact, source)
    with open_staging(place) as staging:
        copy_complete(artifact, staging.artifact, document)
        zipped = staging.work / place.name
        write_bundle(
            staging.artifact,
            zipped,
            licences=found,
            tell=lambda done, total: say(Progress(done, total, "bytes")),
        )
        checked = verify_bundle(zipped)
        zipped.replace(place)
    return {
        "verified": checked["ok"],
        "files": [place.name],
        "bytes": place.stat().st_size,
        "sha256": sha256_of(place),
        "notes": [_licence_note(found)],
        "commands": [
            {"command": shlex.join(["firstlight", "verify", str(place)]), "does": "check it"},
            {"command": 'python chat.py "Your question"', "does": "talk to it, once unpacked"},
        ],
    }


def _licences(artifact: Path, source: Path | None) -> dict[str, bytes]:
    """The licence files of the artifact and of the weights that it was made of, as far as they are still there."""
    try:
        weights = original_weights(artifact, source)
    except FirstlightError:
        return licences(artifact)
    return licences(artifact, weights.adapter, weights.folder)


def _licence_note(found: Mapping[str, bytes]) -> str:
    if found:
        return f"The licence goes with it: {', '.join(one_line(name, 40) for name in found)}."
    return (
        "No licence file was found beside the weights: look up their terms before you pass it on."
    )


async def _ollama(
    artifact: Path, weights: Weights, name: str, document: Mapping[str, Any], place: Path
) -> tuple[dict[str, str], Document]:
    context = check_artifact(artifact).context_length
    text, notes = await ollama_export(artifact, weights, document, context=context)
    commands = [
        {
            "command": shlex.join(["ollama", "create", name, "-f", str(place / "Modelfile")]),
            "does": "import it",
        },
        {"command": shlex.join(["ollama", "run", name]), "does": "talk to it"},
    ]
    return {"Modelfile": text}, {"notes": notes, "commands": commands}
