"""The matrices of an ONNX graph as numbers, quantised ones too: what the runtime multiplies with, read without it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KINDS = ("MatMulNBits", "GatherBlockQuantized")
"""The operators whose weights are read here."""


@dataclass(frozen=True, slots=True)
class StoredMatrix:
    """One matrix of a graph, its rows the outputs (or the tokens of a table)."""

    node: str
    table: bool
    """A token table that Gather reads; else a weight that is multiplied with."""
    bits: int
    """32 or 16 where it is not quantised."""
    values: Any
    """float32 array (rows, columns)."""


class Graph:
    """One ONNX graph and its weights file, read tensor by tensor."""

    def __init__(self, path: Path) -> None:
        import onnx

        self._onnx = onnx
        self.folder = path.parent
        self.model = onnx.load(str(path), load_external_data=False)
        self._held = {tensor.name: tensor for tensor in self.model.graph.initializer}
        nodes = self.model.graph.node
        self._made = {name: node for node in nodes for name in node.output}

    def unread_kinds(self) -> list[str]:
        """Return operators with quantised weights that `matrices` does not read."""
        quantised = (
            "QMoE",
            "MoE",
            "MatMulInteger",
            "DequantizeLinear",
            "QLinearMatMul",
            "MatMulBnb4",
        )
        return sorted({node.op_type for node in self.model.graph.node if node.op_type in quantised})

    def is_rounded(self) -> bool:
        """Return whether any weight is stored with fewer bits than float32."""
        half = self._onnx.TensorProto.FLOAT16
        return any(node.op_type in KINDS for node in self.model.graph.node) or any(
            tensor.data_type == half and len(tensor.dims) == 2 for tensor in self._held.values()
        )

    def half_vectors(self) -> list[Any]:
        """Return every one-dimensional float16 tensor, as float32: norms and biases."""
        import numpy as np

        half = self._onnx.TensorProto.FLOAT16
        held = [t for t in self._held.values() if t.data_type == half and len(t.dims) == 1]
        return [self._array(tensor.name).astype(np.float32) for tensor in held]

    def matrices(self) -> Iterator[StoredMatrix]:
        """Yield every matrix that is multiplied with, and the token table."""
        for node in self.model.graph.node:
            values = {a.name: self._onnx.helper.get_attribute_value(a) for a in node.attribute}
            if node.op_type == "MatMulNBits":
                bits = int(values.get("bits", 4))
                yield StoredMatrix(node.name, False, bits, self._nbits(node, values, bits))
            elif node.op_type == "GatherBlockQuantized":
                bits = int(values.get("bits", 4))
                yield StoredMatrix(node.name, True, bits, self._block_table(node, values, bits))
            elif node.op_type == "MatMul" and len(node.input) == 2:
                weight = self._plain(node.input[1])
                if weight is not None and weight.ndim == 2 and weight.dtype.kind == "f":
                    yield StoredMatrix(node.name, False, 8 * weight.dtype.itemsize, weight.T)
            elif node.op_type == "Gather" and "embed" in node.name:
                table = self._plain(node.input[0])
                if table is not None and table.ndim == 2 and table.dtype.kind == "f":
                    yield StoredMatrix(node.name, True, 8 * table.dtype.itemsize, table)

    def _array(self, name: str) -> Any:
        return self._onnx.numpy_helper.to_array(self._held[name], base_dir=str(self.folder))

    def _plain(self, name: str) -> Any:
        """Return an initialiser, also through the Transpose or Reshape by which a shared one is read."""
        if name in self._held:
            return self._array(name)
        node = self._made.get(name)
        if node is not None and node.op_type == "Constant":
            return self._onnx.numpy_helper.to_array(node.attribute[0].t)
        if node is None or node.op_type not in ("Transpose", "Reshape", "Cast"):
            return None
        values = self._plain(node.input[0])
        if values is None or node.op_type == "Cast":
            return values
        if node.op_type == "Transpose":
            return values.T
        return values.reshape([int(n) for n in self._plain(node.input[1])])

    def _nbits(self, node: Any, values: dict[str, Any], bits: int) -> Any:
        import numpy as np

        rows, columns, block = int(values["N"]), int(values["K"]), int(values["block_size"])
        blocks = -(-columns // block)
        numbers = unpacked(self._array(node.input[1]).reshape(rows, -1), bits)
        numbers = numbers[:, : blocks * block].reshape(rows, blocks, block).astype(np.float32)
        scales = self._array(node.input[2]).astype(np.float32).reshape(rows, blocks, 1)
        zeros: Any = np.float32(2 ** (bits - 1))
        if len(node.input) > 3 and node.input[3]:
            stored = self._array(node.input[3])
            if stored.dtype == np.uint8:
                stored = _zero_points(stored, rows, blocks, bits)
            zeros = stored.astype(np.float32).reshape(rows, blocks, 1)
        numbers -= zeros
        numbers *= scales
        return numbers.reshape(rows, blocks * block)[:, :columns]

    def _block_table(self, node: Any, values: dict[str, Any], bits: int) -> Any:
        import numpy as np

        stored = self._plain(node.input[0])
        scales = self._plain(node.input[2]).astype(np.float32)
        rows, blocks = scales.shape[0], int(np.prod(scales.shape[1:]))
        signed = stored.dtype.kind == "i" and stored.dtype != np.uint8
        if stored.dtype == np.uint8:
            numbers = unpacked(stored.reshape(rows, -1), bits).astype(np.float32)
        else:
            numbers = stored.reshape(rows, -1).astype(np.float32)
        block = int(values.get("block_size", numbers.shape[1] // blocks))
        zeros: Any = np.float32(0 if signed else 2 ** (bits - 1))
        if len(node.input) > 3 and node.input[3]:
            zero_points = self._plain(node.input[3])
            if zero_points.dtype == np.uint8:
                zero_points = unpacked(zero_points.reshape(rows, -1), bits)[:, :blocks]
            zeros = zero_points.astype(np.float32).reshape(rows, blocks, 1)
        numbers = numbers[:, : blocks * block].reshape(rows, blocks, block)
        # In place: two more copies of a vocabulary table would be the peak of the conversion.
        numbers -= zeros
        numbers *= scales.reshape(rows, blocks, 1)
        return numbers.reshape(rows, -1)


def _zero_points(stored: Any, rows: int, blocks: int, bits: int) -> Any:
    """(rows, blocks) of packed zero points; some quantisers pack on from row to row, where a row ends half a byte."""
    if stored.size == rows * -(-blocks * bits // 8):
        return unpacked(stored.reshape(rows, -1), bits)[:, :blocks]
    return unpacked(stored.reshape(1, -1), bits)[0, : rows * blocks].reshape(rows, blocks)


def unpacked(stored: Any, bits: int) -> Any:
    """Return the numbers of packed bytes, the lowest bits first: (rows, bytes) to (rows, numbers)."""
    import numpy as np

    if bits == 8:
        return stored
    share = 8 // bits
    mask = np.uint8(2**bits - 1)
    parts = [(stored >> np.uint8(bits * index)) & mask for index in range(share)]
    return np.stack(parts, axis=-1).reshape(stored.shape[0], -1)
