"""Safetensors headers: what a weights file holds, checked in full without reading one tensor.

The rules are those of the safetensors format (github.com/huggingface/safetensors, README "Format"): eight bytes
of length N, N bytes of JSON, then the tensors without hole or overlap up to the end of the file.
"""

import json
import os
import re
import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from firstlight_core.errors import ModelRefused
from firstlight_core.files import BINARY, JsonObject
from firstlight_core.model.folder import Member, ModelFolder
from firstlight_core.text import one_line, shown_path

HEADER_LIMIT = 16 * 2**20
"""Bytes; the format allows 100 MB, the largest header in public use is below 1 MB."""
TENSOR_LIMIT = 200_000
BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "F4": 4,
}
"""Bits of one element by safetensors type name."""
SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
_SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")
_AGAIN = "Copy or download that file again."


@dataclass(frozen=True, slots=True)
class Tensor:
    """Type name, shape and elements of one tensor."""

    dtype: str
    shape: tuple[int, ...]
    elements: int


def read_header(member: Member) -> dict[str, Tensor]:
    """Return every tensor of one file, by name.

    Raises:
        ModelRefused: the file is no safetensors file, or its header and its size do not fit together.
    """
    raw, size = _read_raw(member)
    document = _parse(raw, member.name)
    document.pop("__metadata__", None)
    if len(document) > TENSOR_LIMIT:
        raise _broken(member.name, f"its header names {len(document):,} tensors")
    ranges: list[tuple[int, int]] = []
    tensors: dict[str, Tensor] = {}
    for name, entry in document.items():
        tensors[name], begin, end = _tensor(member.name, name, entry)
        ranges.append((begin, end))
    position = 0
    for begin, end in sorted(ranges):
        if begin != position:
            raise _broken(member.name, "its tensors overlap or leave a hole")
        position = end
    expected = 8 + len(raw) + position
    if size < expected:
        raise ModelRefused(
            f"{shown_path(member.name)} is cut off: {size:,} of {expected:,} bytes are there.",
            hint=_AGAIN,
        )
    if size > expected:
        raise _broken(member.name, f"{size - expected:,} bytes follow its last tensor")
    return tensors


