"""Read from tensor names and shapes, as PEFT writes them, which modules a LoRA adapter changes; no value is read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from firstlight_core.errors import ModelRefused
from firstlight_core.model.safetensors_headers import Tensor
from firstlight_core.text import one_line

EMBEDDINGS = ("embed_tokens", "wte", "word_embeddings", "tok_embeddings", "embed_in")
HEADS = ("lm_head", "output_layer", "embed_out")
PREFIX = "base_model.model."
WRAPPERS = ("_orig_mod", "_fsdp_wrapped_module", "_forward_module", "_checkpoint_wrapped_module")
"""Names that torch.compile, FSDP and DeepSpeed put between the parts of a name while they train."""
_AGAIN = (
    "Save the adapter again, unwrapped: `model.save_pretrained(FOLDER)` of the PeftModel itself."
)


@dataclass(frozen=True, slots=True)
class Change:
    """The change of an adapter to one module of its base; None where its tensors do not tell."""

    inputs: int | None = None
    """Columns of the weight, from the first low-rank factor."""
    outputs: int | None = None
    """Rows of the weight, from the second low-rank factor."""
    shape: tuple[int, ...] | None = None
    """Shape of a weight that is saved whole."""
    bias: int | None = None
    """Size of a trained bias."""
    low_rank: bool = False
    """Whether it is a LoRA, not a saved copy or trained token rows."""


_FACTOR = re.compile(r"(.+)\.lora_(A|B)\.weight")
_TABLE_FACTOR = re.compile(r"(.+)\.lora_embedding_(A|B)")
_NEW_BIAS = re.compile(r"(.+)\.lora_B\.bias")
_BESIDE = re.compile(
    r"(.+)\.(?:lora_magnitude_vector(?:\.weight)?|token_adapter\.trainable_tokens_delta)"
)
_SAVED = re.compile(r"(.+?)(?:\.base_layer|\.modules_to_save)?\.(weight|bias)")


def read_changes(tensors: Mapping[str, Tensor]) -> dict[str, Change]:
    """Return the changes of an adapter by module, named as in the base's own weights.

    Raises:
        ModelRefused: a tensor has a name under which PEFT would pass it over.
    """
    changes: dict[str, Change] = {}
    for name, tensor in tensors.items():
        module, change = _read(name.removeprefix(PREFIX), tensor)
        if not module or not name.startswith(PREFIX):
            raise _passed_over(name)
        changes[module] = _joined(changes.get(module, Change()), change)
    return changes


def _joined(first: Change, second: Change) -> Change:
    return Change(
        inputs=first.inputs if second.inputs is None else second.inputs,
        outputs=first.outputs if second.outputs is None else second.outputs,
        shape=second.shape or first.shape,
        bias=first.bias if second.bias is None else second.bias,
        low_rank=first.low_rank or second.low_rank,
    )


def _read(name: str, tensor: Tensor) -> tuple[str, Change]:
    """Return the module that a tensor changes, and how; no module where the name is none of PEFT's."""
    rows, columns = (*tensor.shape, 0, 0)[:2]
    if set(name.split(".")) & set(WRAPPERS):
        return "", Change()
    if match := _FACTOR.fullmatch(name):
        side = Change(inputs=columns) if match[2] == "A" else Change(outputs=rows)
        return match[1], replace(side, low_rank=True)
    if match := _TABLE_FACTOR.fullmatch(name):
        # A table is looked up: its rows stand where the inputs of a layer do.
        side = Change(outputs=columns) if match[2] == "A" else Change(inputs=rows)
        return match[1], replace(side, low_rank=True)
    if match := _NEW_BIAS.fullmatch(name):
        return match[1], Change(bias=rows, low_rank=True)
    if match := _BESIDE.fullmatch(name):
        return match[1], Change()
    if "lora_" not in name and (match := _SAVED.fullmatch(name)):
        return match[1], Change(shape=tensor.shape) if match[2] == "weight" else Change(bias=rows)
    return "", Change()


def _passed_over(name: str) -> ModelRefused:
    label = one_line(name, 90)
    wrapper = next((part for part in name.split(".") if part in WRAPPERS), None)
    if wrapper is not None:
        return ModelRefused(
            f"The adapter's tensors are named after a wrapper of the training ({wrapper}): {label}. "
            "PEFT would pass them over.",
            hint=_AGAIN,
        )
    return ModelRefused(
        f"{label} is no name that PEFT gives to a tensor of a LoRA adapter: it would be passed over.",
        hint=_AGAIN,
    )


def is_end(module: str, names: tuple[str, ...]) -> bool:
    """Return whether a module is the token embedding (`EMBEDDINGS`) or the output head (`HEADS`)."""
    return module.rpartition(".")[2] in names


def vocabulary(changes: Mapping[str, Change]) -> int | None:
    """Return the token rows that the adapter was trained with; None when it touches neither end of the model.

    Raises:
        ModelRefused: its own tensors do not agree.
    """
    sizes: dict[int, str] = {}
    for module, change in changes.items():
        if is_end(module, EMBEDDINGS) or is_end(module, HEADS):
            for size in (change.outputs, change.shape[0] if change.shape else None):
                if size is not None:
                    sizes.setdefault(size, module)
    if len(sizes) > 1:
        clash = " and ".join(f"{size} in {one_line(name, 60)}" for size, name in sizes.items())
        raise ModelRefused(
            f"The adapter contradicts itself about the size of the vocabulary: {clash}.",
            hint="Save it again where it was trained.",
        )
    return next(iter(sizes), None)
