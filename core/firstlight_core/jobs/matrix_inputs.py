"""The inputs of each matrix of a network on the beginnings of a few texts.

Weights that were rounded on a text may lie far from the original's where their inputs allow it; what they make of those
inputs may not.
"""

from collections.abc import Sequence
from typing import Any

from firstlight_core.documents.jobs_conversion import Text

TOKENS = 96
"""Tokens of each text that are taken: enough for the factor of a matrix to be known to a thousandth."""


def matrix_inputs(network: Any, texts: Sequence[Text]) -> dict[str, Any]:
    """Return the inputs (tokens, columns) of every matrix that is multiplied with, by the name of its weights."""
    import torch

    parts: dict[str, list[Any]] = {}
    last: Any = None
    kept: Any = None

    def keeping(name: str) -> Any:
        def before(module: Any, given: tuple[Any, ...]) -> None:
            nonlocal last, kept
            if given[0] is not last:
                # Query, key and value have one input, gate and up another.
                last, kept = given[0], given[0].detach().reshape(-1, given[0].shape[-1]).clone()
            parts.setdefault(name, []).append(kept)

        return before

    handles = [
        module.register_forward_pre_hook(keeping(f"{name}.weight"))
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Linear)
    ]
    try:
        with torch.inference_mode():
            for text in texts:
                network(input_ids=torch.tensor([text["ids"][:TOKENS]]), use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return {name: torch.cat(inputs) for name, inputs in parts.items()}
