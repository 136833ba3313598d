"""The bytes that a token reads, the memory bandwidth, and the share of it that decoding reaches."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firstlight_core.artifact.artifact import Artifact, check_artifact
from firstlight_core.documents.bench_parts import MemoryBandwidth
from firstlight_core.documents.jobs_machine import BANDWIDTH
from firstlight_core.errors import JobDied
from firstlight_core.measure import roofline
from firstlight_core.measure.roofline import Roofline, measure_roofline, roofline_text
from firstlight_core.measure.weight_bytes import weight_bytes
from firstlight_core.process.events import Event, Stage
from firstlight_core.process.runner import job_result
from tests.support.measured_documents import bench_case, bench_document, bench_result, figure
from tests.support.tiny_models import tiny_genai


def model(path: Path, *, tied: bool = False, external: bool = False) -> Path:
    """A table of 10 x 4 floats for rows, a matrix of 4 x 6, a packed one of 3 x 8 bytes and a rotary table."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    table = numpy_helper.from_array(np.ones((10, 4), np.float32), "table")
    weights = [
        table,
        numpy_helper.from_array(np.ones((4, 6), np.float32), "matrix"),
        numpy_helper.from_array(np.ones((3, 8), np.uint8), "packed"),
        numpy_helper.from_array(np.ones((6,), np.float16), "scales"),
        numpy_helper.from_array(np.ones((99, 4), np.float32), "cos"),
        numpy_helper.from_array(np.ones((7,), np.float32), "unused"),
    ]
    head = ["x", "table"] if tied else ["x", "matrix"]
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["x"]),
        helper.make_node("MatMul", ["x", "matrix"], ["y"]),
        helper.make_node("MatMulNBits", ["y", "packed", "scales"], ["z"], domain="com.microsoft"),
        helper.make_node("RotaryEmbedding", ["z", "ids", "cos"], ["r"], domain="com.microsoft"),
        helper.make_node("MatMul", head, ["out"]),
    ]
    inputs = [helper.make_tensor_value_info("ids", TensorProto.INT64, [None])]
    outputs = [helper.make_tensor_value_info("out", TensorProto.FLOAT, [None])]
    made = helper.make_model(helper.make_graph(nodes, "g", inputs, outputs, weights))
    onnx.save(made, path, save_as_external_data=external, size_threshold=0, location="w.data")
    return path


@pytest.mark.parametrize("external", [False, True])
def test_matrices_count_and_tables_of_rows_do_not(tmp_path: Path, external: bool) -> None:
    matrices = 4 * 6 * 4 + 3 * 8 + 6 * 2
    assert weight_bytes(model(tmp_path / "a.onnx", external=external)) == matrices
    (tmp_path / "b").mkdir()
    tied = model(tmp_path / "b" / "b.onnx", tied=True, external=external)
    assert weight_bytes(tied) == matrices + 10 * 4 * 4


def test_four_bits_are_half_a_byte(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    packed = helper.make_tensor("w", TensorProto.UINT4, [6, 3], bytes(9), raw=True)
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    onnx.save(
        helper.make_model(helper.make_graph([node], "g", [], [], [packed])), tmp_path / "m.onnx"
    )
    assert weight_bytes(tmp_path / "m.onnx") == 9


@pytest.mark.parametrize(
    "content", [b"", b"no model at all", b"\x3a\xff\xff\xff\xff\x0f", b"\x80" * 40, b"\x3a\x05ab"]
)
def test_what_is_no_model_has_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    assert not weight_bytes(tmp_path / "m.onnx")
    assert weight_bytes(tmp_path / "missing.onnx") is None


def test_a_cut_model_does_no_harm(tmp_path: Path) -> None:
    raw = model(tmp_path / "a.onnx").read_bytes()
    cut = tmp_path / "cut.onnx"
    for length in range(0, len(raw), 7):
        cut.write_bytes(raw[:length])
        size = weight_bytes(cut)
        assert size is None or size <= 4 * 6 * 4 + 3 * 8 + 6 * 2


async def test_the_bandwidth_is_measured_in_a_child() -> None:
    reply = await job_result(BANDWIDTH, {"threads": 2, "array_bytes": 2**22, "seconds": 0.05})
    for rate in reply.values():
        assert isinstance(rate, float) and 1e7 < rate < 1e13


async def test_a_small_artifact_or_none_is_not_worth_it(tmp_path: Path) -> None:
    events: list[Event] = []
    artifact = check_artifact(tiny_genai(tmp_path / "tiny"))
    assert (await measure_roofline([None, artifact], events.append)).bandwidth is None
    assert events == []


async def test_a_measurement_that_dies_leaves_the_benchmark_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*arguments: Any, **options: Any) -> Any:
        raise JobDied("It died.")

    read: list[Path] = []

    def read_bytes(artifact: Artifact) -> int:
        read.append(artifact.folder)
        return 10**9

    monkeypatch.setattr(roofline, "read_bytes", read_bytes)
    monkeypatch.setattr(roofline, "job_result", die)
    events: list[Event] = []
    artifact = check_artifact(tiny_genai(tmp_path / "tiny"))
    measured = await measure_roofline([artifact], events.append)
    assert measured.bandwidth is None and measured.token_bytes == {artifact.folder: 10**9}
    assert read == [artifact.folder], "each file is read once"
    assert events == [Stage("bandwidth", "Measuring the memory")]


def test_the_share_is_rate_times_bytes_over_bandwidth(tmp_path: Path) -> None:
    artifact = check_artifact(tiny_genai(tmp_path / "tiny"))
    cases = [bench_case(128, new_tokens=16, decode=figure(50.0)) for _ in range(2)]
    document = bench_document(bench_result("/a", cases[0]), bench_result("http://b", cases[1]))
    Roofline({artifact.folder: 10**8}, None).add(document, [artifact, None])
    assert "token_bytes" not in document["results"][0]
    bandwidth: MemoryBandwidth = {
        "triad_bytes_per_s": 8e9,
        "read_bytes_per_s": 1e10,
        "threads": 2,
        "array_bytes": 1,
    }
    Roofline({artifact.folder: 10**8}, bandwidth).add(document, [artifact, None])
    share = 50 * (10**8 + artifact.kv_bytes_per_token * 136) / 1e10
    assert document["results"][0]["cases"][0]["roofline_share"] == pytest.approx(share)
    assert "token_bytes" not in document["results"][1]
    assert roofline_text(0.714) == "71 % of what this machine's memory can do"
    assert roofline_text(1.2) == "more than memory delivers: the caches hold a part"
