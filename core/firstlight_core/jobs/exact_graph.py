"""The graph of an artifact with exact arithmetic: its stored weights, multiplied in float32."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def exact_copy(folder: Path) -> Iterator[Path]:
    """Yield a folder beside `folder` with the same weights file, whose matrices take float32 activations.

    `accuracy_level` of MatMulNBits says how coarsely activations may be rounded: 4 to eight bits, 0 not at all.
    """
    import onnx

    copy = Path(tempfile.mkdtemp(prefix="exact-", dir=folder.parent))
    try:
        for path in folder.iterdir():
            if path.suffix == ".onnx":
                model = onnx.load(str(path), load_external_data=False)
                for node in model.graph.node:
                    for attribute in node.attribute:
                        if attribute.name == "accuracy_level":
                            attribute.i = 0
                (copy / path.name).write_bytes(model.SerializeToString())
            elif path.is_file():
                _link(path, copy / path.name)
        yield copy
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def _link(path: Path, copy: Path) -> None:
    """A second name for a file; a copy where the file system has none."""
    try:
        os.link(path, copy)
    except OSError:
        shutil.copyfile(path, copy)
