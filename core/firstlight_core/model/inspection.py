"""Inspect a model folder: config.json, tokenizer files and safetensors headers only; no tensor is read."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from firstlight_core.documents.model import InspectionDocument
from firstlight_core.files import JsonObject
from firstlight_core.model.adapter import (
    Adapter,
    check_fit,
    find_base,
    is_adapter,
    merged_shape,
    merged_structure,
    quantised_base,
    read_adapter,
)
from firstlight_core.model.builder_limits import notes, refuse_known_wrong
from firstlight_core.model.config import ModelShape, architecture, read_shape
from firstlight_core.model.fingerprint import content_fingerprint, fingerprint, quick_fingerprint
from firstlight_core.model.folder import ModelFolder, check_tree, list_folder
from firstlight_core.model.load_rules import (
    GENERATION,
    refuse_generation,
    refuse_marks,
    refuse_special_ids,
)
from firstlight_core.model.own_files import own_files
from firstlight_core.model.own_head import heads_differ
from firstlight_core.model.refusals import (
    PICKLES,
    AlreadyArtifact,
    UnsupportedArchitecture,
    quantiser,
    refuse_config_kind,
    refuse_foreign_kind,
    refuse_unsupported,
    refuse_without_weights,
)
from firstlight_core.model.safetensors_headers import WeightHeaders, read_weights
from firstlight_core.model.sources import FoundModel, find_models, find_source
from firstlight_core.model.structure import Structure, bias_parts, check_structure
from firstlight_core.model.support import Support, judge_model
from firstlight_core.model.tokenizer import TokenizerFacts, read_tokenizer
from firstlight_core.text import one_line, shown_path

__all__ = [
    "AlreadyArtifact",
    "FoundModel",
    "Inspection",
    "UnsupportedArchitecture",
    "find_models",
    "find_source",
    "fingerprint",
    "inspect_model",
    "inspect_source",
]
SMALL_LIMIT = 10_000_000_000
"""Parameters above which a model is not called small (SPEC 1.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """Everything known about a model before the long step.

    `folder` holds the whole model; for a LoRA adapter it is the base, and `adapter` says what is merged into it.
    """

    folder: Path
    shape: ModelShape
    structure: Structure
    supported: bool | None
    """Whether the installed builder converts it; None when no builder is installed."""
    weight_bytes: int
    weight_files: int
    tokenizer: TokenizerFacts
    licence: str | None
    fingerprint: str
    adapter: Adapter | None = None
    warnings: tuple[str, ...] = ()
    support: Support | None = None
    """The measured matrix' verdict on this model with this adapter."""

    @property
    def parameters(self) -> int:
        """All parameters of the model, a tied head counted once."""
        return self.structure.parameters

    def to_json(self) -> InspectionDocument:
        """Return the document of `firstlight inspect` without the estimates (SPEC 2)."""
        shape, structure = self.shape, self.structure
        document: InspectionDocument = {
            "source": shown_path(self.adapter.folder if self.adapter else self.folder),
            "architecture": shape.architecture,
            "model_type": shape.model_type,
            "supported": self.supported,
            "support": self.support.to_json() if self.support is not None else None,
            "parameters": structure.parameters,
            "parameters_by_kind": {
                "embedding": structure.embedding,
                "body": structure.body,
                "head": structure.head,
            },
            "dtype": structure.dtype,
            "tied_embeddings": structure.tied,
            "context_length": shape.context or None,
            "layers": shape.layers,
            "hidden_size": shape.hidden,
            "attention_heads": shape.heads,
            "key_value_heads": shape.kv_heads,
            "head_size": shape.head_size,
            "intermediate_size": shape.intermediate,
            "vocab_size": shape.vocab,
            "weight_bytes": self.weight_bytes,
            "weight_files": self.weight_files,
            "template": self.tokenizer.template,
            "special_tokens": self.tokenizer.special_tokens,
            "eos_token_ids": list(self.tokenizer.eos_token_ids),
            "licence": self.licence,
            "fingerprint": self.fingerprint,
            "warnings": list(self.warnings),
        }
        if self.adapter:
            document["adapter"] = self.adapter.to_json()
            document["base_folder"] = shown_path(self.folder)
        return document


def inspect_model(folder: Path, *, base: Path | None = None) -> Inspection:
    """Inspect a Hugging Face folder, or a LoRA adapter folder together with its `base`.

    Raises:
        AlreadyArtifact: the folder holds an ONNX GenAI artifact.
        UnsupportedArchitecture: the installed builder does not convert this architecture.
        ModelRefused: the folder is broken, hostile, or another kind of thing; the message says which.
    """
    listed = list_folder(Path(folder))
    refuse_marks(listed)
    adapter, own = None, listed
    if is_adapter(listed):
        check_tree(listed)
        adapter = read_adapter(listed)
        listed = find_base(adapter, base)
        refuse_marks(listed)
        is_adapter(listed)
    refuse_foreign_kind(listed)
    names = check_tree(listed)
    config = listed.read_object("config.json")
    if adapter is not None and config.get("quantization_config") is not None:
        raise quantised_base(adapter, listed, quantiser(config))
    refuse_config_kind(listed, config)
    supported = refuse_unsupported(architecture(config), config)
    shape = read_shape(config)
    refuse_known_wrong(config, shape)
    weights = read_weights(listed)
    if weights is None:
        raise refuse_without_weights(listed)
    own_head = heads_differ(listed.path) if shape.tied is not False else None
    structure = check_structure(
        shape, weights.tensors, biases=bias_parts(config), own_head=own_head
    )
    if adapter is not None:
        check_fit(adapter, weights.tensors)
        structure = merged_structure(adapter, shape, structure)
        shape = merged_shape(adapter, shape)
        tokenizer = _read_own_tokenizer(own, listed, config)
    else:
        tokenizer = read_tokenizer(listed, config)
    for folder_of_settings in (listed, own):
        refuse_generation(folder_of_settings.read_object(GENERATION))
    outside = refuse_special_ids(config, tokenizer.eos_token_ids, shape.vocab)
    support = judge_model(
        config,
        shape,
        tied=structure.tied,
        own_head=bool(own_head and shape.tied),
        adapter=own.read_object("adapter_config.json") if adapter else None,
        splits_ends=adapter is not None and adapter.splits_ends,
    )
    return Inspection(
        folder=listed.path,
        shape=shape,
        structure=structure,
        support=support,
        supported=supported,
        weight_bytes=weights.size,
        weight_files=len(weights.files),
        tokenizer=tokenizer,
        licence=find_licence(listed),
        fingerprint=_joined_fingerprint(listed, adapter),
        adapter=adapter,
        warnings=tuple(
            one_line(text, 300)
            for text in [
                *_warnings(listed, names, config, shape, structure, tokenizer, weights),
                *outside,
            ]
        ),
    )


def _read_own_tokenizer(
    adapter: ModelFolder, base: ModelFolder, config: JsonObject
) -> TokenizerFacts:
    own = own_files(adapter.path, base.path)

    def pick(folder: Path) -> ModelFolder:
        return adapter if folder == adapter.path else base

    return read_tokenizer(
        pick(own.tokenizer),
        config,
        template=pick(own.template),
        generation=pick(own.generation),
    )


def inspect_source(text: str, *, base: Path | None = None) -> Inspection:
    """Inspect what a user typed: a folder, `sample`, or the id of a model in the Hugging Face cache.

    Raises:
        ModelRefused: as `inspect_model` and `find_source`.
    """
    return inspect_model(find_source(text), base=base)


def _joined_fingerprint(folder: ModelFolder, adapter: Adapter | None) -> str:
    own = quick_fingerprint(folder)
    if adapter is None:
        return own
    total = hashlib.sha256(own.encode())
    total.update(content_fingerprint(list_folder(adapter.folder)).encode())
    return f"{own.partition(':')[0]}:{total.hexdigest()}"


def find_licence(folder: ModelFolder) -> str | None:
    """Return the licence named at the top of README.md, else the name of a licence file, else None."""
    for name in folder.files:
        if name.lower() != "readme.md":
            continue
        lines = folder.read_start(name).decode("utf-8", "replace").splitlines()
        if lines and lines[0].strip() == "---":
            for line in lines[1:60]:
                key, colon, value = line.partition(":")
                if colon and key.strip() == "license" and value.strip():
                    return one_line(value.strip().strip("\"'"), 60)
                if line.strip() == "---":
                    break
    for name in sorted(folder.files):
        if name.lower().startswith(("license", "licence", "copying")):
            return one_line(name, 60)
    return None


def _warnings(
    folder: ModelFolder,
    names: list[str],
    config: JsonObject,
    shape: ModelShape,
    structure: Structure,
    tokenizer: TokenizerFacts,
    weights: WeightHeaders,
) -> list[str]:
    warnings = [*structure.warnings, *tokenizer.warnings, *notes(config, shape)]
    if structure.parameters > SMALL_LIMIT:
        warnings.insert(
            0,
            f"{structure.parameters / 1e9:.1f} billion parameters: this is not a small model; "
            "vLLM on a server suits it better.",
        )
    if config.get("auto_map") is not None:
        warnings.append("config.json asks for code of its own (auto_map); it is never run.")
    if scripts := sorted(name for name in names if name.endswith(".py")):
        warnings.append(f"The folder holds Python code ({_some(scripts)}); none of it is run.")
    if pickles := sorted(name for name in names if name.lower().endswith(PICKLES)):
        warnings.append(f"The folder holds pickles ({_some(pickles)}); they are never opened.")
    largest = tokenizer.largest_id
    if largest is not None and largest >= shape.vocab:
        warnings.append(
            f"The tokenizer knows token {largest}, the model only {shape.vocab}: such a token stops the model."
        )
    used = {member.name for member in weights.files}
    if spare := [n for n in folder.having(".safetensors") if n not in used]:
        warnings.append(f"Weights that are not used: {_some(spare)}.")
    if not shape.context:
        warnings.append("config.json names no context length (max_position_embeddings).")
    if folder.having(".gguf"):
        warnings.append("A GGUF file lies beside the weights; it is not used.")
    return warnings


def _some(names: list[str]) -> str:
    listed = ", ".join(one_line(name, 60) for name in names[:3])
    return listed + (f" and {len(names) - 3} more" if len(names) > 3 else "")