def _read_raw(member: Member) -> tuple[bytes, int]:
    """Return the JSON of the header, and the size of the file."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | BINARY
    try:
        descriptor = os.open(member.path, flags | getattr(os, "O_NOFOLLOW", 0))
    except OSError as error:
        raise ModelRefused(f"Cannot read {shown_path(member.name)}: {error.strerror}.") from error
    try:
        with os.fdopen(descriptor, "rb", buffering=0) as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ModelRefused(f"{shown_path(member.name)} is not a regular file.")
            start = stream.read(8) or b""
            _check_start(member.name, start + (stream.read(120) or b""), status.st_size)
            (length,) = struct.unpack("<Q", start)
            if length > HEADER_LIMIT:
                raise _broken(member.name, f"its header claims {length:,} bytes")
            if 8 + length > status.st_size:
                raise ModelRefused(
                    f"{shown_path(member.name)} is cut off inside its header.", hint=_AGAIN
                )
            stream.seek(8)
            raw = b""
            while len(raw) < length and (piece := stream.read(length - len(raw))):
                raw += piece
            return raw, status.st_size
    except OSError as error:
        raise ModelRefused(f"Cannot read {shown_path(member.name)}: {error.strerror}.") from error


def _check_start(name: str, start: bytes, size: int) -> None:
    label = shown_path(name)
    if start[8:9] == b"{":
        return
    if start.startswith(b"version https://git-lfs"):
        raise ModelRefused(
            f"{label} is a Git LFS pointer, not the weights.",
            hint="Run `git lfs pull` in the folder, or download the file itself.",
        )
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise ModelRefused(
            f"{label} is a web page, not weights: the download failed.",
            hint="Log in where the model is published, accept its licence, and download again.",
        )
    if start.startswith(b"PK\x03\x04") or start.startswith(b"\x80"):
        raise ModelRefused(
            f"{label} is a pickle with a misleading name; it is not opened.",
            hint="Save the model with `save_pretrained(..., safe_serialization=True)`.",
        )
    if start.startswith(b"GGUF"):
        raise ModelRefused(f"{label} is a GGUF file with a misleading name.", hint=_AGAIN)
    if size < 8:
        raise ModelRefused(f"{label} is {'empty' if not size else 'cut off'}.", hint=_AGAIN)


def _broken(name: str, why: str) -> ModelRefused:
    return ModelRefused(f"{shown_path(name)} is no valid safetensors file: {why}.", hint=_AGAIN)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> JsonObject:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError("a name stands twice")
    return entries


def _parse(raw: bytes, name: str) -> JsonObject:
    if raw[:1] != b"{":
        raise _broken(name, "its header is no JSON object")
    try:
        document = json.loads(raw.decode("utf-8"), object_pairs_hook=_no_duplicates)
    except RecursionError:
        raise _broken(name, "its header is nested too deeply") from None
    except ValueError as error:
        raise _broken(name, one_line(f"its header is not JSON ({error})", 120)) from error
    if not isinstance(document, dict):
        raise _broken(name, "its header is no JSON object")
    return document


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _tensor(file: str, name: str, entry: object) -> tuple[Tensor, int, int]:
    label = one_line(name, 80)
    if not isinstance(entry, dict):
        raise _broken(file, f"the entry of {label} is no object")
    dtype, shape, offsets = (entry.get(key) for key in ("dtype", "shape", "data_offsets"))
    if not isinstance(dtype, str) or dtype not in BITS:
        raise _broken(file, f"{label} has the unknown type {one_line(str(dtype), 20)}")
    if not isinstance(shape, list) or len(shape) > 8 or not all(_whole(n) for n in shape):
        raise _broken(file, f"{label} has no valid shape")
    if not (isinstance(offsets, list) and len(offsets) == 2 and all(_whole(n) for n in offsets)):
        raise _broken(file, f"{label} has no valid place in the file")
    elements = 1
    for number in shape:
        elements *= number
        if elements > 2**62:
            raise _broken(file, f"{label} claims an impossible size")
    begin, end = offsets
    if (end - begin) * 8 != elements * BITS[dtype]:
        raise _broken(file, f"the shape of {label} does not fit its bytes")
    return Tensor(dtype, tuple(shape), elements), begin, end


@dataclass(frozen=True, slots=True)
class WeightHeaders:
    """All tensors of a folder, and the files that hold them."""

    files: tuple[Member, ...]
    tensors: Mapping[str, Tensor]

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(member.size for member in self.files)


def read_weights(folder: ModelFolder) -> WeightHeaders | None:
    """Return the headers of every shard that transformers would load, or None when there are no safetensors weights.

    Raises:
        ModelRefused: a shard is broken or missing, or the index and the shards do not fit together.
    """
    if single := folder.files.get(SINGLE):
        return WeightHeaders((single,), _not_empty(SINGLE, read_header(single)))
    if INDEX not in folder.files:
        return None
    placed = _weight_map(folder)
    shards = {name: _shard(folder, name) for name in sorted(set(placed.values()))}
    for name in folder.files:
        if _SHARD.fullmatch(name) and name not in shards:
            raise ModelRefused(
                f"{shown_path(name)} is not named in {INDEX}: two downloads are mixed here.",
                hint="Remove the files that do not belong, or download the model again.",
            )
    tensors: dict[str, Tensor] = {}
    for file, member in shards.items():
        for name, tensor in read_header(member).items():
            if name in tensors:
                raise _index_wrong(f"{one_line(name, 80)} stands in two files")
            if placed.get(name, file) != file:
                raise _index_wrong(f"{one_line(name, 80)} is not in the file it names")
            tensors[name] = tensor
    if missing := sorted(placed.keys() - tensors.keys()):
        raise _index_wrong(
            f"{one_line(missing[0], 80)} is in none of the files"
            + (f" (and {len(missing) - 1} more)" if len(missing) > 1 else "")
        )
    return WeightHeaders(tuple(shards.values()), _not_empty(INDEX, tensors))


def _not_empty(name: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    if not tensors:
        raise ModelRefused(f"{name} holds no tensor at all.", hint=_AGAIN)
    return tensors


def _index_wrong(why: str) -> ModelRefused:
    return ModelRefused(
        f"{INDEX} and the weights do not fit together: {why}.",
        hint="Download the model again, or save it again with `save_pretrained`.",
    )


def _weight_map(folder: ModelFolder) -> dict[str, str]:
    placed = folder.read_object(INDEX).get("weight_map")
    if not isinstance(placed, dict) or not placed:
        raise _index_wrong("it has no weight_map")
    if len(placed) > TENSOR_LIMIT:
        raise _index_wrong(f"it names {len(placed):,} tensors")
    files: dict[str, str] = {}
    for tensor, file in placed.items():
        if (
            isinstance(file, str)
            and file.endswith(".safetensors")
            and not file.startswith(".")
            and not any(sign in file for sign in ("/", "\\", ":", "\0"))
        ):
            files[tensor] = file
        else:
            raise ModelRefused(
                f"{INDEX} names {one_line(str(file), 80)!r}, which is no plain file name in this folder.",
                hint="That index was tampered with or is damaged; do not use this folder.",
            )
    return files


def _shard(folder: ModelFolder, name: str) -> Member:
    if (member := folder.files.get(name)) is None:
        raise ModelRefused(
            f"The weights file {one_line(name, 80)} is missing.",
            hint="The download is incomplete: download the model again.",
        )
    return member
