"""Merges a LoRA adapter into its base as PEFT runs the two together, into a folder that any builder can read.

PEFT's own merge writes into the base's weights: where the base ties its output head to the embedding, a change of
one end moves the other too, though beside the base it did not. So the ends get a matrix each before the merge, and
stay apart in the merged folder where they differ. Everything is computed in float32, and kept so: a merge in bfloat16
rounds (docs/adapters.md has the figures).
"""

import shutil
import warnings
from pathlib import Path
from typing import Any

from firstlight_core.artifact.tokenizer_files import CHAT_TEMPLATE, read_chat_template
from firstlight_core.environment.toolchain import install_line
from firstlight_core.errors import FirstlightError, ModelRefused, ToolchainMissing
from firstlight_core.files import read_json_object, write_json
from firstlight_core.jobs.tensor_check import refuse_missing
from firstlight_core.model.adapter import WEIGHTS, Adapter
from firstlight_core.model.adapter_tensors import HEADS, PREFIX, is_end
from firstlight_core.model.folder import list_folder
from firstlight_core.model.inspection import Inspection, inspect_model
from firstlight_core.model.own_files import GENERATION, own_files
from firstlight_core.model.safetensors_headers import read_header, read_weights
from firstlight_core.monitor import available_memory
from firstlight_core.text import one_line

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "spiece.model",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
)
_TEMPLATES = (CHAT_TEMPLATE, "chat_template.json")
_MORE_TEMPLATES = "additional_chat_templates"
_SHARD = "5GB"


def merge_adapter(adapter: Path, base: Path, target: Path, *, exact: bool = True) -> Path:
    """Write base and adapter as one model into `target`, which is made; the adapter's own files win.

    `exact` computes and keeps float32; else the base's own type, where float32 does not fit into memory.

    Raises:
        ModelRefused: PEFT cannot lay this adapter over this base, or one of them lacks tensors.
        ToolchainMissing: peft is not installed.
    """
    inspection = inspect_model(adapter, base=base)
    assert inspection.adapter is not None
    try:
        import peft  # noqa: F401
    except ImportError as error:
        raise ToolchainMissing(
            f"The adapter cannot be merged: {one_line(str(error))}",
            hint=f"Install the conversion tools: {install_line('convert')}",
        ) from error
    try:
        with warnings.catch_warnings():
            # PEFT warns of tied ends, which are taken apart here.
            warnings.simplefilter("ignore")
            model, tied = _merged(inspection, inspection.adapter, exact=exact)
    except FirstlightError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError) as error:
        raise ModelRefused(
            f"PEFT cannot merge this adapter into its base: {one_line(f'{type(error).__name__}: {error}', 300)}",
            hint="Merge it where it was trained, and choose the merged folder.",
        ) from error
    target.mkdir(parents=True)
    _save(model, target, tied=tied)
    _write_config(model, base, target, tied=tied)
    _write_own_files(adapter, base, target)
    return target


def fits(base: Path) -> bool:
    """Return whether the base fits into memory in float32, twice for a moment while it is read."""
    stored = sum(path.stat().st_size for path in base.glob("*.safetensors"))
    return 3 * stored < available_memory()


def _merged(inspection: Inspection, adapter: Adapter, *, exact: bool) -> tuple[Any, bool]:
    """Return the model after the merge, and whether one matrix still serves both of its ends."""
    import peft
    import torch
    import transformers

    model, report = transformers.AutoModelForCausalLM.from_pretrained(
        str(inspection.folder),
        dtype=torch.float32 if exact else "auto",
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        output_loading_info=True,
    )
    refuse_missing(inspection.folder, model, report)
    was_tied = _is_tied(model)
    resize(model, adapter.vocab)
    loaded = peft.PeftModel.from_pretrained(
        model, str(adapter.folder), torch_device="cpu", local_files_only=True
    )
    _check_complete(loaded, adapter, inspection.folder)
    untie(loaded)
    merged = loaded.merge_and_unload(safe_merge=True)
    ends = merged.get_input_embeddings().weight, merged.get_output_embeddings().weight
    return merged, was_tied and torch.equal(*ends)


