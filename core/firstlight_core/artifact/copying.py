"""A real copy of an artifact under its deployed name: complete, checked, visible in one step."""

import asyncio
import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

from firstlight_core.artifact.inference_model import INFERENCE_MODEL
from firstlight_core.artifact.model_caches import ModelCache
from firstlight_core.artifact.model_config import GENAI_CONFIG, with_search
from firstlight_core.artifact.publishing import (
    HIDDEN_MARK,
    MANIFEST,
    files_in,
    open_staging,
    publish,
    read_manifest,
    remove_tree,
    tool_versions,
    write_manifest,
)
from firstlight_core.artifact.settled_files import heal_manifest, update_manifest
from firstlight_core.documents.artifact import (
    DeploymentMark,
    InferenceModel,
    Manifest,
    ManifestValues,
)
from firstlight_core.errors import InputRefused, StateProblem
from firstlight_core.files import read_json_object, state_problem, write_json
from firstlight_core.process.events import Event, Progress
from firstlight_core.text import one_line, shown_path

_CHUNK = 4 * 2**20
_OWN = frozenset({INFERENCE_MODEL, MANIFEST, HIDDEN_MARK})


async def publish_copy(
    folder: Path,
    output: Path,
    document: InferenceModel,
    *,
    cache: ModelCache,
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
        # The staging folder is outside the root, which Foundry Local's old scanners read to any depth.
        with open_staging(output, beside=cache.root) as staging:
            output.parent.mkdir(parents=True, exist_ok=True)
            _copy_files(folder, staging.artifact, stop=stop, tell=tell)
            write_json(staging.artifact / INFERENCE_MODEL, document)
            about: DeploymentMark = {"target": target, "id": identifier, "at": time.time()}
            if target == "foundry":
                # A plain copy has no test question and so no proof.
                about["proven"] = False
            values = _values(old)
            values["deployment"] = about
            new = write_manifest(staging.artifact, values, stop=stop)
            _compare_files(old, new)
            _say_the_same(staging.artifact, document)
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


def mark_answered(output: Path, *, verified: bool) -> None:
    """Note in the manifest that the runtime has answered, and whether as the artifact does.

    Without it a deployment counts as unfinished.
    """
    manifest = read_manifest(output)
    about = manifest.get("deployment") if manifest is not None else None
    if manifest is not None and isinstance(about, dict):
        manifest["deployment"] = {**about, "proven": True, "verified": verified}
        write_json(output / MANIFEST, manifest)


def copy_complete(
    folder: Path,
    destination: Path,
    document: InferenceModel,
    *,
    stop: threading.Event | None = None,
) -> None:
    """Copy an artifact into `destination` with this inference_model.json and a manifest, checked as a deployment is."""
    heal_manifest(folder)
    old = read_manifest(folder)
    _copy_files(folder, destination, stop=stop or threading.Event(), tell=lambda done, total: None)
    write_json(destination / INFERENCE_MODEL, document)
    _compare_files(old, write_manifest(destination, _values(old), stop=stop))
    _say_the_same(destination, document)


def _values(old: Manifest | None) -> ManifestValues:
    """Return what a copy's manifest says besides its files."""
    if old is None:
        return {"tools": tool_versions()}
    return cast(ManifestValues, {key: value for key, value in old.items() if key != "files"})


def _say_the_same(folder: Path, document: InferenceModel) -> None:
    """Write ModelConfig where the runtimes read it, so that the two files of the copy cannot contradict each other."""
    config = read_json_object(folder / GENAI_CONFIG)
    settled, _ = with_search(config, document)
    if settled != config:
        write_json(folder / GENAI_CONFIG, settled)
        update_manifest(folder, (GENAI_CONFIG,))


def _belongs(name: str) -> bool:
    """Hidden files are left-overs, of a killed save for example; no runtime reads one."""
    return name not in _OWN and not name.startswith(".")


def _copy_files(
    folder: Path, destination: Path, *, stop: threading.Event, tell: Callable[[int, int], None]
) -> None:
    """Real copies, never links: onnx refuses hard-linked weights, onnxruntime refuses linked ones."""
    files = {name: path for name, path in files_in(folder).items() if _belongs(name)}
    total, done = sum(path.stat().st_size for path in files.values()), 0
    if shutil.disk_usage(destination).free < total:
        raise StateProblem(
            f"There is not enough room for a copy of the artifact in {shown_path(destination.parent.parent)}.",
            hint="Free some space there, or set FIRSTLIGHT_HOME to another disk.",
        )
    for name, path in files.items():
        copy = destination / name
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
            if error.filename == str(path):
                raise InputRefused(
                    f"Cannot read {shown_path(path)}: {error.strerror}.",
                    hint="Change its permissions, or convert the model again.",
                ) from error
            raise state_problem(error, copy) from error


def _compare_files(old: Manifest | None, new: Manifest) -> None:
    """Check that the copy is what the conversion (or the template step) wrote."""
    listed = old.get("files") if old is not None else None
    for name, known in listed.items() if isinstance(listed, Mapping) else ():
        entry = new["files"].get(name)
        if name in _OWN or not isinstance(known, Mapping):
            continue
        if entry is None:
            raise InputRefused(
                f"The artifact has lost its file {one_line(str(name), 80)}.",
                hint="Convert the model again.",
            )
        if entry["sha256"] != known.get("sha256"):
            sizes = f"{entry['bytes']} bytes instead of {known.get('bytes')}"
            how = sizes if entry["bytes"] != known.get("bytes") else "other content, same size"
            raise InputRefused(
                f"{one_line(str(name), 80)} is not what was written when the artifact was made: {how}.",
                hint="Convert the model again, or settle its template again if that was edited by hand.",
            )
