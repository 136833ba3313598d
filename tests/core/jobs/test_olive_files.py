"""What Firstlight changes in how Olive and its quantisers use files and memory, and that the results stay the same."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from firstlight_core.jobs import lazy_weights
from firstlight_core.jobs.olive_files import identity, link_or_copy
from firstlight_core.process.offline import child_environment


def test_slices_give_what_the_whole_gives() -> None:
    weights = np.random.default_rng(0).standard_normal((70_000, 32), dtype=np.float32)
    sizes: list[int] = []

    def quantise(
        groups: np.ndarray, bits: int, group: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        sizes.append(groups.size)
        scale = np.abs(groups).max(axis=1, keepdims=True).astype(np.float64) / 7
        return np.round(groups / scale) + 8, scale, np.full((len(groups), 1), 8, np.uint8)

    whole = quantise(weights, 4, 32)
    sizes.clear()
    packed, scales, zeros = lazy_weights.in_slices(quantise)(weights.reshape(-1, 64), 4, 32)
    assert len(sizes) == 3
    assert max(sizes) <= lazy_weights.SLICE_WEIGHTS
    assert (packed == whole[0].astype(np.uint8)).all()
    assert (scales == whole[1].astype(np.float32)).all()
    assert (zeros == whole[2]).all()


def test_a_file_is_named_by_what_changes_when_it_changes(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for path in (first, second):
        path.write_text("same")
    names = {identity(first), identity(second)}
    first.write_text("longer")
    assert len(names | {identity(first)}) == 3
    assert identity(second, block_size=1) in names


def test_files_are_linked_or_copied(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("new")
    link_or_copy(str(source), str(tmp_path / "linked"))
    assert (tmp_path / "linked").samefile(source)
    (tmp_path / "taken").write_text("old")
    link_or_copy(str(source), str(tmp_path / "taken"))
    assert (tmp_path / "taken").read_text() == "new"
    assert not (tmp_path / "taken").samefile(source)


_PROGRAM = """
import hashlib, json, sys
from pathlib import Path
from firstlight_core.conversion.olive_config import run_config
from firstlight_core.jobs import lazy_weights, olive_bridge, olive_files
from firstlight_core.precision.table import find_precision
source, place = Path(sys.argv[1]), Path(sys.argv[2])
olive_bridge.install()
from olive.workflows import run
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
sizes, begin = [], MatMulNBitsQuantizer.__init__
def noted(self, model, *rest, **named):
    sizes.append(model.ByteSize())
    begin(self, model, *rest, **named)
MatMulNBitsQuantizer.__init__ = noted
found = {}
for way in ("plain", "ours"):
    if way == "ours":
        lazy_weights.SLICE_WEIGHTS = 2**12
        lazy_weights.install()
        olive_files.install()
    for key in sys.argv[3:]:
        folder = place / way / key.replace("/", "-")
        for name in ("out", "cache"):
            (folder / name).mkdir(parents=True)
        config = run_config(source, find_precision(key.partition(" ")[0]).forms[-1])
        if " without " in key:
            names = [key.partition(" without ")[2]]
            config["passes"]["build"]["extra_options"]["nodes_to_exclude"] = names
        run({**config, "output_dir": str(folder / "out"), "cache_dir": str(folder / "cache")})
        weights = (folder / "out" / "model.onnx.data").read_bytes()
        links = (folder / "out" / "model.onnx.data").stat().st_nlink
        found[f"{way} {key}"] = [hashlib.sha256(weights).hexdigest(), sizes[-1], len(weights), links]
print("FOUND " + json.dumps(found))
"""


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.usefixtures("loaded_jobs")
def test_olives_own_bytes_with_less_memory_and_no_copy(sample: Path, tmp_path: Path) -> None:
    import json
    import subprocess

    keys = ("int4", "int8", "int4-quality", "int8 without /lm_head/MatMul")
    done = subprocess.run(
        [sys.executable, "-P", "-c", _PROGRAM, str(sample), str(tmp_path), *keys],
        env=child_environment() | {"HF_HOME": str(tmp_path / "hf")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    assert lines, done.stderr[-3000:]
    document = json.loads(lines[0].removeprefix("FOUND "))
    for key in keys:
        plain, ours = document[f"plain {key}"], document[f"ours {key}"]
        assert ours[0] == plain[0], key
        assert (plain[3], ours[3]) == (1, 2 if os.name == "posix" else ours[3])
    assert document["plain int8"][0] != document["plain int8 without /lm_head/MatMul"][0]
    for key in (keys[0], keys[1], keys[3]):
        # The protobuf that the quantiser is given holds no weight any more.
        assert document[f"ours {key}"][1] < 0.2 * document[f"plain {key}"][1], key
