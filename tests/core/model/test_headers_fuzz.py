"""Fuzz: whatever config.json, index or safetensors header says, the answer is an inspection or a refusal."""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firstlight_core.errors import ModelRefused
from firstlight_core.model.folder import list_folder
from firstlight_core.model.inspection import inspect_model
from firstlight_core.model.safetensors_headers import BITS, INDEX, Tensor, read_header, read_weights
from firstlight_core.text import visible
from tests.support import faultkit
from tests.support.zoo import header_of, honest_folder, shard, write_header

pytestmark = pytest.mark.slow
MANY = settings(
    max_examples=5_000,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, 1, -1, 64, 2**31, 2**63, 10**30]),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["\x1b[2J", "\ud800", "../x", "F32", "a\0b", "model.safetensors"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=5,
)


@dataclass(frozen=True)
class Honest:
    """Folders that pass, and the bytes that are mutated: each test writes its mutation over the original."""

    folder: Path
    config: bytes
    sharded: Path
    index: bytes
    alone: Path
    header: dict[str, Any]
    body: bytes


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Honest:
    path = tmp_path_factory.mktemp("fuzz")
    folder, sharded = honest_folder(path / "model"), honest_folder(path / "sharded")
    shard(sharded)
    (path / "alone").mkdir()
    alone = path / "alone" / "model.safetensors"
    norms = {n: e for n, e in header_of(folder / "model.safetensors")[0].items() if "norm" in n}
    faultkit.safetensors(str(alone), {n: (e["dtype"], e["shape"]) for n, e in norms.items()})
    header, body = header_of(alone)
    return Honest(
        folder,
        (folder / "config.json").read_bytes(),
        sharded,
        (sharded / INDEX).read_bytes(),
        alone,
        header,
        body,
    )


def mutate(raw: bytes, cuts: list[tuple[int, bytes]]) -> bytes:
    """Overwrite pieces of a file; a position beyond the end cuts it there instead."""
    mutated = bytearray(raw)
    for offset, piece in cuts:
        at = offset % (len(mutated) + 1)
        mutated[at : at + len(piece)] = piece
        if not piece:
            del mutated[at:]
    return bytes(mutated)


CUTS = st.lists(st.tuples(st.integers(0, 2**16), st.binary(max_size=4)), min_size=1, max_size=4)


def verdict_is_clean(folder: Path) -> None:
    try:
        inspect_model(folder)
    except ModelRefused as refused:
        assert visible(str(refused)) == str(refused)
        assert len(str(refused)) < 900


@MANY
@given(key=st.data())
def test_config_values(honest: Honest, key: Any) -> None:
    config = json.loads(honest.config)
    for _ in range(key.draw(st.integers(1, 3))):
        name = key.draw(st.sampled_from(sorted(config)) | st.text(max_size=5))
        config[name] = key.draw(VALUES)
    (honest.folder / "config.json").write_bytes(json.dumps(config).encode())
    verdict_is_clean(honest.folder)


@MANY
@given(cuts=CUTS)
def test_config_bytes(honest: Honest, cuts: list[tuple[int, bytes]]) -> None:
    (honest.folder / "config.json").write_bytes(mutate(honest.config, cuts))
    verdict_is_clean(honest.folder)


@MANY
@given(data=st.data())
def test_index(honest: Honest, data: Any) -> None:
    index = json.loads(honest.index)
    if data.draw(st.booleans()):
        name = data.draw(st.sampled_from(sorted(index["weight_map"])) | st.text(max_size=5))
        index["weight_map"][name] = data.draw(VALUES)
        raw = json.dumps(index).encode()
    else:
        raw = mutate(honest.index, data.draw(CUTS))
    (honest.sharded / INDEX).write_bytes(raw)
    try:
        read_weights(list_folder(honest.sharded))
    except ModelRefused as refused:
        assert visible(str(refused)) == str(refused)


@MANY
@given(data=st.data())
def test_header(honest: Honest, data: Any) -> None:
    path, header, body = honest.alone, dict(honest.header), honest.body
    raw = json.dumps(header).encode()
    whole = struct.pack("<Q", len(raw)) + raw + body
    choice = data.draw(st.integers(0, 3))
    name = data.draw(st.sampled_from(sorted(header)))
    if choice == 0:
        header[name] = {
            **header[name],
            data.draw(st.sampled_from(["dtype", "shape", "data_offsets"])): data.draw(VALUES),
        }
        write_header(path, header, body)
    elif choice == 1:
        header[data.draw(st.text(max_size=5))] = data.draw(VALUES)
        write_header(path, header, body)
    elif choice == 2:
        path.write_bytes(mutate(whole, data.draw(CUTS)))
    else:
        length = data.draw(st.integers(0, 2**64 - 1) | st.integers(0, 2_000))
        path.write_bytes(struct.pack("<Q", length) + data.draw(st.binary(max_size=64)) + whole[8:])
    member = list_folder(path.parent).files[path.name]
    try:
        tensors = read_header(member)
    except ModelRefused as refused:
        assert visible(str(refused)) == str(refused)
    else:
        # What passes is really laid out as it says: every byte is in exactly one tensor.
        (length,) = struct.unpack("<Q", path.read_bytes()[:8])
        assert 8 + length + sum(_bytes(t) for t in tensors.values()) == path.stat().st_size


def _bytes(tensor: Tensor) -> int:
    return tensor.elements * BITS[tensor.dtype] // 8
