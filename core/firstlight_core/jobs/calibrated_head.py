"""The output head rounded on the calibration text too, and with it the embedding of a tied model.

Olive's pass leaves the head to the builder, which rounds it with onnxruntime's k-quant: without the text, in many passes
over a table that is held several times. Here the inputs of the head on the text are kept (a sum of outer products), and
the quantiser's call for the head is answered by the arithmetic of the layers, whatever its bits and blocks.
"""

from typing import Any

from firstlight_core.jobs.transformers_model import idle_threads
from firstlight_core.jobs.weight_rounding import DAMPING, Sums, factor, round_columns

TIED_DAMPING = 2.0
"""Damping of a table that is the embedding too: read as such, every weight of a row counts alike.

With 1 % the head is closest on the text, but the rows of the table lie 1.4 times as far from the original as k-quant's,
and Gemma 3 270M drifts further. With this much both are closer than k-quant's (docs/int4.md).
"""
ROWS = 4096
"""Rows of the head that are rounded at a time; they do not depend on each other."""


class CalibratedHead:
    """The head's inputs on the text of one conversion, until the builder asks for its weights."""

    def __init__(self) -> None:
        self._sums: Sums | None = None
        self._vocab = 0
        self._damping = DAMPING

    def forget(self) -> None:
        """Begin another conversion: the builder's own quantiser rounds what nothing is known of."""
        self._sums = None

    def keep(self, network: Any, states: Any) -> None:
        """Take up what the head of a network gets on the text (tokens, width)."""
        import torch

        head = network.get_output_embeddings()
        width = head.weight.shape[1]
        self._sums, self._vocab = Sums(torch.zeros(width, width), []), len(head.weight)
        self._sums.take(states)
        tied = network.get_input_embeddings().weight is head.weight
        self._damping = TIED_DAMPING if tied else DAMPING

    def install(self) -> None:
        """Answer onnxruntime's k-quant for the head, in this process."""
        from onnxruntime.quantization.neural_compressor import weight_only

        inner = weight_only.quant_tensor_k_quant_cuda

        def quantise(data: Any, num_bits: int = 4, group_size: int = 32) -> Any:
            sums = self._sums
            if (
                sums is None
                or data.shape[0] != self._vocab
                or not 0 <= data.shape[1] - sums.width < group_size
            ):
                return inner(data, num_bits, group_size)
            with idle_threads():
                return rounded_table(data, sums, num_bits, group_size, self._damping)

        weight_only.quant_tensor_k_quant_cuda = quantise


def rounded_table(
    data: Any, sums: Sums, bits: int, group: int, damping: float = DAMPING
) -> tuple[Any, Any, Any]:
    """Return numbers (groups of all rows, weights), scales and zero points of a table, as k-quant returns them.

    `data`: (rows, columns), filled up to whole groups.
    """
    import numpy as np
    import torch

    rows, filled = data.shape
    groups = filled // group
    solved = factor(sums.products.clone(), damping)
    costs = sums.costs + damping * sums.costs.mean()
    numbers = np.empty((rows, groups, group), np.uint8)
    scales, zeros = np.empty((rows, groups), np.float32), np.empty((rows, groups), np.uint8)
    for first in range(0, rows, ROWS):
        part = slice(first, first + ROWS)
        weights = torch.from_numpy(np.array(data[part].T[: sums.width], np.float32, order="C"))
        scale, zero = round_columns(weights, solved, costs, group, 2**bits - 1)
        filling = torch.zeros(filled - sums.width, weights.shape[1])
        weights = torch.cat([weights, filling]).view(groups, group, -1)
        weights.div_(scale[:, None]).add_(zero[:, None]).round_()
        numbers[part] = weights.permute(2, 0, 1).numpy()
        scales[part], zeros[part] = scale.t().numpy(), zero.t().numpy()
    return numbers.reshape(-1, group), scales.reshape(-1, 1), zeros.reshape(-1, 1)
