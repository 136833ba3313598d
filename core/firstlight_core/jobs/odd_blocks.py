"""Zero points of k-quant where a row has an odd number of 4-bit blocks: each row ends with a whole byte.

That is how the kernels (MatMulNBits, GatherBlockQuantized) read them. onnxruntime's quantiser packs on from row to row,
and fails where the bytes do not come out even.
"""

from collections.abc import Callable
from typing import Any


def install() -> None:
    """Adjust the quantiser in this process; skips one that works differently."""
    from onnxruntime.quantization.neural_compressor import weight_only

    name = "make_matmul_weight_only_node"
    if hasattr(weight_only, name):
        setattr(weight_only, name, row_by_row(getattr(weight_only, name)))


def row_by_row(inner: Callable[..., Any]) -> Callable[..., Any]:
    """Return the quantiser's maker of a node, with zero points that end with every row."""
    import numpy as np
    import onnx

    def make_node(*, k_blocks: int, num_bits: int, zero_point: Any, **named: Any) -> Any:
        if zero_point is None or num_bits != 4 or k_blocks % 2 == 0:
            return inner(k_blocks=k_blocks, num_bits=num_bits, zero_point=zero_point, **named)
        made, tensors = inner(k_blocks=k_blocks, num_bits=num_bits, zero_point=None, **named)
        rows = np.asarray(zero_point, np.uint8).reshape(-1, k_blocks)
        rows = np.pad(rows, ((0, 0), (0, 1)))
        packed = rows[:, ::2] | rows[:, 1::2] << 4
        tensors.append(onnx.numpy_helper.from_array(packed, named["node"].input[1] + "_zp"))
        made.input.append(tensors[-1].name)
        return made, tensors

    return make_node
