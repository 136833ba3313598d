"""Lets ONNX Runtime's quantisers read each weight when its turn comes; their output is the same byte for byte.

The builder writes every weight as float32 into one protobuf (4 bytes a weight, copied twice), from which the
quantiser reads them back one after another. Here that protobuf holds names and shapes, and the weights come from the
builder's own graph. k-quant still reads the protobuf; it gets one slice of a weight after another, so that its
arrays of 34 bytes a weight stay small.
"""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

LEAST_BYTES = 2**16
"""Smaller tensors stay where they are: shapes and constants of the graph."""
SLICE_WEIGHTS = 2**20
"""Weights of one slice for k-quant: its dozen arrays then fit into the caches of a processor."""


def install() -> None:
    """Adjust the builder and the quantisers in this process; what they lack is left as it is."""
    import onnx_ir
    import onnxruntime_genai.models  # noqa: F401  (puts its own folder on sys.path)
    from onnxruntime.quantization import matmul_nbits_quantizer as quantiser
    from onnxruntime.quantization.neural_compressor import weight_only
    from onnxruntime_genai.models import builder

    model = next((c for c in builder.LlamaModel.__mro__ if "to_nbits" in vars(c)), None)
    if model is not None and hasattr(quantiser, "ir"):
        reader = quantiser.ir = WeightReader(onnx_ir)
        model.to_nbits = _reading(model.to_nbits, reader)
    if hasattr(weight_only, "quant_tensor_k_quant_cuda"):
        # The builder's name for "on a GPU if there is one": without, it calls the other one.
        weight_only.quant_tensor_k_quant_cuda = in_slices(weight_only.quant_tensor_k_quant_cpu)


class WeightReader:
    """`onnx_ir` as the quantiser uses it, but a weight that is held back is read from the builder's graph."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self._held: dict[str, Any] = {}
        self._room: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)

    def from_proto(self, proto: Any) -> Any:
        """Return the tensor of a protobuf; with its values where the protobuf has none."""
        held = self._held.get(getattr(proto, "name", ""))
        return self._library.from_proto(proto) if held is None else _Rows(held, self.rows)

    def rows(self, tensor: Any) -> Any:
        """Return the weight as the kernel reads it, row after row, in a buffer that the next weight reuses."""
        import torch

        stored = _stored(tensor)
        if stored is None or tensor.dtype != self._library.DataType.FLOAT:
            return tensor.numpy()
        if self._room is None or self._room.numel() < stored.numel():
            self._room = None
            self._room = torch.empty(stored.numel(), dtype=torch.float32)
        # One pass over the memory: widened, and transposed where the builder asks for it.
        return self._room[: stored.numel()].view(stored.shape).copy_(stored.detach()).numpy()

    @contextlib.contextmanager
    def holding(self, graph: Any, *, reads_tables: bool) -> Iterator[dict[str, Any]]:
        """Put stand-ins into a graph for its large weights while the quantiser works; yields the weights by name.

        `reads_tables`: the quantiser also reads the tables of Gather nodes, and those from the protobuf.
        """
        values = {
            value.name: value
            for value in graph.initializers.values()
            if _may_be_held(value, reads_tables=reads_tables)
        }
        self._held = {name: value.const_value for name, value in values.items()}
        try:
            for name, tensor in self._held.items():
                values[name].const_value = self._library.ExternalTensor(
                    "held-back", None, None, tensor.dtype, shape=tensor.shape, name=name
                )
            yield self._held
        finally:
            for name, tensor in self._held.items():
                values[name].const_value = tensor
            self._held, self._room = {}, None


class _Rows:
    def __init__(self, tensor: Any, read: Callable[[Any], Any]) -> None:
        self._tensor, self._read = tensor, read

    def numpy(self) -> Any:
        return self._read(self._tensor)


def _stored(tensor: Any) -> Any:
    """Return the torch tensor behind a lazy tensor of the builder; None for any other kind."""
    import torch

    cells = getattr(getattr(tensor, "raw", None), "__closure__", None) or ()
    tensors = [cell.cell_contents for cell in cells if isinstance(cell.cell_contents, torch.Tensor)]
    return (
        tensors[0] if len(tensors) == 1 and list(tensors[0].shape) == list(tensor.shape) else None
    )


def _may_be_held(value: Any, *, reads_tables: bool) -> bool:
    tensor = value.const_value
    if tensor is None or tensor.nbytes < LEAST_BYTES or value.is_graph_output():
        return False
    places = {("MatMul", 1)} if reads_tables else {("MatMul", 1), ("Gather", 0)}
    uses = [(use.node.op_type, use.idx) for use in value.uses()]
    return bool(uses) and all(use in places for use in uses)


def _reading(inner: Callable[[Any], Any], reader: WeightReader) -> Callable[[Any], Any]:
    def to_nbits(model: Any) -> Any:
        if getattr(model, "quantization_algo", "") != "default":
            return inner(model)
        settings = model.quant_attrs
        # The default quantiser passes Gather nodes over unless it works with 4 bits.
        tables = "Gather" in settings["op_types_to_quantize"] and settings["bits"] == 4
        with reader.holding(model.model.graph, reads_tables=tables) as held:
            made = inner(model)
            for name, value in made.graph.initializers.items():
                # What the quantiser left as it was is written from where it is.
                value.const_value = held.get(name, value.const_value)
        return made

    return to_nbits


def in_slices(quantise: Callable[..., Any]) -> Callable[..., Any]:
    """`quant_tensor_k_quant_cpu` over slices of whole groups, several at a time; every group is computed as before."""

    def sliced(weight: Any, bits: int = 4, group: int = 32) -> tuple[Any, Any, Any]:
        import numpy as np

        groups = np.reshape(weight, (-1, group))
        step = max(1, SLICE_WEIGHTS // group)
        # The caller narrows them to these types anyway.
        packed = np.empty(groups.shape, np.uint8)
        scales = np.empty((len(groups), 1), np.float32)
        zeros = np.empty((len(groups), 1), np.uint8)

        def one(start: int) -> None:
            part = slice(start, start + step)
            packed[part], scales[part], zeros[part] = quantise(groups[part], bits, group)

        with ThreadPoolExecutor() as pool:
            list(pool.map(one, range(0, len(groups), step)))
        return packed, scales, zeros

    return sliced
