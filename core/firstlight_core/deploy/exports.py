"""The other roads out of a run: a bundle, an Ollama Modelfile, a vLLM server."""

import asyncio
import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from firstlight_core.conversion.publishing import (
    open_staging,
    publish,
    read_manifest,
    remove_tree,
    tool_versions,
    write_manifest,
)
from firstlight_core.deploy.bundle import verify_bundle, write_bundle
from firstlight_core.deploy.ollama import default_system, modelfile, render_go
from firstlight_core.deploy.vllm import Capacity, compose, kubernetes, serve_script
from firstlight_core.errors import CheckFailed, InputRefused, UsageError
from firstlight_core.events import Event, Progress, Stage
from firstlight_core.files import write_whole
from firstlight_core.paths import find_paths
from firstlight_core.talk.artifacts import check_artifact
from firstlight_core.template.cut import USER
from firstlight_core.template.files import added_tokens, read_chat_template, read_special_tokens
from firstlight_core.template.inference_model import check_name
from firstlight_core.template.rendering import private_tokenizer, render
from firstlight_core.template.shapes import lock_shapes
from firstlight_core.template.stop_tokens import turn_ends
from firstlight_core.text import shown_path

Document = dict[str, Any]
EXPORTS = ("bundle", "ollama", "vllm")


def export_place(name: str, target: str) -> Path:
    """Where an export of this name is written."""
    folder = find_paths().data / "exports" / target
    return folder / (f"{name}.zip" if target == "bundle" else name)


def source_of(artifact: Path) -> Path:
    """The folder of the original weights, as the artifact's manifest names it.

    Raises:
        InputRefused: it names none, or the folder is gone.
    """
    about = (read_manifest(artifact) or {}).get("source")
    path = about.get("path") if isinstance(about, Mapping) else None
    if not isinstance(path, str) or not Path(path).is_dir():
        raise InputRefused(
            "The artifact does not say where its original weights are, or they are gone.",
            hint="Name them: --source FOLDER",
        )
    return Path(path)


async def export(
    artifact: Path,
    name: str,
    target: str,
    document: Mapping[str, Any],
    *,
    source: Path | None = None,
    capacity: Capacity | None = None,
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
    if place.exists():
        raise InputRefused(
            f"There is a {target} export {name} already.",
            hint=f"Remove it first: firstlight deploy --name {name} --target {target} --undo",
        )
    say(Stage("export", f"Writing {target} for {name}"))
    base: Document = {"name": name, "id": name, "path": str(place), "target": target}
    if target == "bundle":
        return base | await asyncio.to_thread(_bundle, artifact, place, document, say)
    weights = (source if source is not None else source_of(artifact)).absolute()
    if not weights.is_dir():
        raise InputRefused(f"There is no folder {shown_path(weights)}.")
    if target == "ollama":
        texts, found = await _ollama(artifact, weights, name, document, place)
    else:
        wanted = (capacity or Capacity()).checked()
        # vLLM refuses to start with more context than the model has.
        longest = check_artifact(artifact).context_length
        fitting = replace(wanted, context=min(wanted.context, longest))
        texts, found = _vllm(artifact, weights, name, place, fitting)
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
    artifact: Path, place: Path, document: Mapping[str, Any], say: Callable[[Event], None]
) -> Document:
    from firstlight_core.deploy.copy import copy_complete

    with open_staging(place) as staging:
        copy_complete(artifact, staging.artifact, document)
        zipped = staging.work / place.name
        write_bundle(
            staging.artifact, zipped, tell=lambda done, total: say(Progress(done, total, "bytes"))
        )
        checked = verify_bundle(zipped)
        zipped.rename(place)
    return {
        "verified": checked["ok"],
        "files": [place.name],
        "bytes": place.stat().st_size,
        "notes": [],
        "commands": [
            {"command": shlex.join(["firstlight", "verify", str(place)]), "does": "check it"},
            {"command": 'python chat.py "Your question"', "does": "talk to it, once unpacked"},
        ],
    }


