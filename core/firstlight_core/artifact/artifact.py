"""Check whether a folder from anywhere may be opened as an ONNX Runtime GenAI model."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firstlight_core.artifact.genai_config import CONFIG, check_config, plain_name, section
from firstlight_core.artifact.manifest import folder_bytes, read_manifest, read_source
from firstlight_core.documents.artifact import AdoptedArtifact
from firstlight_core.errors import InputRefused
from firstlight_core.files import JsonObject, exists, is_folder, read_json_object
from firstlight_core.text import one_line, shown_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A folder that may be opened. Sizes in bytes, lengths in tokens."""

    folder: Path
    model_type: str
    context_length: int
    vocab_size: int
    eos_ids: tuple[int, ...]
    bytes: int
    """Sum of the files in the folder."""
    precision: str | None = None
    """From our manifest; None when another program made the folder."""
    source: str | None = None
    """The source folder, from our manifest."""
    kv_bytes_per_token: int = 0
    """Bytes of key-value cache for one token of context, at 4 bytes a value."""
    search: JsonObject = field(default_factory=dict)
    """The sampling defaults of `genai_config.json`."""


def no_folder(folder: Path) -> InputRefused:
    """Return the error for a target that is not an artifact folder."""
    folder_text = shown_path(folder)
    return InputRefused(
        f"{folder_text} is a file; an artifact is a folder."
        if exists(folder)
        else f"There is no folder {folder_text}.",
        hint="Check the path, or convert first.",
    )


def check_artifact(folder: Path) -> Artifact:
    """Read what a folder says of itself, and refuse what must not, or cannot, be opened.

    Raises:
        InputRefused: it is no artifact, is incomplete, or its configuration may load code or write files.
    """
    if not is_folder(folder):
        raise no_folder(folder)
    if not os.access(folder, os.R_OK | os.X_OK):
        raise InputRefused(
            f"You may not read {shown_path(folder)}.",
            hint="Change its permissions, or copy the folder.",
        )
    if not exists(folder / CONFIG):
        raise InputRefused(_no_config(folder), hint=_no_config_hint(folder))
    # Strict: genai reads a repeated key both times, while Python sees only the last one.
    config = read_json_object(folder / CONFIG)
    model = section(config, "model")
    decoder = section(model, "decoder", "model.")
    check_config(config)
    _check_files(folder, plain_name(decoder.get("filename"), "model.decoder.filename"))
    manifest = read_manifest(folder)
    source = read_source(folder)
    precision = manifest.get("precision") if manifest is not None else None
    return Artifact(
        folder=folder,
        model_type=one_line(str(model.get("type", "")), 60),
        context_length=_whole(model, "context_length", low=2),
        vocab_size=_whole(model, "vocab_size", low=1),
        eos_ids=_ids(model.get("eos_token_id")),
        bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        precision=precision if isinstance(precision, str) else None,
        source=source["path"] or None if source is not None else None,
        kv_bytes_per_token=_kv_bytes(decoder),
        search=dict(section(config, "search")) if "search" in config else {},
    )


def adopt(folder: Path) -> AdoptedArtifact:
    """Return `artifact` and `bytes` of a folder that a walk works on as it is.

    Raises:
        InputRefused: as `check_artifact`.
    """
    artifact = check_artifact(folder)
    return {"artifact": str(artifact.folder), "bytes": folder_bytes(artifact.folder)}


def _no_config(folder: Path) -> str:
    if (folder / "config.json").exists():
        return f"{shown_path(folder)} is a source model, not an artifact: it has no {CONFIG}."
    return f"{shown_path(folder)} holds no {CONFIG}, so it is no ONNX Runtime GenAI model."


def _no_config_hint(folder: Path) -> str:
    if (folder / "config.json").exists():
        return f"Convert it first: firstlight convert {shown_path(folder)} -o DIR"
    return "Choose the folder that the conversion wrote."


def _whole(parent: JsonObject, key: str, *, low: int, high: int = 2**31 - 1) -> int:
    value = parent.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputRefused(
            f"{CONFIG} gives {one_line(repr(value), 40)} as model.{key}; that is no usable number.",
            hint="The file is damaged: convert the model again.",
        )
    return value


def _ids(value: Any) -> tuple[int, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(i for i in values if isinstance(i, int) and not isinstance(i, bool) and i >= 0)


def _kv_bytes(decoder: JsonObject) -> int:
    """2 (key, value) x layers x KV heads x head size x 4 bytes; 0 when a number is missing."""
    product = 8
    for key in ("num_hidden_layers", "num_key_value_heads", "head_size"):
        value = decoder.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**20:
            return 0
        product *= value
    return product


def _check_files(folder: Path, weights: str) -> None:
    for name in (weights, "tokenizer_config.json"):
        if not (folder / name).exists():
            raise InputRefused(
                f"{shown_path(folder)} is incomplete: {one_line(name, 80)} is missing.",
                hint="Convert the model again, or copy the whole folder.",
            )
    if not any((folder / name).exists() for name in ("tokenizer.json", "tokenizer.model")):
        raise InputRefused(
            f"{shown_path(folder)} is incomplete: tokenizer.json is missing.",
            hint="Without it text cannot become tokens: copy the tokenizer files of the source.",
        )
    with os.scandir(folder) as entries:
        for entry in entries:
            _check_entry(folder, entry)


def _check_entry(folder: Path, entry: os.DirEntry[str]) -> None:
    mode = entry.stat(follow_symlinks=False).st_mode
    if stat.S_ISLNK(mode):
        real = Path(entry.path).resolve()
        inside = real.is_relative_to(folder.resolve()) or _is_hub_blob(folder, real)
        if not (inside and real.is_file()):
            raise InputRefused(
                f"{one_line(entry.name, 80)} in {shown_path(folder)} is a link that leads out of the folder.",
                hint="Copy the real file into the folder.",
            )
    elif not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputRefused(
            f"{one_line(entry.name, 80)} in {shown_path(folder)} is not a regular file.",
            hint="Remove it from the folder.",
        )


def _is_hub_blob(folder: Path, real: Path) -> bool:
    """Hugging Face's cache keeps `snapshots/<revision>/file` as a link to `../../blobs/<hash>`."""
    home = folder.resolve().parent
    return home.name == "snapshots" and real.parent == home.parent / "blobs"
