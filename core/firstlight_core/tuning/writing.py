"""Where a setting of the threads is written: `genai_config.json`, which every runtime of the artifact reads."""

import contextlib
import errno
import json
import os
import shutil
from pathlib import Path

from firstlight_core.artifact.genai_config import CONFIG
from firstlight_core.artifact.publishing import MANIFEST, read_manifest
from firstlight_core.artifact.settled_files import replace_settled
from firstlight_core.documents.tuning import TunedManifest
from firstlight_core.files import JsonObject, read_json_object, write_json, write_whole
from firstlight_core.inference.session_options import THREAD_KEYS
from firstlight_core.tuning.settings import Threads

NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP)
"""Another disk, or a file system without hard links."""


def write_threads(folder: Path, threads: Threads | None, *, tuned: TunedManifest | None) -> None:
    """Put a setting into an artifact, or take it out (None); `tuned` goes into the manifest.

    Raises:
        InputRefused: genai_config.json is damaged.
        StateProblem: the disk refuses; the artifact stays as it was.
    """
    config = _with(folder, threads)
    replace_settled(folder, {CONFIG: json.dumps(config, indent=4, ensure_ascii=False) + "\n"})
    if (manifest := read_manifest(folder)) is not None:
        manifest.pop("tuned", None)
        if tuned:
            manifest["tuned"] = tuned
        write_json(folder / MANIFEST, manifest)


def own_threads(folder: Path) -> dict[str, int | str]:
    """Return the thread settings that an artifact brings."""
    options = _session(read_json_object(folder / CONFIG))
    return {key: value for key in THREAD_KEYS if isinstance(value := options.get(key), int | str)}


def without_threads(folder: Path, copy: Path) -> Path:
    """Return an artifact that brings no thread settings: this one, or a copy in `copy` whose weights are links.

    Raises:
        OSError: the disk refuses.
    """
    if not own_threads(folder):
        return folder
    linked_copy(folder, copy)
    config = _with(folder, None)
    # A new file: a link's content would be the artifact's own.
    write_whole(copy / CONFIG, json.dumps(config))
    return copy


def linked_copy(folder: Path, copy: Path) -> None:
    """Copy an artifact; its files are links where the disk has them, so a file may only be replaced, never written into.

    Raises:
        OSError: the disk refuses.
    """
    shutil.copytree(folder, copy, copy_function=_link, dirs_exist_ok=True)


def _with(folder: Path, threads: Threads | None) -> JsonObject:
    config = read_json_object(folder / CONFIG)
    options = _session(config)
    for key in THREAD_KEYS:
        options.pop(key, None)
    options |= threads.options() if threads is not None else {}
    return config


def _session(config: JsonObject) -> JsonObject:
    """Return the decoder's session options within the configuration, made where there are none."""
    section = config
    for key in ("model", "decoder", "session_options"):
        below = section.get(key)
        if not isinstance(below, dict):
            below = section[key] = {}
        section = below
    return section


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in NO_LINK:
            raise
        with contextlib.suppress(FileNotFoundError):
            Path(target).unlink()
        shutil.copyfile(source, target)
    return target
