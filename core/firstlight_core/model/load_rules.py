"""The rules by which transformers 5.23 refuses a folder, checked on the folder's JSON files alone.

Without this a conversion ends in its middle with an exception of transformers or torch, after seconds or minutes.
"""

from collections.abc import Callable, Iterable
from typing import Any

from firstlight_core.errors import ModelRefused
from firstlight_core.files import JsonObject
from firstlight_core.model.folder import ModelFolder
from firstlight_core.text import one_line

GENERATION = "generation_config.json"
_MARKS = {
    b"\xef\xbb\xbf": "a byte order mark",
    b"\xff\xfe": "the mark of UTF-16",
    b"\xfe\xff": "the mark of UTF-16",
}
_READ_BY_TRANSFORMERS = (
    "config.json",
    GENERATION,
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "chat_template.json",
    "model.safetensors.index.json",
    "adapter_config.json",
)


def refuse_marks(folder: ModelFolder) -> None:
    """Refuse JSON files that begin with a mark, as Windows editors and shells write it.

    Raises:
        ModelRefused: names the file and the mark.
    """
    for name in _READ_BY_TRANSFORMERS:
        start = folder.read_start(name, 3)
        mark = next((what for sign, what in _MARKS.items() if start.startswith(sign)), None)
        if mark is not None:
            raise ModelRefused(
                f"{name} begins with {mark}, which transformers cannot read.",
                hint="Save the file as plain UTF-8, without a mark (Windows editors call it: UTF-8, not UTF-8 with BOM).",
            )


_CACHES = frozenset(
    [
        "static",
        "offloaded_static",
        "sliding_window",
        "hybrid",
        "hybrid_chunked",
        "offloaded_hybrid",
        "offloaded_hybrid_chunked",
        "dynamic",
        "offloaded",
        "quantized",
        "paged",
    ]
)
_OF_THE_CALL = (
    "logits_processor",
    "stopping_criteria",
    "prefix_allowed_tokens_fn",
    "synced_gpus",
    "assistant_model",
    "streamer",
    "negative_prompt_ids",
    "negative_prompt_attention_mask",
)
"""Arguments of `generate()` that a configuration must not name."""


def refuse_generation(settings: JsonObject) -> None:
    """Refuse a generation_config.json that transformers does not read.

    Raises:
        ModelRefused: names the setting and what is wrong with it.
    """
    for name, why in _rules(settings):
        raise ModelRefused(
            f"{GENERATION} is one that transformers refuses: {name} {why}.",
            hint=f"Correct or remove {name} in {GENERATION}.",
        )


def _rules(settings: JsonObject) -> list[tuple[str, str]]:
    """Return the settings that are wrong, and why; as `GenerationConfig.validate` judges them."""
    violations: list[tuple[str, str]] = []

    def check(name: str, fits: Callable[[Any], bool], why: str) -> None:
        value = settings.get(name)
        if value is not None and not fits(value):
            violations.append((name, f"is {one_line(repr(value), 40)}, {why}"))

    check(
        "early_stopping",
        lambda v: v == "never" or (isinstance(v, bool | int | float) and v in (0, 1)),
        "not true, false or 'never'",
    )
    check("eos_token_id", _ids, "not a token id or a list of them")
    check("max_new_tokens", lambda v: _number(v) and v > 0, "not a number above 0")
    check("pad_token_id", _number, "not a number")
    check("assistant_ensemble_weight", lambda v: _number(v) and 0 < v < 1, "not between 0 and 1")
    check("cache_implementation", lambda v: v in _CACHES, "not one that transformers knows")
    check("compile_config", lambda v: False, "which cannot be kept in a file")
    check("num_return_sequences", _number, "not a number")
    check("num_beams", _number, "not a number")
    if not violations:
        violations += _sequences(settings)
        violations += [
            (name, "is an argument of generate()") for name in _OF_THE_CALL if name in settings
        ]
        violations += _forced(settings)
    return violations


def _ids(value: Any) -> bool:
    listed = value if isinstance(value, list) else [value]
    return bool(listed) and all(isinstance(item, int) for item in listed)


def _number(value: Any) -> bool:
    return isinstance(value, int | float)


