"""Read the tokenizer files of a model folder without loading a tokenizer."""

import json
import re
from dataclasses import dataclass, field

from firstlight_core.errors import ModelRefused
from firstlight_core.files import JsonObject, JsonValue
from firstlight_core.model.folder import ModelFolder
from firstlight_core.text import one_line, shown_path

PARSE_LIMIT = 3 * 2**20
"""Bytes; a larger tokenizer.json is only looked at from both ends, to keep an inspection below 100 MiB and 1 s."""
SIZE_LIMIT = 128 * 2**20
_START = 2 * 2**20
"""Bytes at the start of a large tokenizer.json in which the added tokens stand (Gemma 3: 6,415 of them, 1 MB)."""
_ID = re.compile(rb'"id"\s*:\s*(\d{1,10})')
_CARRIED = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
_SPECIAL = ("bos_token", "eos_token", "pad_token", "unk_token")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerFacts:
    """Contents of the tokenizer files: place of the template (None without one), special tokens, stop ids, warnings."""

    template: str | None = None
    special_tokens: dict[str, str] = field(default_factory=dict)
    eos_token_ids: tuple[int, ...] = ()
    largest_id: int | None = None
    bytes: int = 0
    """Size of the tokenizer files, which the artifact carries too."""
    warnings: tuple[str, ...] = ()


def read_tokenizer(
    folder: ModelFolder,
    config: JsonObject,
    *,
    template: ModelFolder | None = None,
    generation: ModelFolder | None = None,
) -> TokenizerFacts:
    """Look at tokenizer.json, tokenizer_config.json, chat templates and generation_config.json.

    Args:
        folder: Where the tokenizer's own files are.
        config: The model's config.json.
        template: Where the chat template is, when that is another folder.
        generation: Where generation_config.json is, when that is another folder.

    Raises:
        ModelRefused: there is no tokenizer, or one of the files is broken.
    """
    warnings: list[str] = []
    settings = folder.read_object("tokenizer_config.json")
    generated = (generation or folder).read_object("generation_config.json")
    whole = _tokenizer_file(folder, warnings)
    origin, text = _template(
        template or folder,
        settings if template is None else template.read_object("tokenizer_config.json"),
    )
    special = {
        name: one_line(marker, 60)
        for name in _SPECIAL
        if (marker := special_text(settings.get(name)))
    }
    if (template or folder).read_start("chat_template.jinja", 3) == b"\xef\xbb\xbf":
        warnings.append(
            "chat_template.jinja begins with a byte order mark: transformers begins every prompt with it."
        )
    if origin is None:
        warnings.append(
            "No chat template: the model gets plain text until you choose one in the Template step."
        )
    bos = special.get("bos_token", "")
    if bos and text and _adds_bos(settings, whole) and _begins_with_bos(text, bos):
        warnings.append(
            "The tokenizer adds a beginning-of-text token and so does the template: prompts may begin with two."
        )
    eos = _ids(generated.get("eos_token_id")) or _ids(config.get("eos_token_id"))
    own = _token_id(folder, settings, whole, special_text(settings.get("eos_token")))
    if own is not None and own not in eos:
        # As the builder writes it into genai_config.json: a chat model ends its turns with its tokenizer's token.
        eos = (own, *eos)
    if not eos and _names_no_end(config):
        raise ModelRefused(
            "Nothing in this folder names an end-of-text token: no answer would end, and the builder refuses it.",
            hint="Name it: eos_token_id in generation_config.json.",
        )
    if not eos:
        warnings.append("No end-of-text token is named: answers may not stop by themselves.")
    if isinstance(settings.get("auto_map"), dict):
        warnings.append("The tokenizer asks for code of its own (auto_map); it is never run.")
    return TokenizerFacts(
        template=origin,
        special_tokens=special,
        eos_token_ids=eos,
        largest_id=_largest_id(folder, whole),
        bytes=sum(folder.files[name].size for name in _CARRIED if name in folder.files),
        warnings=tuple(warnings),
    )


def _tokenizer_file(folder: ModelFolder, warnings: list[str]) -> JsonObject:
    """Return the parsed tokenizer.json, or `{}` when it is too large to parse here or another kind is used."""
    if member := folder.files.get("tokenizer.json"):
        if member.size > SIZE_LIMIT:
            raise ModelRefused("tokenizer.json is larger than 128 MiB; no tokenizer is.")
        start = folder.read_start("tokenizer.json", 200).lstrip(b"\xef\xbb\xbf \t\r\n")
        if start.startswith(b"version https://git-lfs"):
            raise ModelRefused(
                "tokenizer.json is a Git LFS pointer, not the tokenizer.",
                hint="Run `git lfs pull` in the folder, or download the file itself.",
            )
        if not start.startswith(b"{"):
            raise ModelRefused(
                "tokenizer.json is no JSON object.", hint="Download that file again."
            )
        if member.size <= PARSE_LIMIT:
            return folder.read_object("tokenizer.json")
        with member.path.open("rb") as stream:
            stream.seek(-64, 2)
            if not stream.read().rstrip().endswith(b"}"):
                raise ModelRefused("tokenizer.json is cut off.", hint="Download that file again.")
        return {}
    if {"vocab.json", "merges.txt"} <= folder.files.keys():
        warnings.append("No tokenizer.json: it is made from vocab.json and merges.txt.")
        return {}
    if folder.files.keys() & {"tokenizer.model", "spiece.model"}:
        warnings.append("No tokenizer.json: it is made from the SentencePiece model.")
        return {}
    raise ModelRefused(
        f"{shown_path(folder.path)} holds no tokenizer (tokenizer.json).",
        hint="Copy the tokenizer files of the base model into the folder: without them no text can be encoded.",
    )


