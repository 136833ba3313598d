"""Calibrated matrices whose last block is a part of one: Olive and the builder of genai 0.18 know whole blocks only.

The kernel (MatMulNBits) takes any width: it stores ceil(width / block) blocks and reads the last one as far as the
matrix goes. Olive's pass rounds such a block already; its packing refuses the width, and the builder's reader would
cut the blocks in the wrong place. Here Olive packs a matrix filled up with zeros, of which its own columns are kept,
and the builder fills them up again.
"""

import importlib
from collections.abc import Callable
from typing import Any

READERS = ("loaders.olive", "onnxruntime_genai.models.loaders.olive")
"""The builder imports its reader by the first name; a copy of it under the other one may be in use elsewhere."""


def install() -> None:
    """Adjust Olive's packing and the builder's reader of it in this process."""
    import onnxruntime_genai.models  # noqa: F401  (puts its own folder on sys.path)
    from olive.common.quant.nn import QuantLinear

    QuantLinear.from_module = classmethod(packing(QuantLinear.from_module.__func__))
    for name in READERS:
        reader = importlib.import_module(name).OliveModel
        reader.repack = reading(reader.repack)


def packing(inner: Callable[..., Any]) -> Callable[..., Any]:
    """Return `QuantLinear.from_module` for matrices of any even width."""
    import torch

    def from_module(kind: Any, linear: Any, *rest: Any, group_size: int = -1, **named: Any) -> Any:
        columns = linear.in_features
        lacking = -columns % group_size if group_size > 0 else 0
        numbers = getattr(linear.quant_info, "numbers", None)
        if numbers is not None and not rest:
            return _of_numbers(kind, linear, numbers, lacking, group_size=group_size, **named)
        if not lacking:
            return inner(kind, linear, *rest, group_size=group_size, **named)
        biased = linear.bias is not None
        with torch.no_grad():
            filled = torch.nn.utils.skip_init(
                torch.nn.Linear,
                columns + lacking,
                linear.out_features,
                bias=biased,
                dtype=linear.weight.dtype,
            )
            filled.weight.copy_(torch.nn.functional.pad(linear.weight, (0, lacking)))
            if biased:
                filled.bias.copy_(linear.bias)
        made = inner(kind, filled, *rest, group_size=group_size, **named)
        made.qweight = made.qweight[:, : columns * made.quantizer.bits // 8].contiguous()
        made.cols = columns
        return made

    return from_module


def _of_numbers(kind: Any, linear: Any, numbers: Any, lacking: int, **named: Any) -> Any:
    """Return the packed matrix of numbers that the rounding kept, which Olive would work out once more."""
    import torch

    columns, bias = linear.in_features, linear.bias
    made = kind.from_tensors(
        torch.nn.functional.pad(numbers, (0, lacking)),
        quantized=True,
        in_features=columns + lacking,
        out_features=linear.out_features,
        bias=bias is not None,
        **named,
    )
    if bias is not None:
        made.bias = bias.clone()
    made.qweight = made.qweight[:, : columns * made.quantizer.bits // 8].contiguous()
    made.cols = columns
    return made


def reading(inner: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """Return `OliveModel.repack` for matrices of any even width."""
    import torch

    def repack(model: Any, module: Any) -> None:
        columns = module.in_features
        lacking = -columns % module.group_size
        if lacking:
            module.qweight = torch.nn.functional.pad(
                module.qweight, (0, lacking * module.bits // 8)
            )
            module.in_features = columns + lacking
        inner(model, module)
        module.in_features = columns

    return repack
