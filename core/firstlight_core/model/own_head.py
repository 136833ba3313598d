"""Whether an output head that config.json ties away is a matrix of its own.

transformers 5 compares the two matrices when it loads them and uses both where they differ (`tie_weights`). Small
ones are compared here in full, large ones in blocks spread over them; the conversion compares in full before it builds.
"""

import json
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from firstlight_core.files import JsonObject, read_no_further

EMBEDDING = re.compile(r"(?:^|\.)(embed_tokens|wte|word_embeddings|tok_embeddings)\.weight$")
HEAD = re.compile(r"(?:^|\.)(lm_head|output_layer|embed_out)\.weight$|^output\.weight$")
WHOLE_BYTES = 48 * 2**20
"""A matrix up to this size in float32 is compared in full: two of them are read in about 0.1 s."""
BLOCKS, BLOCK_BYTES = 96, 2**17
_HEADER_BYTES = 16 * 2**20
_BYTES = {"F32": 4, "F16": 2, "BF16": 2}


@dataclass(frozen=True, slots=True)
class Ends:
    """Where the two matrices of a model are: name of the tensor and path of its file."""

    embedding: tuple[str, Path]
    head: tuple[str, Path]


@dataclass(frozen=True, slots=True)
class _StoredTensor:
    file: Path
    dtype: str
    shape: tuple[int, ...]
    begin: int
    size: int


def find_ends(folder: Path) -> Ends | None:
    """Embedding and output head of a folder of safetensors; None when one of them is not stored."""
    names: dict[str, Path] = {}
    single = folder / "model.safetensors"
    try:
        if single.is_file():
            names = dict.fromkeys(_header(single)[0], single)
        else:
            index = json.loads((folder / "model.safetensors.index.json").read_text("utf-8-sig"))
            names = {name: folder / file for name, file in index["weight_map"].items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError, struct.error):
        return None
    ends = [next((n for n in names if kind.search(n)), None) for kind in (EMBEDDING, HEAD)]
    embedding, head = ends
    if embedding is None or head is None:
        return None
    return Ends((embedding, names[embedding]), (head, names[head]))


def heads_differ(folder: Path) -> bool | None:
    """Return whether the stored head differs from the embedding; None when there are no two matrices to compare."""
    ends = find_ends(folder)
    if ends is None:
        return None
    try:
        embedding, head = (_locate(*end) for end in (ends.embedding, ends.head))
        if embedding.shape != head.shape:
            return True
        widen = embedding.dtype != head.dtype
        pairs = zip(_pieces(embedding, widen=widen), _pieces(head, widen=widen), strict=True)
        return any(a != b for a, b in pairs)
    except (OSError, ValueError, KeyError, TypeError, struct.error):
        return None


def _header(file: Path) -> tuple[JsonObject, int]:
    """Return the header of a safetensors file, and where its tensors begin."""
    with file.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        if length > _HEADER_BYTES:
            raise ValueError("the header is too large")
        header: JsonObject = json.loads(stream.read(length))
    header.pop("__metadata__", None)
    return header, 8 + length


def _locate(name: str, file: Path) -> _StoredTensor:
    header, start = _header(file)
    match header[name]:
        case {
            "dtype": str(dtype),
            "shape": list(shape),
            "data_offsets": [int(begin), int(end)],
        }:
            sizes = tuple(size for size in shape if isinstance(size, int))
            return _StoredTensor(file, dtype, sizes, start + begin, end - begin)
    raise ValueError(f"{name} has no place in its file")


def _pieces(region: _StoredTensor, *, widen: bool) -> Iterator[bytes]:
    """Pieces of a matrix, in float32 if asked: all of it when it is small, else blocks spread over it and its end."""
    width = _BYTES[region.dtype]
    count = region.size // width
    block = BLOCK_BYTES // 4
    if count * 4 <= WHOLE_BYTES:
        starts = list(range(0, count, block))
    else:
        starts = sorted({int(count * n / BLOCKS) for n in range(BLOCKS)} | {count - block})
    ends = [min(start + block, count) for start in starts]
    with region.file.open("rb", buffering=0) as stream:
        if any(b - a > block for a, b in pairwise(starts)):
            read_no_further(stream.fileno())
        for start, end in zip(starts, ends, strict=True):
            stream.seek(region.begin + start * width)
            raw = stream.read((end - start) * width)
            yield _widened(raw, region.dtype) if widen else raw


def _widened(raw: bytes, dtype: str) -> bytes:
    """Return the same numbers in float32: the two matrices may be stored in different types."""
    if dtype == "BF16":
        wide = bytearray(2 * len(raw))
        wide[2::4], wide[3::4] = raw[0::2], raw[1::2]
        return bytes(wide)
    if dtype == "F16":
        count = len(raw) // 2
        return struct.pack(f"<{count}f", *struct.unpack(f"<{count}e", raw))
    return raw
