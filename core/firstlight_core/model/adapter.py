"""LoRA adapter folders (PEFT): what they are, and where the model they adapt is on this machine."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from firstlight_core.documents.model import AdapterDocument
from firstlight_core.errors import ModelRefused
from firstlight_core.files import JsonObject, is_file
from firstlight_core.model.adapter_bases import remembered_base
from firstlight_core.model.adapter_tensors import (
    EMBEDDINGS,
    HEADS,
    Change,
    is_end,
    read_changes,
    vocabulary,
)
from firstlight_core.model.config import ModelShape
from firstlight_core.model.folder import ModelFolder, list_folder, unreadable
from firstlight_core.model.safetensors_headers import INDEX, SINGLE, Tensor, read_header
from firstlight_core.model.sources import cached_snapshot, looks_like_hub_id
from firstlight_core.model.structure import Structure
from firstlight_core.text import one_line, shown_path

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
_PICKLED = "adapter_model.bin"
_MERGE_THERE = "Merge it into its base where it was trained, and choose the merged folder."


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """One LoRA adapter: its folder, the base it names, its rank and what it changes."""

    folder: Path
    base: str
    rank: int
    alpha: float
    targets: tuple[str, ...]
    parameters: int
    weight_bytes: int
    vocab: int | None = None
    """Token rows it was trained with; None when it touches neither end of the model."""
    splits_ends: bool = False
    """Whether it changes one end of the model without the other: a tied base needs two matrices after the merge."""
    changes: Mapping[str, Change] = field(default_factory=dict, repr=False)

    def to_json(self) -> AdapterDocument:
        """Return the `adapter` object of an inspection."""
        return {
            "folder": shown_path(self.folder),
            "base": self.base,
            "rank": self.rank,
            "alpha": self.alpha,
            "targets": list(self.targets),
            "parameters": self.parameters,
            "weight_bytes": self.weight_bytes,
        }


def is_adapter(folder: ModelFolder) -> bool:
    """Return whether the folder holds an adapter and no whole model; it may contain the base's config.json.

    Raises:
        ModelRefused: it holds both, and loading it would lay the adapter over weights that may have it already.
    """
    if CONFIG not in folder.files:
        return False
    if SINGLE not in folder.files and INDEX not in folder.files:
        return (
            WEIGHTS in folder.files or "config.json" not in folder.files or _PICKLED in folder.files
        )
    raise ModelRefused(
        f"{shown_path(folder.path)} holds a whole model and a LoRA adapter: "
        "it does not say whether the adapter is in those weights already.",
        hint=f"Keep one of them there: move {CONFIG} and the adapter's weights, or the model, into another folder.",
    )


def read_adapter(folder: ModelFolder) -> Adapter:
    """Contents of adapter_config.json and of the header of the adapter weights.

    Raises:
        ModelRefused: it is no LoRA adapter, cannot be merged, or its weights are missing, broken or pickled.
    """
    settings = folder.read_object(CONFIG)
    _refuse_kind(settings)
    base = settings.get("base_model_name_or_path")
    if not isinstance(base, str) or not base.strip() or len(base) > 1024 or "\0" in base:
        raise ModelRefused(
            "adapter_config.json does not name the base model.",
            hint="Merge the adapter where it was trained, or add base_model_name_or_path.",
        )
    rank, alpha = settings.get("r"), settings.get("lora_alpha")
    if not isinstance(rank, int) or isinstance(rank, bool) or not 1 <= rank <= 65_536:
        raise ModelRefused("adapter_config.json names no usable rank (r).")
    if not isinstance(alpha, int | float) or not 0 <= alpha < 1e9:
        raise ModelRefused("adapter_config.json names no usable lora_alpha.")
    if WEIGHTS not in folder.files:
        raise ModelRefused(
            "The adapter's weights are a pickle, which can run code when it is opened."
            if _PICKLED in folder.files
            else f"The adapter's weights ({WEIGHTS}) are missing.",
            hint="Save the adapter again with `save_pretrained(..., safe_serialization=True)`.",
        )
    member = folder.files[WEIGHTS]
    tensors = read_header(member)
    if not any(".lora_" in name for name in tensors):
        raise ModelRefused(f"{WEIGHTS} holds no LoRA tensor.", hint="Save the adapter again.")
    if empty := next((name for name, tensor in tensors.items() if not tensor.elements), None):
        raise ModelRefused(
            f"{WEIGHTS} holds empty tensors ({one_line(empty, 80)}): a sharded training run saved it "
            "without gathering them.",
            hint="Save the adapter again where it was trained, with the parameters gathered (ZeRO-3: zero_to_fp32.py).",
        )
    changes = read_changes(tensors)
    targets = settings.get("target_modules")
    names = [targets] if isinstance(targets, str) else targets if isinstance(targets, list) else []
    return Adapter(
        folder=folder.path,
        base=one_line(base, 200),
        rank=rank,
        alpha=float(alpha),
        targets=tuple(sorted(one_line(n, 60) for n in names[:200] if isinstance(n, str))),
        parameters=sum(tensor.elements for tensor in tensors.values()),
        weight_bytes=member.size,
        vocab=vocabulary(changes),
        splits_ends=_splits_ends(settings, changes),
        changes=changes,
    )


def _refuse_kind(settings: JsonObject) -> None:
    """Refuse adapters that cannot become a part of the weights of a text model."""
    kind, task = settings.get("peft_type"), settings.get("task_type")
    if kind != "LORA":
        raise ModelRefused(
            f"This adapter is of the kind {one_line(str(kind), 40)}; only LoRA adapters can be merged here.",
            hint=_MERGE_THERE,
        )
    if task not in (None, "", "CAUSAL_LM"):
        raise ModelRefused(
            f"This adapter was trained for {one_line(str(task), 40)}, not for writing text (CAUSAL_LM).",
            hint="Choose an adapter of a causal language model.",
        )
    if settings.get("alora_invocation_tokens"):
        raise ModelRefused(
            "This adapter (aLoRA) acts only from its invocation tokens on: merged weights would act everywhere.",
            hint="Run it where adapters stay apart from their base, such as vLLM.",
        )
    for name, what in _UNMERGEABLE.items():
        if settings.get(name):
            raise ModelRefused(
                f"adapter_config.json sets {name}: this adapter {what}.", hint=_MERGE_THERE
            )


_UNMERGEABLE = {
    "layer_replication": "repeats layers of its base, and the merged model has another shape",
    "target_parameters": "changes single parameters of joined experts, which is not merged here",
    "megatron_config": "belongs to a model that Megatron has split up",
}


def _splits_ends(settings: JsonObject, changes: Mapping[str, Change]) -> bool:
    """As PEFT 0.21 runs it: a LoRA or a saved copy of one end leaves the other end alone, trained rows move both."""
    if settings.get("ensure_weight_tying") is True:
        return False
    copied = settings.get("modules_to_save")
    saved = tuple(copied) if isinstance(copied, list) else ()
    return any(
        (is_end(module, EMBEDDINGS) or is_end(module, HEADS))
        and (change.low_rank or module.rpartition(".")[2] in saved)
        for module, change in changes.items()
    )


def check_fit(adapter: Adapter, tensors: Mapping[str, Tensor]) -> None:
    """Hold every change of the adapter against the weight of the base that it changes.

    Raises:
        ModelRefused: a weight is not there, or has another shape: the adapter belongs to another model.
    """
    for module, change in adapter.changes.items():
        if module.endswith(".original_module"):
            # PEFT stores the base's own resized ends beside the trained ones; they are never read.
            continue
        name = f"{module}.weight"
        weight = _find(tensors, name)
        end = is_end(module, EMBEDDINGS) or is_end(module, HEADS)
        if weight is None and is_end(module, HEADS):
            # A tied head is stored once, as the embedding.
            weight = next((t for n, t in tensors.items() if is_end(n[:-7], EMBEDDINGS)), None)
        if weight is None:
            raise _misfit(adapter, name, "is not in it")
        rows = adapter.vocab if end and adapter.vocab else weight.shape[0]
        shape = (rows, *weight.shape[1:])
        fits = change.outputs in (None, shape[0]) and change.shape in (None, shape)
        if change.inputs is not None:
            fits = fits and len(shape) == 2 and change.inputs == shape[1]
        if not fits:
            raise _misfit(adapter, name, "has another shape there")
        if change.bias is not None and _find(tensors, f"{module}.bias") is None:
            raise ModelRefused(
                f"The adapter adds a bias to {one_line(module, 80)}, which has none in this base: "
                "the merged model would have no place for it.",
                hint="Train it without lora_bias, or with bias='none'.",
            )


def _find(tensors: Mapping[str, Tensor], name: str) -> Tensor | None:
    return tensors.get(name) or tensors.get(name.removeprefix("model."))


def _misfit(adapter: Adapter, name: str, why: str) -> ModelRefused:
    return ModelRefused(
        f"The adapter does not fit this base: {one_line(name, 80)} {why}.",
        hint=f"It was trained on {adapter.base}: choose that model as its base (--base FOLDER).",
    )


def merged_shape(adapter: Adapter, shape: ModelShape) -> ModelShape:
    """Return the shape of the model that base and adapter make together."""
    return replace(shape, vocab=adapter.vocab or shape.vocab)


def merged_structure(adapter: Adapter, shape: ModelShape, structure: Structure) -> Structure:
    """Parameters of base and adapter together: a vocabulary of another size, two ends where the base ties one."""
    tied = structure.tied and not adapter.splits_ends
    vocab = merged_shape(adapter, shape).vocab
    warnings = list(structure.warnings)
    if vocab != shape.vocab:
        warnings.append(
            f"The adapter was trained with {vocab:,} tokens, its base has {shape.vocab:,}: "
            "the base's token table is resized, as it was for the training."
        )
    if structure.tied and not tied:
        warnings.append(
            "The adapter changes one end of a base that ties its output head to the embedding: "
            "the merged model has a matrix for each."
        )
    table = vocab * shape.hidden
    return replace(
        structure,
        embedding=table,
        head=0 if tied else table,
        tied=tied,
        warnings=tuple(warnings),
    )


class BaseMissing(ModelRefused):
    """The base of a LoRA adapter is not on this machine; naming its folder helps."""

    code = "base-missing"


def find_base(adapter: Adapter, base: Path | None = None) -> ModelFolder:
    """Return the base model's folder: the one given, else a local path, else the Hugging Face cache.

    Raises:
        BaseMissing: the base is not on this machine.
    """
    for candidate in _candidates(adapter, base):
        if (candidate / "config.json").is_file():
            folder = list_folder(candidate)
            if folder.path != adapter.folder:
                return folder
    if base is not None:
        raise BaseMissing(
            f"{shown_path(base)} is not the base of this adapter: it holds no config.json.",
            hint="Name the folder of the whole base model: config.json, .safetensors and tokenizer files.",
        )
    raise BaseMissing(
        f"This is a LoRA adapter for {adapter.base}, and that base model is not on this machine.",
        hint=_way_to_the_base(adapter.base),
    )


_QUANTISED_NAME = re.compile(
    r"(?i)(?:[-_.](?:unsloth|dynamic|bnb|4bit|8bit|nf4|gptq|awq|int4|int8|fp8))+$"
)


def quantised_base(adapter: Adapter, base: ModelFolder, how: str) -> BaseMissing:
    """Return the refusal of a base that is quantised, as adapters trained on a 4-bit copy name it."""
    beside = base.path.with_name(_QUANTISED_NAME.sub("", base.path.name))
    present = beside != base.path and (beside / "config.json").is_file()
    return BaseMissing(
        f"The adapter's base, {shown_path(base.path)}, is quantised{how}; an adapter is merged into the original weights.",
        hint=f"Name the base in 16 bits: --base {shown_path(beside) if present else 'FOLDER'}",
    )


def _way_to_the_base(name: str) -> str:
    original = _QUANTISED_NAME.sub("", name)
    if not looks_like_hub_id(original):
        return "Name the base's folder on this machine: --base FOLDER"
    if original != name:
        return (
            f"That is a quantised copy: download the original in 16 bits (probably `hf download {original}`) "
            "and name it: --base FOLDER"
        )
    return f"Download the base first (`hf download {name}`), or name its folder: --base FOLDER"


def _candidates(adapter: Adapter, base: Path | None) -> Iterable[Path]:
    if base is not None:
        yield base
        return
    if (named := remembered_base(adapter.folder)) is not None:
        yield named
    if Path(adapter.base).is_absolute():
        yield Path(adapter.base)
        return
    yield adapter.folder / adapter.base
    if not adapter.base.startswith("."):
        yield adapter.folder.parent / Path(adapter.base).name
        if (snapshot := cached_snapshot(adapter.base)) is not None:
            yield snapshot


def adapter_base(folder: Path, base: Path | None = None) -> Path | None:
    """Return the base model's folder of a LoRA adapter folder, `base` if given; None when the folder is a whole model.

    Raises:
        ModelRefused: the adapter is broken, or its base is not on this machine.
    """
    try:
        if not is_file(folder / CONFIG):
            return None
    except PermissionError as error:
        raise unreadable(folder) from error
    listed = list_folder(folder)
    return find_base(read_adapter(listed), base).path if is_adapter(listed) else None
