"""The graph of an artifact with exact arithmetic: its stored weights, multiplied in float32."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

WIDENED = "exact.data"
"""Name of the file with the numbers that were float16."""


@contextlib.contextmanager
def exact_copy(folder: Path) -> Iterator[Path]:
    """Yield a folder beside `folder` whose graph has the same weights, and computes with them in float32.

    `accuracy_level` of MatMulNBits says how coarsely activations may be rounded: 4 to eight bits, 0 not at all.
    """
    import onnx

    copy = Path(tempfile.mkdtemp(prefix="exact-", dir=folder.parent))
    try:
        for path in folder.iterdir():
            if path.suffix == ".onnx":
                model = onnx.load(str(path), load_external_data=False)
                with (copy / WIDENED).open("wb") as data:
                    _widen(model, path.parent, data)
                (copy / path.name).write_bytes(model.SerializeToString())
            elif path.is_file():
                _link(path, copy / path.name)
        yield copy
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def _widen(model: Any, folder: Path, data: BinaryIO) -> None:
    """Have a graph compute in float32: activations are not rounded, every float16 becomes the same number in float32."""
    import numpy as np
    from onnx import TensorProto, numpy_helper

    half, whole = TensorProto.FLOAT16, TensorProto.FLOAT
    for tensor in model.graph.initializer:
        if tensor.data_type == half:
            values = numpy_helper.to_array(tensor, base_dir=str(folder)).astype(np.float32)
            name, shape = tensor.name, list(tensor.dims)
            tensor.Clear()
            tensor.name, tensor.data_type = name, whole
            tensor.dims.extend(shape)
            tensor.data_location = TensorProto.EXTERNAL
            location = {"location": WIDENED, "offset": data.tell(), "length": values.nbytes}
            for key, value in location.items():
                entry = tensor.external_data.add()
                entry.key, entry.value = key, str(value)
            data.write(values.tobytes())
    for value in [*model.graph.input, *model.graph.output, *model.graph.value_info]:
        if value.type.tensor_type.elem_type == half:
            value.type.tensor_type.elem_type = whole
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "accuracy_level":
                attribute.i = 0
            elif attribute.name in ("to", "dtype") and attribute.i == half:
                attribute.i = whole
            elif attribute.HasField("t") and attribute.t.data_type == half:
                wide = numpy_helper.to_array(attribute.t).astype(np.float32)
                attribute.t.CopyFrom(numpy_helper.from_array(wide, attribute.t.name))


def _link(path: Path, copy: Path) -> None:
    """A second name for a file; a copy where the file system has none."""
    try:
        os.link(path, copy)
    except OSError:
        shutil.copyfile(path, copy)