def _sequences(settings: JsonObject) -> list[tuple[str, str]]:
    wanted = settings.get("num_return_sequences")
    beams = settings.get("num_beams")
    if not isinstance(wanted, int | float) or wanted <= 1:
        return []
    if beams in (None, 1):
        sampled = bool(settings.get("do_sample"))
        return (
            [] if sampled else [("num_return_sequences", f"is {wanted}, without beams or sampling")]
        )
    if isinstance(beams, int | float) and wanted > beams:
        return [("num_return_sequences", f"is {wanted}, more than num_beams ({beams})")]
    return []


def _forced(settings: JsonObject) -> list[tuple[str, str]]:
    suppressed = settings.get("suppress_tokens")
    if not isinstance(suppressed, list):
        return []
    violations = []
    for name in ("forced_bos_token_id", "forced_eos_token_id"):
        value = settings.get(name)
        tokens = value if isinstance(value, list) else [] if value is None else [value]
        if tokens and all(token in suppressed for token in tokens):
            violations.append((name, "forces a token that suppress_tokens forbids"))
    return violations


def refuse_special_ids(config: JsonObject, ends: tuple[int, ...], vocab: int) -> list[str]:
    """Refuse special tokens of config.json that the embedding has no row for; return what is only worth a warning.

    `ends` are the ids that end an answer, whoever names them.

    Raises:
        ModelRefused: names the token, its id and the size of the vocabulary.
    """
    for name in ("pad_token_id", "bos_token_id"):
        value = config.get(name)
        # torch takes a padding row of -1 for the last one; old Llama models have it.
        low = -vocab if name == "pad_token_id" else 0
        if isinstance(value, int) and not isinstance(value, bool) and not low <= value < vocab:
            raise ModelRefused(
                f"config.json: {name} {value} is outside of the vocabulary of {vocab:,} tokens.",
                hint="The token was added to the tokenizer only: resize the model's embedding where it was trained "
                f"(resize_token_embeddings), or name another {name}.",
            )
    outside = [end for end in ends if end >= vocab]
    if outside and len(outside) == len(ends):
        raise ModelRefused(
            f"The end-of-text token {outside[0]} is outside of the vocabulary of {vocab:,} tokens: "
            "no answer would ever end.",
            hint="Resize the model's embedding where it was trained (resize_token_embeddings), or name an "
            "eos_token_id within it in generation_config.json.",
        )
    if outside:
        return [
            f"The end-of-text token {outside[0]} is outside of the vocabulary of {vocab:,} tokens: "
            "it never ends an answer."
        ]
    return []


_WRAPPERS = {
    "_orig_mod": ("torch.compile", "model._orig_mod.save_pretrained(FOLDER)"),
    "_fsdp_wrapped_module": ("FSDP", "the full state dict of the unwrapped model"),
    "_checkpoint_wrapped_module": ("activation checkpointing", "the unwrapped model"),
    "_forward_module": ("Lightning", "model.module.save_pretrained(FOLDER)"),
    "module": ("a parallel training", "model.module.save_pretrained(FOLDER)"),
    "base_model": ("PEFT", "model.merge_and_unload().save_pretrained(FOLDER)"),
    "base_layer": ("PEFT", "model.merge_and_unload().save_pretrained(FOLDER)"),
    "lora_A": ("PEFT", "model.merge_and_unload().save_pretrained(FOLDER)"),
    "lora_B": ("PEFT", "model.merge_and_unload().save_pretrained(FOLDER)"),
    "pretrained_model": ("TRL's value head", "model.pretrained_model.save_pretrained(FOLDER)"),
}
"""Part of a tensor's name → what put it there, and how to save the model without it."""


def refuse_wrapped(names: Iterable[str]) -> None:
    """Refuse tensors that are named after a wrapper of the training: transformers finds none of them.

    Raises:
        ModelRefused: names one of them and the wrapper.
    """
    for name in names:
        for part in name.split(".")[:-1]:
            if part in _WRAPPERS:
                what, save = _WRAPPERS[part]
                raise ModelRefused(
                    f"The tensors are named after a wrapper of {what}: {one_line(name, 90)}. "
                    "transformers finds none of them.",
                    hint=f"Save the model within it: {save}",
                )
