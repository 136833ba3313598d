"""LoRA adapter folders (PEFT): what they are, and where the model they adapt is on this machine."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firstlight_core.errors import ModelRefused
from firstlight_core.model.adapter_bases import remembered_base
from firstlight_core.model.folder import ModelFolder, list_folder
from firstlight_core.model.safetensors_headers import Tensor, read_header
from firstlight_core.model.sources import cached_snapshot
from firstlight_core.text import one_line, shown_path

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"


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
    sides: Mapping[str, tuple[int | None, int | None]] = field(default_factory=dict, repr=False)
    """Module → (inputs, outputs) that its two low-rank factors expect."""

    def to_json(self) -> dict[str, Any]:
        """The `adapter` object of an inspection."""
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
    """Whether the folder holds an adapter and no whole model."""
    return CONFIG in folder.files and "config.json" not in folder.files


def read_adapter(folder: ModelFolder) -> Adapter:
    """What adapter_config.json and the header of the adapter weights say.

    Raises:
        ModelRefused: it is no LoRA adapter, its weights are missing, broken or pickled.
    """
    settings = folder.read_object(CONFIG)
    kind = settings.get("peft_type")
    if kind != "LORA":
        raise ModelRefused(
            f"This adapter is of the kind {one_line(str(kind), 40)}; only LoRA adapters can be merged here.",
            hint="Merge it into its base where it was trained, and choose the merged folder.",
        )
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
        pickled = "adapter_model.bin" in folder.files
        raise ModelRefused(
            "The adapter's weights are a pickle, which can run code when it is opened."
            if pickled
            else f"The adapter's weights ({WEIGHTS}) are missing.",
            hint="Save the adapter again with `save_pretrained(..., safe_serialization=True)`.",
        )
    member = folder.files[WEIGHTS]
    tensors = read_header(member)
    if not any(".lora_" in name for name in tensors):
        raise ModelRefused(f"{WEIGHTS} holds no LoRA tensor.", hint="Save the adapter again.")
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
        sides=_sides(tensors),
    )


_FACTOR = re.compile(r"(?:base_model\.model\.)?(.+)\.lora_([AB])(?:\.\w+)?\.weight")


def _sides(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int | None, int | None]]:
    """Inputs from each factor A (rank × inputs), outputs from each factor B (outputs × rank)."""
    found: dict[str, tuple[int | None, int | None]] = {}
    for name, tensor in tensors.items():
        match = _FACTOR.fullmatch(name)
        if match is None or len(tensor.shape) != 2:
            continue
        inputs, outputs = found.get(match[1], (None, None))
        if match[2] == "A":
            inputs = tensor.shape[1]
        else:
            outputs = tensor.shape[0]
        found[match[1]] = (inputs, outputs)
    return found


def check_fit(adapter: Adapter, tensors: Mapping[str, Tensor]) -> None:
    """Hold every factor of the adapter against the weight of the base that it changes.

    Raises:
        ModelRefused: a weight is not there, or has another shape: the adapter belongs to another model.
    """
    for module, (inputs, outputs) in adapter.sides.items():
        name = f"{module}.weight"
        weight = tensors.get(name) or tensors.get(name.removeprefix("model."))
        fits = weight is not None and len(weight.shape) == 2
        if weight is not None and fits:
            fits = outputs in (None, weight.shape[0]) and inputs in (None, weight.shape[1])
        if not fits:
            raise ModelRefused(
                f"The adapter does not fit this base: {one_line(name, 80)} "
                + ("is not in it." if weight is None else "has another shape there."),
                hint=f"It was trained on {adapter.base}: choose that model as its base.",
            )


class BaseMissing(ModelRefused):
    """The base of a LoRA adapter is not on this machine; naming its folder helps."""

    code = "base-missing"


def find_base(adapter: Adapter, base: Path | None = None) -> ModelFolder:
    """The base model's folder: the one given, else a local path, else the Hugging Face cache.

    Raises:
        BaseMissing: the base is not on this machine.
    """
    for candidate in _candidates(adapter, base):
        if (candidate / "config.json").is_file():
            found = list_folder(candidate)
            if found.path != adapter.folder:
                return found
    if base is not None:
        raise BaseMissing(
            f"{shown_path(base)} is not the base of this adapter: it holds no config.json.",
            hint="Name the folder of the base model.",
        )
    raise BaseMissing(
        f"This is a LoRA adapter for {adapter.base}, and that base model is not on this machine.",
        hint=f"Download the base first (`hf download {adapter.base}`), or merge the adapter where it was trained.",
    )


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
