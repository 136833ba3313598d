"""Rounding on a text: its arithmetic against the plain one, and the kernels against the rounded numbers."""

import functools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from firstlight_core.errors import ModelRefused
from firstlight_core.jobs import odd_blocks, part_blocks
from firstlight_core.jobs.calibrated_head import TIED_DAMPING, CalibratedHead, rounded_table
from firstlight_core.jobs.graph_matrices import Graph
from firstlight_core.jobs.weight_rounding import (
    SHARES,
    InputSums,
    Sums,
    factor,
    round_columns,
    round_together,
)
from tests.support.lazy_modules import at_first_use, installed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not installed("torch", "onnx", "onnxruntime", "olive"), reason="needs the conversion tools"
    ),
]
torch, onnx, onnxruntime = map(at_first_use, ("torch", "onnx", "onnxruntime"))

Array = np.ndarray[Any, np.dtype[Any]]


def inputs(rows: int, columns: int, seed: int = 0) -> Any:
    """Inputs whose columns depend on each other, and differ in size."""
    generator = torch.Generator().manual_seed(seed)
    mixed = torch.randn(columns, columns, generator=generator) * 0.2 + torch.eye(columns)
    sizes = torch.rand(columns, generator=generator) * 3
    return torch.randn(rows, columns, generator=generator) @ mixed * sizes


def sums_of(given: Any) -> Sums:
    sums = Sums(torch.zeros(given.shape[1], given.shape[1]), [])
    sums.take(given)
    return sums


def matrix(rows: int, columns: int, group: int, *, bits: int = 4, bias: bool = False) -> Any:
    """A linear layer as Olive's pass prepares it."""
    from olive.common.quant.utils import WeightQuantizer
    from olive.passes.pytorch.quant_utils import QuantInfo

    torch.manual_seed(rows)
    made = torch.nn.Linear(columns, rows, bias=bias)
    made.quant_info = QuantInfo(WeightQuantizer(bits=bits, symmetric=False, group_size=group))
    return made


def plain(weights: Array, products: Array, group: int) -> Array:
    """GPTQ written down as in the paper, row by row in float64, with the searched grid."""
    products = products.astype(np.float64).copy()
    costs = np.diag(products).copy()
    products[np.diag_indices_from(products)] += 0.01 * costs.mean()
    inverse = np.linalg.cholesky(np.linalg.inv(products)).T
    left = weights.astype(np.float64).copy()
    for first in range(0, left.shape[1], group):
        part = slice(first, min(first + group, left.shape[1]))
        low, high = left[:, part].min(1).clip(max=0), left[:, part].max(1).clip(min=0)
        full = (high - low) / 15
        zero = np.round(-low / full).clip(0, 15)
        tries = []
        for share in SHARES:
            scale = (full * share)[:, None]
            rounded = (
                np.round(left[:, part] / scale + zero[:, None]).clip(0, 15) - zero[:, None]
            ) * scale
            tries.append((np.square(rounded - left[:, part]) @ costs[part], full * share))
        best = np.argmin([lost for lost, _ in tries], axis=0)
        scale = np.array([scales for _, scales in tries])[best, np.arange(len(left))]
        for step in range(part.start, part.stop):
            rounded = (np.round(left[:, step] / scale + zero).clip(0, 15) - zero) * scale
            error = (left[:, step] - rounded) / inverse[step, step]
            left[:, step:] -= np.outer(error, inverse[step, step:])
            left[:, step] = rounded
    return left


def output_error(changed: Array, original: Array, products: Array) -> float:
    difference = changed - original
    return float(np.sqrt(((difference @ products) * difference).sum()))


