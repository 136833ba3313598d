"""Experts of a gpt-oss in bfloat16.

genai 0.18's builder reads the experts of a quantised gpt-oss from the MXFP4 tensors of the published checkpoint only.
A fine-tuned one is saved in bfloat16; its experts are where transformers has put them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from firstlight_core.errors import FirstlightError
from firstlight_core.jobs.builder_classes import builder_module
from firstlight_core.model.folder import list_folder
from firstlight_core.model.safetensors_headers import read_weights


def install() -> None:
    """Adjust the builder in this process."""
    kind = getattr(builder_module(), "GPTOSSModel", None)
    if kind is not None and "load_mxfp4_experts" in vars(kind):
        kind.load_mxfp4_experts = _from_either(kind.load_mxfp4_experts)


def _from_either(inner: Callable[..., Any]) -> Callable[..., Any]:
    def load_mxfp4_experts(model: Any, layer_id: int, decode: bool = False) -> Any:
        if not decode or _is_packed(Path(model.model_name_or_path)):
            return inner(model, layer_id, decode=decode)
        experts = model.weights.model.layers[layer_id].mlp.experts
        # transformers keeps (expert, input, output), the quantiser wants the inputs last.
        return (
            experts.gate_up_proj.transpose(-1, -2).float().contiguous(),
            experts.down_proj.transpose(-1, -2).float().contiguous(),
        )

    return load_mxfp4_experts


def _is_packed(folder: Path) -> bool:
    try:
        weights = read_weights(list_folder(folder))
    except FirstlightError:
        return True
    return weights is None or any(name.endswith("_proj_blocks") for name in weights.tensors)
