"""Whose files speak for a source: those of a LoRA adapter win over those of its base, kind by kind, as in PEFT and vLLM."""

import json
from dataclasses import dataclass
from pathlib import Path

from firstlight_core.errors import FirstlightError
from firstlight_core.files import read_json_object
from firstlight_core.model.safetensors_headers import Tensor

_TOKENIZERS = (
    ("tokenizer.json",),
    ("tokenizer.model",),
    ("spiece.model",),
    ("vocab.json", "merges.txt"),
)
_TEMPLATES = ("chat_template.jinja", "chat_template.json")
GENERATION = "generation_config.json"
_LIMIT = 16 * 2**20


@dataclass(frozen=True, slots=True)
class OwnFiles:
    """The folders that the tokenizer, the chat template and the generation settings of one source come from."""

    tokenizer: Path
    """tokenizer.json and its like, tokenizer_config.json, special_tokens_map.json."""
    template: Path
    """The chat template; `tokenizer` wherever that folder has one."""
    generation: Path
    """generation_config.json."""


def own_files(source: Path, base: Path | None) -> OwnFiles:
    """Return the folders that speak for `source`, which is a LoRA adapter when it has a `base`.

    A trainer that saves its tokenizer beside the adapter has added tokens, set a template or another end of turn;
    what it has not saved is the base's.
    """
    if base is None:
        return OwnFiles(source, source, source)
    return OwnFiles(
        tokenizer=source if has_tokenizer(source) else base,
        template=source if has_template(source) else base,
        generation=source if (source / GENERATION).is_file() else base,
    )


def has_tokenizer(folder: Path) -> bool:
    """Return whether the folder holds a vocabulary, without which tokenizer_config.json says nothing."""
    return any(all((folder / name).is_file() for name in names) for names in _TOKENIZERS)


def has_template(folder: Path) -> bool:
    """Return whether the folder holds a chat template, in a file of its own or in tokenizer_config.json."""
    if any((folder / name).is_file() for name in _TEMPLATES):
        return True
    if (folder / "additional_chat_templates").is_dir():
        return True
    path = folder / "tokenizer_config.json"
    if not path.is_file():
        return False
    try:
        return bool(read_json_object(path, limit=_LIMIT, strict=False).get("chat_template"))
    except (FirstlightError, OSError, json.JSONDecodeError):
        return False


def token_rows(name: str, tensor: Tensor) -> int:
    """Return the token rows of one adapter tensor: a saved table, or the factor of a LoRA on it; 0 for any other."""
    parts = name.split(".")
    if not {"embed_tokens", "wte", "embed_in", "word_embeddings", "lm_head", "embed_out"} & set(
        parts
    ):
        return 0
    if len(tensor.shape) != 2 or "token_adapter" in parts or "trainable_tokens_delta" in name:
        return 0
    head = bool({"lm_head", "embed_out"} & set(parts))
    if "lora_embedding_A" in parts:
        return tensor.shape[1]
    if "lora_A" in parts or "lora_embedding_B" in parts:
        return 0
    if "lora_B" in parts:
        return tensor.shape[0] if head else 0
    return tensor.shape[0]