@pytest.mark.parametrize(("columns", "group"), [(96, 32), (80, 32), (72, 128), (150, 64)])
def test_it_rounds_as_the_plain_algorithm_does(columns: int, group: int) -> None:
    given = inputs(400, columns)
    module = matrix(24, columns, group)
    before = module.weight.detach().numpy().copy()
    InputSums().add(module, (given[None],), None)
    products = module.quant_info.data.products.numpy().copy()
    round_together(module)
    made, expected = module.weight.detach().numpy(), plain(before, products, group)
    # A weight on the edge between two numbers falls to either side in float32, and its successors with it.
    assert np.mean(np.abs(made - expected) < 1e-4) > 0.97
    assert output_error(made, before, products) <= 1.03 * output_error(expected, before, products)
    info = module.quant_info
    assert info.data is None
    assert info.scales.shape == info.zero_points.shape == (24, -(-columns // group))
    numbers = made / np.repeat(info.scales.numpy(), group, 1)[:, :columns]
    numbers += np.repeat(info.zero_points.numpy(), group, 1)[:, :columns]
    assert np.abs(numbers - np.round(numbers)).max() < 1e-3
    assert numbers.min() > -0.01
    assert numbers.max() < 15.01


def test_it_is_closer_on_the_text_than_rounding_to_the_nearest() -> None:
    given = inputs(400, 96)
    sums, weights = sums_of(given), torch.randn(24, 96, generator=torch.Generator().manual_seed(1))
    rounded = weights.t().contiguous()
    round_columns(rounded, factor(sums.products.clone(), 0.01), sums.costs, 32, 15)
    nearest = weights.t().contiguous()
    round_columns(nearest, torch.eye(96), sums.costs, 32, 15)
    products, before = sums.products.numpy(), weights.numpy()
    error = output_error(rounded.t().numpy(), before, products)
    assert error < 0.8 * output_error(nearest.t().numpy(), before, products)


def test_matrices_of_one_input_share_its_sums_and_are_rounded_as_each_alone() -> None:
    given = inputs(300, 64)
    together = [matrix(16, 64, 32), matrix(8, 64, 32)]
    alone = [matrix(16, 64, 32), matrix(8, 64, 32)]
    shared = InputSums()
    for part in given.split(100):
        for module in together:
            shared.add(module, (part,), None)
    assert together[0].quant_info.data is together[1].quant_info.data
    assert together[0].quant_info.data.count == 300
    for module in alone:
        single = InputSums()
        for part in given.split(100):
            single.add(module, (part,), None)
        round_together(module)
    round_together(together[0])
    round_together(together[1])
    for joint, separate in zip(together, alone, strict=True):
        assert (joint.weight - separate.weight).abs().max() < 1e-4 or torch.isclose(
            joint.weight, separate.weight, atol=1e-4
        ).float().mean() > 0.97
        assert joint.quant_info.scales.shape == (joint.out_features, 2)


@pytest.mark.parametrize("columns", [64, 600])
def test_the_factor_is_that_of_the_inverse(columns: int) -> None:
    products = sums_of(inputs(2 * columns, columns)).products
    damped = products + 0.01 * products.diagonal().mean() * torch.eye(columns)
    made = factor(products.clone(), 0.01)
    assert not made.tril(-1).any()
    assert torch.allclose(made.t() @ made @ damped, torch.eye(columns), atol=1e-3)


def test_the_sum_of_outer_products_is_whole() -> None:
    given = inputs(50, 33)
    assert torch.allclose(sums_of(given).products, given.t() @ given, rtol=1e-4, atol=1e-4)


def test_other_inputs_have_sums_of_their_own() -> None:
    first, second, sums = matrix(16, 64, 32), matrix(8, 64, 32), InputSums()
    sums.add(first, (inputs(50, 64),), None)
    sums.add(second, (inputs(50, 64),), None)
    assert first.quant_info.data is not second.quant_info.data


def test_a_column_that_no_token_uses_is_rounded_away() -> None:
    given = inputs(200, 64)
    given[:, 5] = 0
    module = matrix(8, 64, 32)
    InputSums().add(module, (given,), None)
    round_together(module)
    assert not module.weight[:, 5].any()


@pytest.mark.parametrize("broken", ["weights", "inputs"])
def test_what_is_not_finite_is_refused(broken: str) -> None:
    given, module = inputs(50, 64), matrix(8, 64, 32)
    if broken == "inputs":
        given[3, 3] = float("inf")
    else:
        module.weight.data[3, 3] = float("nan")
    InputSums().add(module, (given,), None)
    with pytest.raises(ModelRefused, match="not finite"):
        round_together(module)


def run(node: Any, tensors: dict[str, Array], given: Array, rows: int) -> Array:
    """What onnxruntime computes with one node."""
    helper, kinds = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info("x", kinds.FLOAT, list(given.shape))],
        [helper.make_tensor_value_info("y", kinds.FLOAT, [len(given), rows])],
        [onnx.numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    made: Array = session.run(None, {"x": given})[0]
    return made


@pytest.mark.parametrize(
    ("columns", "group"),
    [(576, 128), (576, 64), (576, 256), (640, 128), (96, 32), (48, 32), (34, 64)],
)
@pytest.mark.parametrize("level", [1, 4])
def test_the_kernel_reads_part_blocks_and_odd_numbers_of_them(
    columns: int, group: int, level: int
) -> None:
    from olive.common.quant.nn import QuantLinear

    rows = 40
    module = matrix(rows, columns, group, bias=True)
    InputSums().add(module, (inputs(300, columns),), None)
    round_together(module)
    info = module.quant_info
    from_module = part_blocks.packing(QuantLinear.from_module.__func__)
    pack = functools.partial(
        from_module,
        QuantLinear,
        module,
        bits=4,
        symmetric=False,
        group_size=group,
        scales=info.scales,
        zero_points=info.zero_points,
    )
    packed = pack()
    assert packed.qweight.shape == (rows, columns // 2)
    assert torch.equal(packed.bias, module.bias)
    # Olive's own packing works the same numbers out of the weights.
    del info.numbers
    again = pack()
    assert torch.equal(packed.qweight, again.qweight)
    assert torch.equal(packed.qzeros, again.qzeros)
    assert torch.equal(packed.scales, again.scales)
    read = SimpleNamespace(
        qweight=packed.qweight, scales=packed.scales, qzeros=packed.qzeros, bits=4, group_size=group
    )
    read.out_features, read.in_features = rows, columns
    part_blocks.reading(builders_repack)(None, read)
    assert read.in_features == columns
    tensors = {
        "w": read.qweight.numpy(),
        "s": read.scales.numpy().reshape(-1),
        "z": read.qzeros.numpy(),
    }
    node = onnx.helper.make_node(
        "MatMulNBits",
        ["x", *tensors],
        ["y"],
        domain="com.microsoft",
        K=columns,
        N=rows,
        bits=4,
        block_size=group,
        accuracy_level=level,
    )
    given = inputs(7, columns, seed=3).numpy()
    expected = given @ module.weight.detach().numpy().T
    error = np.abs(run(node, tensors, given, rows) - expected).max() / np.abs(expected).max()
    # In int8 the inputs are rounded to 8 bits a block.
    assert error < (1e-4 if level == 1 else 0.03)


def builders_repack(model: Any, module: Any) -> None:
    """The builder's own reader, on whole blocks."""
    from onnxruntime_genai.models.loaders.olive import OliveModel

    OliveModel.repack(model, module)


@pytest.mark.parametrize(
    ("columns", "group"), [(96, 32), (160, 32), (72, 32), (128, 32), (200, 128)]
)
def test_k_quant_packs_its_zero_points_row_by_row(columns: int, group: int) -> None:
    from onnxruntime.quantization.neural_compressor import weight_only

    rows = 10
    blocks, group_rows = -(-columns // group), np.random.default_rng(0)
    numbers = group_rows.integers(0, 16, (rows * blocks, group), np.uint8)
    scales = group_rows.uniform(0.5, 1, (rows * blocks, 1)).astype(np.float32)
    zeros = group_rows.integers(0, 16, (rows * blocks, 1), np.uint8)
    inner = weight_only.make_matmul_weight_only_node
    node = onnx.helper.make_node("MatMul", ["x", "b"], ["y"], name="head")
    made, tensors = odd_blocks.row_by_row(inner)(
        node=node,
        weight_shape=(columns, rows),
        num_bits=4,
        group_size=group,
        k_blocks=blocks,
        q_weight=numbers,
        scale=scales,
        zero_point=zeros,
        accuracy_level=1,
    )
    held = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in tensors}
    assert held["b_zp"].shape == (rows, -(-blocks // 2))
    given = group_rows.normal(size=(3, columns)).astype(np.float32)
    weights = ((numbers.astype(np.float32) - zeros) * scales).reshape(rows, -1)[:, :columns]
    expected = given @ weights.T
    assert np.abs(run(made, held, given, rows) - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize(("bits", "group"), [(4, 32), (4, 128), (8, 32)])
def test_the_head_is_closer_on_the_text_than_k_quant_makes_it(bits: int, group: int) -> None:
    from onnxruntime.quantization.neural_compressor.weight_only import quant_tensor_k_quant_cpu

    columns, rows = 144, 600
    sums = sums_of(inputs(800, columns))
    weights = np.random.default_rng(0).normal(size=(rows, columns)).astype(np.float32)
    filled = np.pad(weights, ((0, 0), (0, -columns % group)))

    def error(numbers: Array, scales: Array, zeros: Array) -> float:
        assert len(numbers) == len(scales) == len(zeros) == filled.size // group
        made = ((numbers.astype(np.float32) - zeros) * scales).reshape(rows, -1)
        assert not made[:, columns:].any()
        return output_error(made[:, :columns], weights, sums.products.numpy())

    numbers, scales, zeros = rounded_table(filled, sums, bits, group)
    assert numbers.max() < 2**bits
    assert error(numbers, scales, zeros) < 0.9 * error(
        *quant_tensor_k_quant_cpu(filled, bits, group)
    )


def test_a_table_that_is_the_embedding_too_is_as_close_as_k_quant_makes_it() -> None:
    from onnxruntime.quantization.neural_compressor.weight_only import quant_tensor_k_quant_cpu

    columns, rows, group = 128, 600, 32
    sums = sums_of(inputs(800, columns))
    weights = np.random.default_rng(0).normal(size=(rows, columns)).astype(np.float32)

    def errors(numbers: Array, scales: Array, zeros: Array) -> tuple[float, float]:
        made = ((numbers.astype(np.float32) - zeros) * scales).reshape(rows, -1)
        distance = float(np.linalg.norm(made - weights))
        return output_error(made, weights, sums.products.numpy()), distance

    output, distance = errors(*rounded_table(weights, sums, 4, group, TIED_DAMPING))
    blind_output, blind_distance = errors(*quant_tensor_k_quant_cpu(weights, 4, group))
    assert output < 0.9 * blind_output
    assert distance < 1.02 * blind_distance
    _, far = errors(*rounded_table(weights, sums, 4, group))
    assert far > 1.1 * distance


def test_only_the_head_of_this_conversion_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    from onnxruntime.quantization.neural_compressor import weight_only

    monkeypatch.setattr(weight_only, "quant_tensor_k_quant_cuda", lambda *rest: "k-quant")
    network = SimpleNamespace(
        get_input_embeddings=lambda: torch.nn.Embedding(100, 64),
        get_output_embeddings=lambda: torch.nn.Linear(64, 100, bias=False),
    )
    head = CalibratedHead()
    head.install()
    quantise: Any = weight_only.quant_tensor_k_quant_cuda
    table = np.ones((100, 64), np.float32)
    assert quantise(table, 4, 32) == "k-quant"
    head.keep(network, inputs(60, 64))
    assert quantise(np.ones((99, 64), np.float32), 4, 32) == "k-quant"
    numbers, scales, _ = quantise(table, 4, 32)
    assert numbers.shape == (200, 32)
    assert len(scales) == 200
    head.forget()
    assert quantise(table, 4, 32) == "k-quant"


def test_an_artifact_is_read_as_the_kernel_reads_it(tmp_path: Any) -> None:
    rows, columns, group = 6, 72, 32
    module = matrix(rows, columns, group)
    InputSums().add(module, (inputs(200, columns),), None)
    round_together(module)
    info = module.quant_info
    numbers = torch.round(
        module.weight / info.scales.repeat_interleave(group, 1)[:, :columns]
        + info.zero_points.repeat_interleave(group, 1)[:, :columns]
    )
    filled = torch.nn.functional.pad(numbers, (0, -columns % group)).to(torch.uint8).detach()
    zeros = torch.nn.functional.pad(info.zero_points, (0, 1)).to(torch.uint8)
    helper, kinds = onnx.helper, onnx.TensorProto
    tensors = {
        "w": (filled[:, ::2] | filled[:, 1::2] << 4).reshape(rows, 3, 16).numpy(),
        "s": info.scales.numpy(),
        "z": (zeros[:, ::2] | zeros[:, 1::2] << 4).numpy(),
    }
    node = helper.make_node(
        "MatMulNBits",
        ["x", *tensors],
        ["y"],
        "layers.0.q",
        domain="com.microsoft",
        K=columns,
        N=rows,
        bits=4,
        block_size=group,
    )
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info("x", kinds.FLOAT, [1, columns])],
        [helper.make_tensor_value_info("y", kinds.FLOAT, [1, rows])],
        [onnx.numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    onnx.save(helper.make_model(graph), str(tmp_path / "model.onnx"))
    (stored,) = Graph(tmp_path / "model.onnx").matrices()
    assert np.abs(stored.values - module.weight.detach().numpy()).max() < 1e-5
