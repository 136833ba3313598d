"""The files that settling a template writes into an artifact, and the manifest that lists them."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from firstlight_core.artifact.inference_model import INFERENCE_MODEL
from firstlight_core.artifact.model_config import GENAI_CONFIG
from firstlight_core.artifact.publishing import MANIFEST, read_manifest
from firstlight_core.artifact.tokenizer_files import CHAT_TEMPLATE
from firstlight_core.documents.artifact import InferenceModel
from firstlight_core.errors import FirstlightError, StateProblem
from firstlight_core.files import (
    JsonObject,
    read_json_object,
    read_limited,
    write_json,
    write_whole,
)
from firstlight_core.paths import find_paths
from firstlight_core.text import shown_path

TOKENIZER_CONFIG = "tokenizer_config.json"


SETTLED = (INFERENCE_MODEL, GENAI_CONFIG, CHAT_TEMPLATE, TOKENIZER_CONFIG)
"""The files of an artifact that this step may write."""


def replace_settled(folder: Path, texts: Mapping[str, str]) -> None:
    """Write files of an artifact, each whole, and the manifest's hashes; what stood there is kept for an undo.

    Raises:
        StateProblem: the disk refuses, or what was read back is not what was written.
    """
    _remember(folder, texts)
    _write_all(folder, texts)


def _text(document: JsonObject | InferenceModel) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _write_all(folder: Path, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        write_whole(folder / name, text)
        if read_limited(folder / name) != text.encode():
            raise StateProblem(f"{shown_path(folder / name)} does not hold what was written to it.")
    update_manifest(folder, tuple({*texts, INFERENCE_MODEL, CHAT_TEMPLATE}))


def update_manifest(folder: Path, names: tuple[str, ...]) -> None:
    """Renew size and sha256 of `names` in firstlight.json; an artifact without that file is left alone."""
    manifest = read_manifest(folder)
    if manifest is None:
        return
    files = dict(manifest.get("files", {}))
    for name in names:
        if (folder / name).is_file():
            raw = read_limited(folder / name)
            files[name] = {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
        else:
            files.pop(name, None)
    write_json(folder / MANIFEST, {**manifest, "files": dict(sorted(files.items()))})


def _undo_file(folder: Path) -> Path:
    """Return where the files before the last change are kept: outside the artifact, which scanners read."""
    mark = hashlib.sha256(str(folder.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:24]
    return find_paths().state / "templates" / f"{mark}.json"


def _remember(folder: Path, texts: Mapping[str, str]) -> None:
    """Save the current files and the hashes of the next ones; remove what a killed save left."""
    files: dict[str, str | None] = {}
    for name in SETTLED:
        try:
            files[name] = read_limited(folder / name).decode("utf-8-sig", "replace")
        except FirstlightError:
            files[name] = None
    for name in (*SETTLED, MANIFEST):
        for left in folder.glob(f".{name[:40]}.????????"):
            left.unlink(missing_ok=True)
    hashes = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    write_json(_undo_file(folder), {"files": files, "next": hashes})


def heal_manifest(folder: Path) -> None:
    """After a save that was killed between two files: renew the hashes of files that are surely ours."""
    undo_file = _undo_file(folder)
    manifest = read_manifest(folder)
    if manifest is None or not undo_file.is_file():
        return
    undo = read_json_object(undo_file)
    before, after = undo.get("files"), undo.get("next")
    known = set(after.values()) if isinstance(after, dict) else set()
    for text in before.values() if isinstance(before, dict) else ():
        if isinstance(text, str):
            known.add(hashlib.sha256(text.encode()).hexdigest())
    stale = []
    for name, entry in manifest.get("files", {}).items():
        if name in SETTLED and (folder / name).is_file() and isinstance(entry, dict):
            digest = hashlib.sha256(read_limited(folder / name)).hexdigest()
            if digest != entry.get("sha256") and digest in known:
                stale.append(name)
    if stale:
        update_manifest(folder, tuple(stale))