def _template(folder: ModelFolder, settings: JsonObject) -> tuple[str | None, str]:
    """Return the file of the chat template, and its text; transformers reads the .jinja file first."""
    if "chat_template.jinja" in folder.files:
        text = folder.read_text("chat_template.jinja")
        return ("chat_template.jinja", text) if text.strip() else (None, "")
    template = settings.get("chat_template")
    if isinstance(template, list):
        named = {
            entry["name"]: entry.get("template")
            for entry in template
            if isinstance(entry, dict) and isinstance(entry.get("name"), str)
        }
        template = named.get("default") or next(iter(named.values()), None)
    if isinstance(template, str) and template.strip():
        return "tokenizer_config.json", template
    if "chat_template.json" in folder.files:
        template = folder.read_object("chat_template.json").get("chat_template")
        if isinstance(template, str) and template.strip():
            return "chat_template.json", template
    return None, ""


def _names_no_end(config: JsonObject) -> bool:
    """Return whether no end token is left: config.json excludes one, or its type has none (transformers 5.23)."""
    kind = str(config.get("model_type", ""))
    return "eos_token_id" in config or kind.startswith(("qwen", "gpt_oss"))


def special_text(value: object) -> str:
    """Return the text of one special token of tokenizer_config.json; empty when there is none."""
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else ""


def _adds_bos(settings: JsonObject, whole: JsonObject) -> bool:
    if settings.get("add_bos_token") is True:
        return True
    steps = whole.get("post_processor")
    if not isinstance(steps, dict):
        return False
    inner = steps.get("processors")
    parts = [steps, *(inner if isinstance(inner, list) else [])]
    for part in parts:
        single = part.get("single") if isinstance(part, dict) else None
        if (
            isinstance(single, list)
            and single
            and isinstance(single[0], dict)
            and "SpecialToken" in single[0]
        ):
            return True
    return False


def _begins_with_bos(template: str, bos: str) -> bool:
    return "bos_token" in template[:400] or template.lstrip().startswith(bos)


def _ids(value: object) -> tuple[int, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(
        n for n in values[:64] if isinstance(n, int) and not isinstance(n, bool) and n >= 0
    )


def _token_id(
    folder: ModelFolder, settings: JsonObject, whole: JsonObject, text: str
) -> int | None:
    """Return the id of a special token: by tokenizer_config.json, the added tokens, or the vocabulary."""
    if not text:
        return None
    listed = settings.get("added_tokens_decoder")
    for number, entry in listed.items() if isinstance(listed, dict) else ():
        if isinstance(entry, dict) and entry.get("content") == text and number.isdecimal():
            return int(number)
    added = whole.get("added_tokens") if whole else _added_tokens(folder)
    for entry in added if isinstance(added, list) else []:
        if isinstance(entry, dict) and entry.get("content") == text:
            token = entry.get("id")
            return token if isinstance(token, int) else None
    model = whole.get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    token = vocabulary.get(text) if isinstance(vocabulary, dict) else None
    return token if isinstance(token, int) else None


def _added_tokens(folder: ModelFolder) -> list[JsonValue]:
    """Return the added tokens of a tokenizer.json that is too large to parse: they stand before its vocabulary."""
    _, separator, rest = folder.read_start("tokenizer.json", _START).partition(b'"added_tokens"')
    _, separator, rest = rest.partition(b":") if separator else (b"", b"", b"")
    try:
        listed, _ = json.JSONDecoder().raw_decode(rest.decode("utf-8", "ignore").lstrip())
    except ValueError:
        return []
    return listed if isinstance(listed, list) else []


def _largest_id(folder: ModelFolder, whole: JsonObject) -> int | None:
    """Return the largest token id of the vocabulary when it was parsed, else of the added tokens at its start."""
    ids: list[int] = []
    model = whole.get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if isinstance(vocabulary, dict):
        ids += [n for n in vocabulary.values() if isinstance(n, int)]
    elif isinstance(vocabulary, list):
        ids.append(len(vocabulary) - 1)
    added = whole.get("added_tokens")
    for entry in added if isinstance(added, list) else []:
        if isinstance(entry, dict) and isinstance(token := entry.get("id"), int):
            ids.append(token)
    if not whole:
        head = folder.read_start("tokenizer.json", 2**18)
        before, split, _ = head.partition(b'"model"')
        ids += [int(n) for n in _ID.findall(before)] if split else []
    return max(ids, default=None)
