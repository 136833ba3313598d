"""Fuzz: whatever config.json, index or safetensors header says, the answer is an inspection or a refusal.

Each attack runs 5,000 times with values of a plain generator, whose number a failure names, and some more with those
that Hypothesis thinks up and makes smaller: thinking takes three times as long as inspecting.
"""

import json
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Protocol

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
SEEDS = 5_000
EXAMPLES = int(os.environ.get("FIRSTLIGHT_FUZZ", "400"))
NUMBERS = (0, 1, -1, 64, 2**31, 2**63, 10**30)
WORDS = ("\x1b[2J", "\ud800", "../x", "F32", "a\0b", "model.safetensors")
MARKS = (b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\0")
FLOATS = (0.0, -0.0, 0.5, 1e-320, 1e308, float("inf"), float("-inf"), float("nan"))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from(NUMBERS),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(WORDS),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=5,
)
CUTS = st.lists(st.tuples(st.integers(0, 2**16), st.binary(max_size=4)), min_size=1, max_size=4)
Cuts = list[tuple[int, bytes]]


class Dice(Protocol):
    """What an attack is made of."""

    def number(self, least: int, most: int) -> int: ...
    def one_of(self, names: list[str]) -> str: ...
    def text(self, size: int) -> str: ...
    def bytes(self, size: int) -> bytes: ...
    def value(self) -> Any: ...
    def cuts(self) -> Cuts: ...


class Thought:
    """Dice of Hypothesis."""

    def __init__(self, data: st.DataObject) -> None:
        self._draw = data.draw

    def number(self, least: int, most: int) -> int:
        return self._draw(st.integers(least, most))

    def one_of(self, names: list[str]) -> str:
        return self._draw(st.sampled_from(names))

    def text(self, size: int) -> str:
        return self._draw(st.text(max_size=size))

    def bytes(self, size: int) -> bytes:
        return self._draw(st.binary(max_size=size))

    def value(self) -> Any:
        return self._draw(VALUES)

    def cuts(self) -> Cuts:
        return self._draw(CUTS)


class Thrown:
    """Dice of a plain generator: the same kinds of values, the odd ones among them as often."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def number(self, least: int, most: int) -> int:
        edge = self._random.random()
        return least if edge < 0.05 else most if edge < 0.1 else self._random.randint(least, most)

    def one_of(self, names: list[str]) -> str:
        return self._random.choice(names)

    def text(self, size: int) -> str:
        ends = (0x7F, 0x2FF, 0xD7FF, 0x10FFFF)
        codes = (self._random.randint(0, self._random.choice(ends)) for _ in range(size))
        letters = [chr(code) for code in codes if not 0xD800 <= code < 0xE000]
        return "".join(letters[: self._random.randint(0, size)])

    def bytes(self, size: int) -> bytes:
        if self._random.random() < 0.2:
            return self._random.choice(MARKS)
        return self._random.randbytes(self._random.randint(0, size))

    def value(self, depth: int = 2) -> Any:
        match self._random.randrange(9 if depth else 7):
            case 0:
                return None
            case 1:
                return self._random.random() < 0.5
            case 2:
                return self._random.randint(-(2**70), 2**70)
            case 3:
                return self._random.choice(NUMBERS)
            case 4:
                odd = self._random.choice(FLOATS)
                return odd if self._random.random() < 0.5 else self._random.gauss(0, 1e3)
            case 5:
                return self.text(8)
            case 6:
                return self._random.choice(WORDS)
            case 7:
                return [self.value(depth - 1) for _ in range(self._random.randint(0, 3))]
            case _:
                names = [self.text(6) for _ in range(self._random.randint(0, 3))]
                return {name: self.value(depth - 1) for name in names}

    def cuts(self) -> Cuts:
        count = self._random.randint(1, 4)
        return [(self.number(0, 2**16), self.bytes(4)) for _ in range(count)]


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


def mutate(raw: bytes, cuts: Cuts) -> bytes:
    """Overwrite pieces of a file; a position beyond the end cuts it there instead."""
    mutated = bytearray(raw)
    for offset, piece in cuts:
        at = offset % (len(mutated) + 1)
        mutated[at : at + len(piece)] = piece
        if not piece:
            del mutated[at:]
    return bytes(mutated)


def verdict_is_clean(folder: Path) -> None:
    try:
        inspect_model(folder)
    except ModelRefused as refused:
        assert visible(str(refused)) == str(refused)
        assert len(str(refused)) < 900


def name_in(dice: Dice, names: dict[str, Any]) -> str:
    """One of the names, or any text."""
    return dice.one_of(sorted(names)) if dice.number(0, 1) else dice.text(5)


def config_values(honest: Honest, dice: Dice) -> None:
    config = json.loads(honest.config)
    for _ in range(dice.number(1, 3)):
        config[name_in(dice, config)] = dice.value()
    (honest.folder / "config.json").write_bytes(json.dumps(config).encode())
    verdict_is_clean(honest.folder)


def config_bytes(honest: Honest, dice: Dice) -> None:
    (honest.folder / "config.json").write_bytes(mutate(honest.config, dice.cuts()))
    verdict_is_clean(honest.folder)


def index(honest: Honest, dice: Dice) -> None:
    index = json.loads(honest.index)
    if dice.number(0, 1):
        part = index if dice.number(0, 4) == 4 else index["weight_map"]
        part[name_in(dice, part)] = dice.value()
        raw = json.dumps(index).encode()
    else:
        raw = mutate(honest.index, dice.cuts())
    (honest.sharded / INDEX).write_bytes(raw)
    try:
        read_weights(list_folder(honest.sharded))
    except ModelRefused as refused:
        assert visible(str(refused)) == str(refused)


def header(honest: Honest, dice: Dice) -> None:
    path, header, body = honest.alone, dict(honest.header), honest.body
    raw = json.dumps(header).encode()
    whole = struct.pack("<Q", len(raw)) + raw + body
    choice = dice.number(0, 3)
    name = dice.one_of(sorted(header))
    if choice == 0:
        field = dice.one_of(["dtype", "shape", "data_offsets"])
        header[name] = {**header[name], field: dice.value()}
        write_header(path, header, body)
    elif choice == 1:
        header[dice.text(5)] = dice.value()
        write_header(path, header, body)
    elif choice == 2:
        path.write_bytes(mutate(whole, dice.cuts()))
    else:
        length = dice.number(0, 2**64 - 1 if dice.number(0, 1) else 2_000)
        path.write_bytes(struct.pack("<Q", length) + dice.bytes(64) + whole[8:])
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


attacks = pytest.mark.parametrize("attack", [config_values, config_bytes, index, header])


@attacks
def test_thrown(honest: Honest, attack: Callable[[Honest, Dice], None]) -> None:
    for seed in range(SEEDS):
        try:
            attack(honest, Thrown(seed))
        except BaseException as error:
            error.add_note(f"Seed {seed}.")
            raise


@attacks
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_thought_up(
    honest: Honest, attack: Callable[[Honest, Dice], None], data: st.DataObject
) -> None:
    attack(honest, Thought(data))