async def _ollama(
    artifact: Path, weights: Path, name: str, document: Mapping[str, Any], place: Path
) -> tuple[dict[str, str], Document]:
    template: Mapping[str, str] = document["PromptTemplate"]
    begin = read_special_tokens(artifact).get("bos_token", "")
    stops = list(turn_ends(template, added_tokens(artifact)))
    text = modelfile(weights, document, begin=begin, stops=stops)
    notes = await _prove_go(artifact, template, text, begin)
    commands = [
        {
            "command": shlex.join(["ollama", "create", name, "-f", str(place / "Modelfile")]),
            "does": "import it",
        },
        {"command": shlex.join(["ollama", "run", name]), "does": "talk to it"},
    ]
    return {"Modelfile": text}, {"notes": notes, "commands": commands}


async def _prove_go(
    artifact: Path, template: Mapping[str, str], text: str, begin: str
) -> list[str]:
    """Render the Modelfile's TEMPLATE and compare it with the tokenizer's template, conversation by conversation."""
    go = text.split('TEMPLATE """', 1)[1].split('"""', 1)[0]
    system = default_system(template)
    shapes = [shape for shape in lock_shapes(tuple(added_tokens(artifact))) if shape.generate]
    async with private_tokenizer(artifact) as tokenizer:
        asked = [shape.to_json() for shape in shapes]
        drawn = (await render("jinja", tokenizer, asked))["renders"]
    other: list[str] = []
    for shape, found in zip(shapes, drawn, strict=True):
        messages = list(shape.messages)
        if system is not None and messages[0]["role"] != "system":
            messages.insert(0, {"role": "system", "content": system})
        if "text" in found and render_go(go, messages) != found["text"].removeprefix(begin):
            other.append(shape.label)
    proof = render_go(go, [{"role": "user", "content": USER}])
    if "one question" in other or USER not in proof:
        raise CheckFailed(
            "Ollama's TEMPLATE cannot say what the tokenizer's chat template says, not even for one question.",
            hint="Use --target bundle or vllm, which keep the chat template itself.",
        )
    notes = [
        f"TEMPLATE was rendered and compared: {len(shapes) - len(other)} of {len(shapes)} conversations agree."
    ]
    if other:
        notes.append(f"It differs for: {', '.join(other)}.")
    notes.append(
        "Ollama imports safetensors of some architectures only; a GGUF file in FROM always works."
    )
    return notes


def _vllm(
    artifact: Path, weights: Path, name: str, place: Path, capacity: Capacity
) -> tuple[dict[str, str], Document]:
    template = read_chat_template(artifact)
    if template is None:
        raise InputRefused("The artifact has no chat template to serve with.")
    total = sum(p.stat().st_size for p in weights.iterdir() if p.suffix == ".safetensors")
    texts = {
        "chat_template.jinja": template,
        "serve.sh": serve_script(str(weights), name, capacity),
        "compose.yaml": compose(str(weights), name, capacity),
        "kubernetes.yaml": kubernetes(
            name, capacity, template=template, weights_gib=-(-total // 2**30)
        ),
    }
    commands = [
        {
            "command": shlex.join(["sh", str(place / "serve.sh")]),
            "does": "serve it on this machine",
        },
        {
            "command": shlex.join(
                ["docker", "compose", "-f", str(place / "compose.yaml"), "up", "-d"]
            ),
            "does": "serve it in a container",
        },
        {
            "command": shlex.join(["kubectl", "apply", "-f", str(place / "kubernetes.yaml")]),
            "does": "serve it in a cluster (put the weights into its volume claim first)",
        },
    ]
    notes = [
        "These files were generated, not run: vLLM serves the original weights, not the ONNX artifact."
    ]
    return texts, {"notes": notes, "commands": commands}
