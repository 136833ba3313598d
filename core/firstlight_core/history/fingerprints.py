"""Digests that say whether two measurements may stand side by side: of an artifact, its template, a machine."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from firstlight_core.artifact.genai_config import CONFIG
from firstlight_core.artifact.manifest import read_manifest
from firstlight_core.documents.measure import MachineDocument
from firstlight_core.errors import FirstlightError
from firstlight_core.files import read_json_object, read_limited

DIGITS = 16
WEIGHTS = (".onnx", ".data", ".bin")
TEMPLATE_FILES = ("inference_model.json", "chat_template.jinja", "tokenizer_config.json")


def machine_fingerprint(machine: MachineDocument) -> str:
    """Return the digest of what does not change with an update: processor, cores, threads, memory, system's name."""
    facts = (
        machine.get("cpu", ""),
        machine.get("cores", 0),
        machine.get("threads", 0),
        # A kernel keeps some of the memory for itself, not always the same.
        round(machine.get("memory_bytes", 0) / 2**30),
        machine.get("architecture", ""),
        machine.get("system", "").split(" ")[0],
    )
    return _digest(facts)


def artifact_fingerprint(folder: Path) -> str | None:
    """Return the digest of what decides speed and size: weights, graph and the `model` part of genai_config.json.

    The template, the tokenizer and the sampling settings do not count, so that settling a template leaves it. Weights
    count by the manifest's hashes; without a manifest by name, size and time, marked with `quick:`. None for a folder
    that cannot be read.
    """
    try:
        config = read_json_object(folder / CONFIG)
        manifest = read_manifest(folder)
        listed = manifest.get("files") if manifest is not None else None
        names = sorted(path.name for path in folder.iterdir() if path.suffix in WEIGHTS)
        if isinstance(listed, dict) and all(name in listed for name in names):
            return _digest([config.get("model"), *((n, listed[n]["sha256"]) for n in names)])
        return "quick:" + _digest([config.get("model"), *_file_facts(folder, names)])
    except (FirstlightError, OSError, KeyError, TypeError):
        return None


def template_fingerprint(folder: Path) -> str:
    """Return the digest of the files that decide what a model is asked with."""
    parts = []
    for name in TEMPLATE_FILES:
        try:
            parts.append((name, hashlib.sha256(read_limited(folder / name)).hexdigest()))
        except FirstlightError:
            continue
    return _digest(parts)


def _file_facts(folder: Path, names: list[str]) -> Iterator[tuple[str, int, int]]:
    for name in names:
        status = (folder / name).stat()
        yield name, status.st_size, status.st_mtime_ns


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:DIGITS]
