"""The files of a tokenizer, read under limits, and copied alone for a renderer that must see nothing else."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from firstlight_core.errors import InputRefused, TemplateRefused
from firstlight_core.files import JsonObject, JsonValue, read_json_object, read_limited
from firstlight_core.text import shown_path

CHAT_TEMPLATE = "chat_template.jinja"
TEMPLATE_LIMIT = 2 * 2**20
"""Bytes of a chat template; the longest in public use has 40 kB."""
TOKENIZER_LIMIT = 256 * 2**20
"""Bytes of one tokenizer file; Gemma's tokenizer.json has 34 MB."""

_ADDED_BYTES = 2**20
"""Bytes tried first for the added tokens (Gemma 3: 6,415 of them, 1 MB)."""
_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
)
_SPECIAL = ("bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "cls_token")


def _config(folder: Path, name: str) -> JsonObject:
    path = folder / name
    return read_json_object(path, strict=False) if path.is_file() else {}


def read_chat_template(folder: Path) -> str | None:
    """Return the chat template: `chat_template.jinja` first, then tokenizer_config.json, as transformers does.

    Raises:
        InputRefused: a file is unreadable or too large.
    """
    path = folder / CHAT_TEMPLATE
    if path.is_file():
        return read_limited(path, limit=TEMPLATE_LIMIT).decode("utf-8", "replace")
    template = _config(folder, "tokenizer_config.json").get("chat_template")
    if isinstance(template, list):
        named = {t.get("name"): t.get("template") for t in template if isinstance(t, Mapping)}
        template = named.get("default")
    return template if isinstance(template, str) else None


def no_chat_template(folder: Path) -> TemplateRefused:
    """Return the error of a model that came without a chat template, with the road to one."""
    folder_text = shown_path(folder)
    return TemplateRefused(
        f"{folder_text} has no chat template, so a conversation cannot become a prompt.",
        hint=f"Give it the one it was trained with: firstlight template {folder_text} --preset chatml (or gemma, llama-3, …), "
        "or --template FILE",
    )


def has_chat_tokenizer(folder: Path) -> bool:
    """Return whether the folder has both a tokenizer and a chat template."""
    names = ("tokenizer.json", "tokenizer.model", "vocab.json")
    return any((folder / name).is_file() for name in names) and bool(read_chat_template(folder))


def read_special_tokens(folder: Path) -> dict[str, str]:
    """`bos_token` and its like, as a chat template sees them."""
    config = _config(folder, "tokenizer_config.json")
    tokens: dict[str, str] = {}
    for name in _SPECIAL:
        token = config.get(name)
        text = token.get("content") if isinstance(token, Mapping) else token
        if isinstance(text, str):
            tokens[name] = text
    return tokens


@dataclass(frozen=True, slots=True)
class AddedToken:
    """One of the tokens that a tokenizer never splits."""

    text: str
    id: int
    special: bool
    """Whether the tokenizer marks it as special; role tokens may be unmarked, added tokens ordinary text (Gemma)."""


def read_added_tokens(folder: Path) -> tuple[AddedToken, ...]:
    """Return the added tokens of tokenizer.json in their order; empty when there is none.

    Raises:
        InputRefused: the file is unreadable or too large.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        return ()
    listed: JsonValue = _added_entries(path)
    if listed is None:
        listed = read_json_object(path, limit=TOKENIZER_LIMIT, strict=False).get("added_tokens")
    return tuple(
        AddedToken(str(entry.get("content")), int(number), entry.get("special") is True)
        for entry in (listed if isinstance(listed, list) else [])
        if isinstance(entry, dict) and isinstance(number := entry.get("id"), int)
    )


def _added_entries(path: Path) -> list[JsonValue] | None:
    """Return the list under `added_tokens` without the rest: as objects, Gemma's tokenizer.json fills 300 MB.

    None when it does not stand there as the tokenizers library writes it.
    """
    raw = read_limited(path, limit=TOKENIZER_LIMIT)
    # A vocabulary may hold this key as a token; then a number follows.
    match = re.search(rb'"added_tokens"\s*:\s*(?=\[)', raw)
    if match is None:
        return None
    decoder = json.JSONDecoder(strict=False)
    size = _ADDED_BYTES
    while True:
        text = raw[match.end() : match.end() + size].decode("utf-8", "replace")
        try:
            listed, _ = decoder.raw_decode(text)
        except (ValueError, RecursionError):
            if match.end() + size >= len(raw):
                return None
            size *= 4
        else:
            return listed if isinstance(listed, list) else None


def added_tokens(folder: Path) -> dict[str, int]:
    """Return the added tokens of tokenizer.json and their ids."""
    return {token.text: token.id for token in read_added_tokens(folder)}


def copy_tokenizer(folder: Path, destination: Path) -> None:
    """Copy the tokenizer's files, and of the configurations only what a renderer needs.

    Nothing that runs or opens other files comes along: no auto_map, no session options.

    Raises:
        InputRefused: a file is unreadable, or there is no tokenizer.
    """
    copied = False
    for name in _FILES:
        if (folder / name).is_file():
            raw = read_limited(folder / name, limit=TOKENIZER_LIMIT)
            (destination / name).write_bytes(raw)
            copied = copied or name.startswith(("tokenizer", "vocab"))
    if not copied:
        raise InputRefused(
            f"{folder.name} has no tokenizer files.",
            hint="Copy tokenizer.json and tokenizer_config.json from the source model.",
        )
    for name in ("tokenizer_config.json", "config.json"):
        if (folder / name).is_file():
            config = _config(folder, name)
            config.pop("auto_map", None)
            (destination / name).write_text(json.dumps(config), encoding="utf-8")
    template = folder / CHAT_TEMPLATE
    if template.is_file():
        raw = read_limited(template, limit=TEMPLATE_LIMIT)
        (destination / CHAT_TEMPLATE).write_bytes(raw)
    if (folder / "genai_config.json").is_file():
        model = _config(folder, "genai_config.json").get("model")
        names = ("type", "bos_token_id", "eos_token_id", "pad_token_id", "context_length")
        config = {
            n: model[n] for n in (*names, "vocab_size") if isinstance(model, dict) and n in model
        }
        (destination / "genai_config.json").write_text(
            json.dumps({"model": config, "search": {}}), encoding="utf-8"
        )
