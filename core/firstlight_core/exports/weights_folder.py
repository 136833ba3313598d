"""Writes an export that serves the original weights: a folder of text files beside them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from firstlight_core.artifact.publishing import (
    open_staging,
    publish,
    tool_versions,
    write_manifest,
)
from firstlight_core.documents.deploy import WrittenExport
from firstlight_core.exports.source_weights import SourceWeights, changed_since, original_weights
from firstlight_core.exports.target import ExportRequest
from firstlight_core.files import write_whole

CHANGED = "These weights are not the ones that the artifact was made of."
Texts = Callable[[ExportRequest, SourceWeights], Awaitable[tuple[Mapping[str, str], WrittenExport]]]
"""Make the files of an export by name, with notes on them."""


async def write_for_weights(request: ExportRequest, texts_of: Texts) -> WrittenExport:
    """Write a folder of text files that serve the original weights.

    Raises:
        InputRefused: the original weights are not there.
    """
    weights = await asyncio.to_thread(original_weights, request.artifact, request.source)
    texts, written = await texts_of(request, weights)
    if await asyncio.to_thread(changed_since, request.artifact, weights):
        written.setdefault("notes", []).append(CHANGED)
    await asyncio.to_thread(_write_folder, request.destination, texts)
    return written


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