def resize(model: Any, rows: int | None) -> None:
    """Give the model as many token rows as its adapter was trained with; the adapter brings their values."""
    if rows is not None and rows != model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(rows, mean_resizing=False)


def _is_tied(model: Any) -> bool:
    head = model.get_output_embeddings()
    return head is None or head.weight.data_ptr() == model.get_input_embeddings().weight.data_ptr()


def _check_complete(loaded: Any, adapter: Adapter, base: Path) -> None:
    """Check that each layer wrapped by adapter_config.json got its tensors; PEFT leaves out in silence what lacks.

    Layers that transformers joins or renames while it reads them (experts) are not told by name, and passed over.

    Raises:
        ModelRefused: one did not.
    """
    from peft.tuners.lora import LoraLayer

    tensors = read_header(list_folder(adapter.folder).files[WEIGHTS])
    weights = read_weights(list_folder(base))
    stored = {name.removeprefix("model.") for name in (weights.tensors if weights else ())}
    for name, module in loaded.named_modules():
        if not isinstance(module, LoraLayer):
            continue
        plain = name.removeprefix(PREFIX).removeprefix("model.")
        if f"{plain}.weight" not in stored and not is_end(plain, HEADS):
            continue
        start = PREFIX + name.removeprefix(PREFIX)
        wanted = "lora_embedding_A" if "default" in module.lora_embedding_A else "lora_A.weight"
        if not any(
            f"{start}.{part}" in tensors
            for part in (wanted, "lora_A.weight", "base_layer.lora_A.weight")
        ):
            raise ModelRefused(
                f"The adapter's weights lack {one_line(name, 80)}, which adapter_config.json names.",
                hint="Save the adapter again where it was trained, or copy it again.",
            )


def untie(model: Any) -> None:
    """Give each module its own copy of a parameter that several share."""
    import torch

    seen: set[int] = set()
    for module in model.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is None:
                continue
            address = parameter.data_ptr()
            if address in seen:
                own = torch.nn.Parameter(parameter.data.clone(), requires_grad=False)
                module._parameters[name] = own
            seen.add(address)


def _save(model: Any, target: Path, *, tied: bool) -> None:
    """Write the weights, the embedding once where it serves both ends."""
    import transformers

    # An evaluation's settings may be kept there, which transformers refuses to write; the file is copied as it is.
    model.generation_config = transformers.GenerationConfig()
    model.config.tie_word_embeddings = tied
    if tied:
        model.get_output_embeddings().weight = model.get_input_embeddings().weight
    model.save_pretrained(str(target), max_shard_size=_SHARD)


def _write_config(model: Any, base: Path, target: Path, *, tied: bool) -> None:
    """The base's config.json as it is, but for what the merge has changed."""
    config = read_json_object(base / "config.json")
    config.pop("torch_dtype", None)
    write_json(
        target / "config.json",
        {
            **config,
            "vocab_size": int(model.get_input_embeddings().weight.shape[0]),
            "tie_word_embeddings": tied,
            "dtype": str(model.dtype).removeprefix("torch."),
        },
    )


def _write_own_files(adapter: Path, base: Path, target: Path) -> None:
    """Tokenizer, chat template and generation settings: the adapter's own where it has them, else the base's."""
    own = own_files(adapter, base)
    for name in TOKENIZER_FILES:
        _copy(own.tokenizer / name, target)
    if own.template == own.tokenizer:
        for name in _TEMPLATES:
            _copy(own.template / name, target)
        if (own.template / _MORE_TEMPLATES).is_dir():
            shutil.copytree(own.template / _MORE_TEMPLATES, target / _MORE_TEMPLATES)
    elif (text := read_chat_template(own.template)) is not None:
        (target / CHAT_TEMPLATE).write_text(text, encoding="utf-8", newline="")
    (target / GENERATION).unlink(missing_ok=True)
    _copy(own.generation / GENERATION, target)


def _copy(file: Path, target: Path) -> None:
    if file.is_file():
        shutil.copyfile(file, target / file.name)
