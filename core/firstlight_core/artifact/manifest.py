"""`firstlight.json`: what an artifact is made of and how it was made, with size and hash of every file."""

import contextlib
import hashlib
import stat
import threading
from pathlib import Path
from typing import cast

from firstlight_core.documents.artifact import FileEntry, Manifest, ManifestValues
from firstlight_core.documents.conversion import SourceDocument
from firstlight_core.errors import FirstlightError, InputRefused, Interrupted
from firstlight_core.files import read_json_object, write_json
from firstlight_core.text import one_line, shown_path

MANIFEST = "firstlight.json"
MANIFEST_SCHEMA = "firstlight/manifest/1"
_TOOLS = (
    "firstlight",
    "olive-ai",
    "onnxruntime",
    "onnxruntime-genai",
    "onnx",
    "torch",
    "transformers",
    "peft",
    "numpy",
)
_CHUNK = 2**20


def tool_versions() -> dict[str, str]:
    """Return the version of every installed package that affects an artifact; imports nothing."""
    # The wizard's first paint does not wait for it.
    import importlib.metadata

    versions = {}
    for name in _TOOLS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def sha256_of(path: Path, *, stop: threading.Event | None = None) -> str:
    """Hash of one file, read in pieces.

    Raises:
        Interrupted: `stop` was set meanwhile.
    """
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            if stop is not None and stop.is_set():
                raise Interrupted("Cancelled.")
            digest.update(chunk)
    return digest.hexdigest()


def files_in(folder: Path) -> dict[str, Path]:
    """Return every file below `folder` but the manifest, by its name relative to `folder`, sorted.

    Raises:
        InputRefused: something below is a link or not a regular file.
    """
    files: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            continue
        if not stat.S_ISREG(mode):
            raise InputRefused(
                f"{shown_path(path.relative_to(folder))} is not a regular file.",
                hint="An artifact holds plain files only, no links and no devices.",
            )
        name = path.relative_to(folder).as_posix()
        if name != MANIFEST:
            files[name] = path
    return files


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files below `folder`, the manifest not counted.

    Raises:
        InputRefused: something below is a link or not a regular file.
    """
    return sum(path.stat().st_size for path in files_in(folder).values())


def write_manifest(
    folder: Path, values: ManifestValues, *, stop: threading.Event | None = None
) -> Manifest:
    """Write `firstlight.json`: `values` plus size (bytes) and sha256 of every file; returns the whole of it.

    Raises:
        StateProblem: it cannot be written.
        Interrupted: `stop` was set while hashing.
    """
    listed: dict[str, FileEntry] = {
        name: {"bytes": path.stat().st_size, "sha256": sha256_of(path, stop=stop)}
        for name, path in files_in(folder).items()
    }
    manifest: Manifest = {**values, "schema": MANIFEST_SCHEMA, "files": listed}
    write_json(folder / MANIFEST, manifest)
    return manifest


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of an artifact; None when it has none, or one that is not ours.

    It is as it lies there: whoever edited it may have changed the type of a value.
    """
    try:
        manifest = read_json_object(folder / MANIFEST)
    except FirstlightError:
        return None
    schema = manifest.get("schema")
    if not isinstance(schema, str) or not schema.startswith("firstlight/manifest/"):
        return None
    return cast(Manifest, manifest)


def read_source(folder: Path) -> SourceDocument | None:
    """Return the source model that an artifact's manifest names; None when it names none."""
    manifest = read_manifest(folder)
    source = manifest.get("source") if manifest is not None else None
    match source:
        case {"path": str(path), "fingerprint": str(fingerprint)}:
            return {"path": path, "fingerprint": fingerprint}
        case {"path": str(path)}:
            return {"path": path, "fingerprint": ""}
        case str(path):
            return {"path": path, "fingerprint": ""}
    return None


def forced_reason(folder: Path) -> str:
    """Return why the numbers gate was red for an artifact published by force; empty when it was green."""
    manifest = read_manifest(folder)
    reason = manifest.get("forced") if manifest is not None else None
    return one_line(reason, 300) if isinstance(reason, str) else ""
