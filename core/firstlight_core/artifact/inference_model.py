"""The course's `inference_model.json`: its fields, its rules, and how its PromptTemplate is expanded."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from firstlight_core.artifact.model_config import SEARCH_KEYS
from firstlight_core.artifact.sampling_ranges import SAMPLING_RANGES
from firstlight_core.documents.artifact import InferenceModel, ModelConfig
from firstlight_core.documents.messages import Message
from firstlight_core.errors import (
    InputRefused,
    TemplateRefused,
    UsageError,
)
from firstlight_core.files import read_json_object
from firstlight_core.paths import name_problem
from firstlight_core.text import one_line

INFERENCE_MODEL = "inference_model.json"
CONTENT = "{Content}"
"""The place of the text in every PromptTemplate field; replaced literally, never by `str.format`."""
PROMPT_FIELDS = ("system", "user", "assistant", "prompt")
FIELD_LIMIT = 20_000
"""Characters in one PromptTemplate field; the longest default system prompt in public use has 4,000."""
DEFAULT_DESCRIPTION = "Fine-tuned quantized model"
DEFAULT_VERSION = "1.0"
DEFAULT_MODEL_CONFIG: ModelConfig = {
    "max_length": 2048,
    "temperature": 0.7,
    "top_p": 0.9,
    "repetition_penalty": 1.1,
}
"""The course's values (EdgeAI for Beginners, Module 5, section 4, part 3)."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
PROVIDER_WORDS = (
    "cuda-gpu",
    "qnn-npu",
    "openvino-npu",
    "openvino-gpu",
    "trtrtx-gpu",
    "vitis-npu",
)
"""Foundry Local demands that execution provider when a model's name contains one of these (FACTS.md)."""


def check_name(name: str) -> str:
    """Return the name itself, when it can name a deployment everywhere: folder, Foundry Local id, URL.

    Raises:
        UsageError: one sentence says which rule it breaks.
    """
    hint = "Use up to 80 letters, digits, dots, dashes and underscores, for example sample-int4."
    if not _NAME.fullmatch(name):
        raise UsageError(f"{one_line(name, 60)!r} cannot be the name of a deployment.", hint=hint)
    if name_problem(name) is not None:
        raise UsageError(f"{name!r} is not a folder name on every system.", hint=hint)
    for word in PROVIDER_WORDS:
        if word in name.lower():
            raise UsageError(
                f"A name with {word!r} makes Foundry Local demand that hardware.",
                hint="Leave the hardware out of the name.",
            )
    return name


def build_inference_model(
    name: str,
    prompt_template: Mapping[str, str],
    *,
    description: str = DEFAULT_DESCRIPTION,
    version: str = DEFAULT_VERSION,
    model_config: ModelConfig = DEFAULT_MODEL_CONFIG,
) -> InferenceModel:
    """Return the document in exactly the course's shape and order of keys."""
    return {
        "Name": name,
        "Description": description,
        "Version": version,
        "PromptTemplate": dict(prompt_template),
        "ModelConfig": model_config.copy(),
    }


def validate_inference_model(document: object) -> InferenceModel:
    """Return a checked copy of an inference_model.json; keys that the course does not know are kept.

    Raises:
        TemplateRefused: the message says which rule is broken, `field` names the field.
    """
    if not isinstance(document, Mapping):
        raise TemplateRefused("inference_model.json must be a JSON object.")
    checked = dict(document)
    name = checked.get("Name")
    if not isinstance(name, str):
        raise TemplateRefused(
            "`Name` must be a text.", hint="Foundry Local lists a model by it.", field="Name"
        )
    try:
        check_name(name)
    except UsageError as error:
        raise TemplateRefused(f"`Name`: {error}", hint=error.hint, field="Name") from error
    for key in ("Description", "Version"):
        if key in checked:
            _check_text(key, checked[key])
    checked["PromptTemplate"] = _check_prompt_template(checked.get("PromptTemplate"))
    if "ModelConfig" in checked:
        checked["ModelConfig"] = _check_model_config(checked["ModelConfig"])
    return cast(InferenceModel, checked)


