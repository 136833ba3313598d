"""The bundle export: a checked zip that is there whole, or not at all."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from firstlight_core.artifact.copying import copy_complete
from firstlight_core.artifact.publishing import open_staging, sha256_of
from firstlight_core.documents.artifact import InferenceModel
from firstlight_core.documents.deploy import WrittenExport
from firstlight_core.errors import FirstlightError, Interrupted
from firstlight_core.exports.bundle_zip import write_bundle
from firstlight_core.exports.source_weights import licences, original_weights
from firstlight_core.exports.target import ExportRequest
from firstlight_core.exports.verify import verify_bundle
from firstlight_core.files import sync_file, sync_folder
from firstlight_core.process.events import Event, Progress
from firstlight_core.shells import command_line
from firstlight_core.text import one_line


async def bundle_export(
    artifact: Path,
    destination: Path,
    document: InferenceModel,
    *,
    source: Path | None,
    say: Callable[[Event], None],
) -> WrittenExport:
    """Write the zip of a complete artifact to `destination`.

    Cancelled, it leaves what stood there before.

    Raises:
        InputRefused: the artifact is not what was written when it was made.
        StateProblem: the disk refuses.
    """
    stop = threading.Event()
    loop = asyncio.get_running_loop()

    def tell(done: int, total: int) -> None:
        if stop.is_set():
            raise Interrupted("Cancelled.")
        loop.call_soon_threadsafe(say, Progress(done, total, "bytes"))

    def work() -> WrittenExport:
        licence_texts = _licences(artifact, source)
        with open_staging(destination) as staging:
            copy_complete(artifact, staging.artifact, document, stop=stop)
            zipped = staging.work / destination.name
            write_bundle(staging.artifact, zipped, licences=licence_texts, tell=tell)
            checked = verify_bundle(zipped)
            with zipped.open("rb+") as stream:
                sync_file(stream.fileno())
            if stop.is_set():
                raise Interrupted("Cancelled.")
            zipped.replace(destination)
            sync_folder(destination.parent)
        return {
            "verified": checked["ok"],
            "files": [destination.name],
            "bytes": destination.stat().st_size,
            "sha256": sha256_of(destination),
            "notes": [_licence_note(licence_texts)],
            "commands": [
                {
                    "command": command_line(["firstlight", "verify", str(destination)]),
                    "does": "check it",
                },
                {
                    "command": command_line(["python", "chat.py", "Your question"]),
                    "does": "talk to it, once unpacked",
                },
            ],
        }

    task = asyncio.create_task(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stop.set()
        with contextlib.suppress(FirstlightError):
            await task
        raise


def _licences(artifact: Path, source: Path | None) -> dict[str, bytes]:
    """Return the licence files of the artifact and of its source weights, if they still exist."""
    try:
        weights = original_weights(artifact, source)
    except FirstlightError:
        return licences(artifact)
    return licences(artifact, weights.adapter, weights.folder)


def _licence_note(licence_texts: Mapping[str, bytes]) -> str:
    if licence_texts:
        return (
            f"The licence goes with it: {', '.join(one_line(name, 40) for name in licence_texts)}."
        )
    return (
        "No licence file was found beside the weights: look up their terms before you pass it on."
    )


async def write(request: ExportRequest) -> WrittenExport:
    """Write the export of this target, as `exports.table` calls it."""
    return await bundle_export(
        request.artifact,
        request.destination,
        request.document,
        source=request.source,
        say=request.say,
    )
