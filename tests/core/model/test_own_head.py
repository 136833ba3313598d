"""Whether a stored output head is a matrix of its own, told from the files without torch."""

import json
import struct
from pathlib import Path

import pytest

from firstlight_core.model import own_head
from firstlight_core.model.own_head import heads_differ

EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"


def store(path: Path, tensors: dict[str, tuple[str, tuple[int, int], bytes]]) -> None:
    header, body = {}, b""
    for name, (dtype, shape, raw) in tensors.items():
        offsets = [len(body), len(body) + len(raw)]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": offsets}
        body += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def floats(values: list[float]) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def bfloats(values: list[float]) -> bytes:
    return b"".join(struct.pack("<f", value)[2:] for value in values)


VALUES = [0.5, -1.0, 2.0, 0.25, 3.0, -4.0]


@pytest.mark.parametrize("changed", [None, 0, 5])
def test_every_number_of_a_small_matrix_counts(tmp_path: Path, changed: int | None) -> None:
    head = list(VALUES)
    if changed is not None:
        head[changed] += 2**-20
    store(
        tmp_path / "model.safetensors",
        {EMBEDDING: ("F32", (3, 2), floats(VALUES)), HEAD: ("F32", (3, 2), floats(head))},
    )
    assert heads_differ(tmp_path) is (changed is not None)


def test_the_same_numbers_in_two_types_are_the_same(tmp_path: Path) -> None:
    halves = struct.pack("<6e", *VALUES)
    for dtype, raw in (("BF16", bfloats(VALUES)), ("F16", halves)):
        store(
            tmp_path / "model.safetensors",
            {EMBEDDING: ("F32", (3, 2), floats(VALUES)), HEAD: (dtype, (3, 2), raw)},
        )
        assert heads_differ(tmp_path) is False


def test_two_shards_are_compared_across_files(tmp_path: Path) -> None:
    store(tmp_path / "a.safetensors", {EMBEDDING: ("F32", (3, 2), floats(VALUES))})
    store(tmp_path / "b.safetensors", {HEAD: ("F32", (3, 2), floats(VALUES[::-1]))})
    index = {"weight_map": {EMBEDDING: "a.safetensors", HEAD: "b.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert heads_differ(tmp_path) is True


def test_a_head_of_another_shape_differs_and_one_that_is_not_there_does_not_count(
    tmp_path: Path,
) -> None:
    path = tmp_path / "model.safetensors"
    store(
        path,
        {EMBEDDING: ("F32", (3, 2), floats(VALUES)), HEAD: ("F32", (2, 2), floats(VALUES[:4]))},
    )
    assert heads_differ(tmp_path) is True
    store(path, {EMBEDDING: ("F32", (3, 2), floats(VALUES))})
    assert heads_differ(tmp_path) is None


def test_of_a_large_matrix_the_last_rows_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What training adds stands at the end: the rows of new tokens."""
    monkeypatch.setattr(own_head, "WHOLE_BYTES", 1024)
    monkeypatch.setattr(own_head, "BLOCK_BYTES", 256)
    values = [float(n % 97) for n in range(64 * 1024)]
    head = [*values[:-2], 1.5, 2.5]
    store(
        tmp_path / "model.safetensors",
        {
            EMBEDDING: ("F32", (1024, 64), floats(values)),
            HEAD: ("F32", (1024, 64), floats(head)),
        },
    )
    assert heads_differ(tmp_path) is True