def _check_text(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise TemplateRefused(f"`{key}` must be a text.", field=key)
    if len(value) > FIELD_LIMIT:
        raise TemplateRefused(f"`{key}` is longer than {FIELD_LIMIT} characters.", field=key)
    if "\0" in value:
        raise TemplateRefused(
            f"`{key}` contains a NUL character, where a prompt would silently end.", field=key
        )
    if any(0xD800 <= ord(character) < 0xE000 for character in value):
        raise TemplateRefused(
            f"`{key}` contains half of a character (a lone surrogate).", field=key
        )
    return value


def _check_prompt_template(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise TemplateRefused(
            "`PromptTemplate` must be an object with the fields system, user, assistant and prompt.",
            field="PromptTemplate",
        )
    if "prompt" not in value:
        raise TemplateRefused("`PromptTemplate.prompt` is missing.", field="PromptTemplate.prompt")
    for key, field in value.items():
        label = f"PromptTemplate.{one_line(str(key), 40)}"
        if key not in PROMPT_FIELDS:
            raise TemplateRefused(
                f"`{label}` is not a field of PromptTemplate.",
                hint="Its fields are system, user, assistant and prompt.",
                field=label,
            )
        count = _check_text(label, field).count(CONTENT)
        if count != 1:
            how = "lacks" if count == 0 else f"has {count} times"
            raise TemplateRefused(
                f"`{label}` {how} {CONTENT}, which must stand there exactly once.",
                hint=f"{CONTENT} marks the place of the text.",
                field=label,
            )
    return dict(value)


def _check_model_config(value: object) -> ModelConfig:
    if not isinstance(value, Mapping):
        raise TemplateRefused("`ModelConfig` must be an object.", field="ModelConfig")
    for key in SEARCH_KEYS:
        span = SAMPLING_RANGES[key]
        if key in value and not span.holds(value[key]):
            raise TemplateRefused(
                f"`ModelConfig.{key}` must be {span.rule}.", field=f"ModelConfig.{key}"
            )
    return cast(ModelConfig, dict(value))


def read_inference_model(folder: Path) -> InferenceModel | None:
    """Return the artifact's document; None when it has none.

    It is as it lies there: `validate_inference_model` says whether its values may be used.

    Raises:
        InputRefused: it is there, and it is not JSON.
    """
    path = folder / INFERENCE_MODEL
    if not path.exists() and not path.is_symlink():
        return None
    return cast(InferenceModel, read_json_object(path))


def opening_of(template: Mapping[str, str]) -> str:
    """Return the text that invites the answer: the end of `prompt` after the user's turn, else the assistant's start."""
    after = template.get("prompt", "").partition(CONTENT)[2]
    closing = template.get("user", "").partition(CONTENT)[2]
    if "user" in template and "prompt" in template and after.startswith(closing):
        return after.removeprefix(closing)
    return template.get("assistant", "").partition(CONTENT)[0]


def expand(
    template: Mapping[str, str],
    messages: Sequence[Message],
    *,
    joiner: str = "",
    opening: bool = False,
) -> str | None:
    """Return the prompt that a runtime builds from PromptTemplate; None when a field that it needs is missing.

    One user message alone is the `prompt` field; before a last user message the other turns stand in their
    own fields, joined by `joiner`. With `opening`, every turn stands in its own field and what invites the
    answer follows. (No runtime documents how it joins turns.)
    """
    parts: list[str] = []
    for index, message in enumerate(messages):
        last = index == len(messages) - 1 and message["role"] == "user" and not opening
        text = template.get("prompt" if last else message["role"])
        if text is None:
            return None
        parts.append(text.replace(CONTENT, message["content"], 1))
    if opening:
        if "assistant" not in template:
            return None
        parts.append(opening_of(template))
    return joiner.join(parts)


def prompt_template_of(document: InferenceModel | None) -> dict[str, str] | None:
    """Return the PromptTemplate of a document from outside, when it is usable."""
    if document is None:
        return None
    try:
        return _check_prompt_template(document.get("PromptTemplate"))
    except InputRefused:
        return None


def default_name(artifact: Path) -> str:
    """Return a name for an artifact that has none: its folder's, made legal."""
    name = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in artifact.name)
    return name.strip("-._")[:80].rstrip(".") or "model"
