"""Publishes an artifact under a name, and proves that Foundry Local's own runtime answers with it."""

import asyncio
import contextlib
import importlib.util
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firstlight_core.artifacts import check_artifact
from firstlight_core.engine import open_engine
from firstlight_core.errors import (
    InputRefused,
    StateProblem,
    TemplateRefused,
    ToolchainMissing,
    UsageError,
)
from firstlight_core.events import Event, Progress, Reply, Stage
from firstlight_core.files import state_problem, write_json
from firstlight_core.foundry_cli import cli_commands, find_foundry_cli
from firstlight_core.inference_model import (
    INFERENCE_MODEL,
    check_name,
    read_inference_model,
    validate_inference_model,
)
from firstlight_core.paths import find_paths
from firstlight_core.publishing import (
    HIDDEN_MARK,
    MANIFEST,
    files_in,
    open_staging,
    previous_of,
    publish,
    read_manifest,
    remove_tree,
    tool_versions,
    write_manifest,
)
from firstlight_core.runner import OpenJob, open_job
from firstlight_core.template_files import read_chat_template
from firstlight_core.template_lock import derive_inference_model
from firstlight_core.template_settle import heal_manifest
from firstlight_core.text import one_line, shown_path

Document = dict[str, Any]
QUESTION = "What is int4 quantization?"
ANSWER_TOKENS = 64
TARGETS = ("foundry", "folder")
LATER_TARGETS = ("ollama", "vllm", "bundle")
_CHUNK = 4 * 2**20
_OWN = frozenset({INFERENCE_MODEL, MANIFEST, HIDDEN_MARK})


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """An artifact that was published under a name."""

    name: str
    path: Path
    target: str
    id: str
    """Foundry Local's id, or the name where Foundry Local was not asked."""
    precision: str | None = None

    def to_json(self) -> Document:
        """A JSON object."""
        return {
            "name": self.name,
            "path": str(self.path),
            "target": self.target,
            "id": self.id,
            "precision": self.precision,
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
    on_event: Callable[[Event], None] | None = None,
    started: Callable[[int], None] | None = None,
) -> Document:
    """Publish a real copy under `models/custom/<name>/`, and let Foundry Local prove that it answers.

    The document: `name, id, path, target, verified, commands[]`, and for Foundry Local `question, answer,
    artifact_answer, finish_reason, load_seconds, answer_seconds`. `ok` is false when the answers differ.
    Whatever fails, nothing of the new deployment is left, and an old one stays.

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
    output = _free_place(name, folder, replace=replace)
    document = read_inference_model(folder) or await derive_inference_model(folder, name)
    document = validate_inference_model({**document, "Name": name})
    say(Stage("publish", f"Publishing {name}"))
    identifier = f"{name}:1" if target == "foundry" else name
    await _publish(folder, output, document, target=target, identifier=identifier, say=say)
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
            proof = await _prove(
                output, identifier, question, say=say, started=started, replace=replace
            )
        except BaseException:
            # Whatever stopped it: the half-proven deployment does not stay. A replaced one comes back.
            await asyncio.shield(_take_back(name, output))
            raise
        result |= proof
        result["ok"] = result["verified"]
    cli = await find_foundry_cli()
    result["commands"] = [
        {"command": f"firstlight serve {name}", "does": "serve it to every OpenAI client"},
        {"command": f"firstlight chat {name}", "does": "talk to it"},
        *cli_commands(cli, name, str(find_paths().models)),
    ]
    return result


def _check_target(target: str) -> None:
    if target in LATER_TARGETS:
        raise UsageError(
            f"The target {target!r} is not there yet.", hint=f"Choose one of: {', '.join(TARGETS)}."
        )
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


async def _publish(
    folder: Path,
    output: Path,
    document: Mapping[str, Any],
    *,
    target: str,
    identifier: str,
    say: Callable[[Event], None],
) -> None:
    """Copy, complete, check against the manifest, and make it visible in one step."""
    stop = threading.Event()
    loop = asyncio.get_running_loop()

    def tell(done: int, total: int) -> None:
        loop.call_soon_threadsafe(say, Progress(done, total, "bytes"))

    def work() -> None:
        heal_manifest(folder)
        old = read_manifest(folder)
        # The staging folder stands outside `models/`, which Foundry Local's old scanners read to any depth.
        with open_staging(output, beside=find_paths().models) as staging:
            output.parent.mkdir(parents=True, exist_ok=True)
            _copy_files(folder, staging.artifact, stop=stop, tell=tell)
            write_json(staging.artifact / INFERENCE_MODEL, document)
            about = {"target": target, "id": identifier, "at": time.time()}
            kept = {k: v for k, v in (old or {"tools": tool_versions()}).items() if k != "files"}
            new = write_manifest(staging.artifact, {**kept, "deployment": about}, stop=stop)
            _compare_files(old, new)
            publish(staging.artifact, output, keep_previous=True)

    task = asyncio.create_task(asyncio.to_thread(work))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        stop.set()
        with contextlib.suppress(BaseException):
            await task
        if not task.cancelled() and task.exception() is None:
            remove_tree(output)
        raise


def _belongs(name: str) -> bool:
    """Hidden files are left-overs, of a killed save for example; no runtime reads one."""
    return name not in _OWN and not name.startswith(".")


def _copy_files(
    folder: Path, place: Path, *, stop: threading.Event, tell: Callable[[int, int], None]
) -> None:
    """Real copies, never links: onnx refuses hard-linked weights, onnxruntime refuses linked ones."""
    files = {name: path for name, path in files_in(folder).items() if _belongs(name)}
    total, done = sum(path.stat().st_size for path in files.values()), 0
    if shutil.disk_usage(place).free < total:
        raise StateProblem(
            f"There is not enough room for a copy of the artifact in {shown_path(place.parent.parent)}.",
            hint="Free some space there, or set FIRSTLIGHT_HOME to another disk.",
        )
    for name, path in files.items():
        copy = place / name
        try:
            copy.parent.mkdir(parents=True, exist_ok=True)
            with path.open("rb") as source, copy.open("wb") as stream:
                while chunk := source.read(_CHUNK):
                    if stop.is_set():
                        raise StateProblem("Cancelled.")
                    stream.write(chunk)
                    done += len(chunk)
                    tell(done, total)
        except OSError as error:
            raise state_problem(error, copy) from error


def _compare_files(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> None:
    """Whether the copy is what the conversion (or the template step) wrote."""
    listed = old.get("files") if old is not None else None
    for name, known in listed.items() if isinstance(listed, Mapping) else ():
        found = new["files"].get(name)
        if name in _OWN or not isinstance(known, Mapping):
            continue
        if found is None:
            raise InputRefused(
                f"The artifact has lost its file {one_line(str(name), 80)}.",
                hint="Convert the model again.",
            )
        if found["sha256"] != known.get("sha256"):
            sizes = f"{found['bytes']} bytes instead of {known.get('bytes')}"
            how = sizes if found["bytes"] != known.get("bytes") else "other content, same size"
            raise InputRefused(
                f"{one_line(str(name), 80)} is not what was written when the artifact was made: {how}.",
                hint="Convert the model again, or settle its template again if that was edited by hand.",
            )


@asynccontextmanager
async def open_foundry(*, folder: Path | None = None, port: int = 0) -> AsyncIterator[OpenJob]:
    """Foundry Local's runtime with Firstlight's private application folder."""
    place = folder if folder is not None else find_paths().foundry
    async with open_job("foundry", {"folder": str(place), "port": port}) as job:
        yield job


async def _prove(
    output: Path,
    identifier: str,
    question: str,
    *,
    say: Callable[[Event], None],
    started: Callable[[int], None] | None,
    replace: bool,
) -> Document:
    messages = [{"role": "user", "content": question}]
    name = identifier.partition(":")[0]
    say(Stage("register", "Registering with Foundry Local"))
    async with open_foundry() as job:
        if started is not None:
            started(job.pid)
        if replace:
            await job.request("unregister", name=name)
        await job.request("register", folder=str(output), id=identifier)
        listed = (await job.request("list"))["models"]
        if identifier not in [model["id"] for model in listed]:
            raise InputRefused(
                f"Foundry Local registered {identifier}, but does not list it.",
                hint="Its log is in the foundry folder that `firstlight paths` shows.",
            )
        say(Stage("load", "Loading it in Foundry Local"))
        loaded = await job.request("load", id=identifier)
        say(Stage("ask", "Asking it one question"))
        answer = await job.request(
            "ask", id=identifier, messages=messages, max_tokens=ANSWER_TOKENS
        )
    say(Stage("compare", "Asking the artifact itself"))
    own = await _own_answer(output, messages, started)
    return {
        "verified": bool(answer["text"].strip()) and answer["text"].strip() == own.strip(),
        "question": question,
        "answer": answer["text"],
        "artifact_answer": own,
        "finish_reason": answer["finish_reason"],
        "load_seconds": loaded["seconds"],
        "answer_seconds": answer["seconds"],
    }


async def _own_answer(
    folder: Path, messages: list[dict[str, str]], started: Callable[[int], None] | None
) -> str:
    """The artifact's own greedy answer, by onnxruntime-genai without Foundry Local."""
    async with open_engine(folder, started=started) as engine:
        async for event in engine.chat(messages, max_tokens=ANSWER_TOKENS, greedy=True):
            if isinstance(event, Reply):
                return str(event.result["text"])
    raise StateProblem("The artifact gave no answer of its own.")


async def _take_back(name: str, output: Path) -> None:
    with contextlib.suppress(Exception):
        async with open_foundry() as job:
            await job.request("unregister", name=name)
    await asyncio.to_thread(_remove, output)


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
