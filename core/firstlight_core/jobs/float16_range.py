"""Whether a model's activations fit into float16, measured on the original before anything is converted.

Weights say nothing about it: Gemma 3 270M has none above 1,656, but its first token carries 103,821 from layer to
layer, and float16 ends at 65,504. What lies beyond becomes infinite, and the next norm makes NaN of it.
"""

from pathlib import Path
from typing import Any, TypedDict

from firstlight_core.errors import ModelRefused
from firstlight_core.jobs.transformers_model import import_transformers, load_original

LARGEST = 65_504.0
"""The largest finite number of float16."""
TEXT = "What can you do? 1 2 3.\n\nThe sea, the mountains and the plain lie between them."
"""Large activations sit on the first tokens, whatever they are (arXiv 2402.17762)."""


class Activation(TypedDict):
    """The largest number that passes between two modules."""

    value: float
    """The activation's magnitude; infinite where the original itself overflows."""
    module: str
    """Name of the module that it comes from or goes into."""


def largest_activation(source: Path, base: str | None) -> Activation:
    """Return the largest activation of the original on a short text.

    Raises:
        ModelRefused: transformers cannot load it.
    """
    torch, _ = import_transformers()
    # bfloat16 reaches as far as float32; a float16 checkpoint would overflow by itself.
    tokenizer, model = load_original(source, base, exact=False)
    if model.dtype == torch.float16:
        model = model.float()
    largest, where = 0.0, ""

    def look(name: str, values: Any) -> None:
        nonlocal largest, where
        for value in values if isinstance(values, tuple) else (values,):
            if isinstance(value, torch.Tensor) and value.is_floating_point() and value.numel():
                most = float(value.detach().abs().max().float())
                # A mask has four dimensions and holds the smallest number there is.
                if value.dim() < 4 and most > largest:
                    largest, where = most, name

    def hook(name: str) -> Any:
        def seen(module: Any, inputs: Any, output: Any) -> None:
            look(name, inputs)
            look(name, output)

        return seen

    handles = [part.register_forward_hook(hook(name)) for name, part in model.named_modules()]
    ids = [int(i) for i in tokenizer.encode(TEXT)]
    try:
        with torch.inference_mode():
            model(input_ids=torch.tensor([ids]), use_cache=False, logits_to_keep=1)
    finally:
        for handle in handles:
            handle.remove()
    return {"value": largest, "module": where}


def refuse_beyond_float16(source: Path, base: str | None) -> None:
    """Refuse a model whose activations do not fit.

    Raises:
        ModelRefused: they do not.
    """
    largest = largest_activation(source, base)
    if largest["value"] > LARGEST:
        raise ModelRefused(
            f"In FP16 this model would compute infinities: its activations reach {largest['value']:,.0f} "
            f"({largest['module']}), and float16 ends at {LARGEST:,.0f}.",
            hint="Choose FP32, INT8 or INT4: they compute in float32. --force converts to FP16 all the same.",
        )
