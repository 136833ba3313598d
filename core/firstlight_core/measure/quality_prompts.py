"""The user's questions and what a right answer is: one JSON object a line."""

import codecs
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firstlight_core.documents.messages import Message
from firstlight_core.errors import FirstlightError, InputRefused
from firstlight_core.files import read_limited
from firstlight_core.inference.sampling import JsonSchema, check_messages
from firstlight_core.measure.answer_schema import check_schema, schema_fault
from firstlight_core.text import one_line, shown_path

PROMPTS_LIMIT = 5_000
ORIGINS = ("sample", "given", "general")
"""Names in a quality document of prompts that came from no file of the user's."""
_ROLES = ("system", "user", "assistant", "tool")
_KEYS = {"prompt", "system", "messages", "text", "regex", "keys", "schema", "id", "note"}
_HINT = (
    'One object a line, for example {"prompt": "What is int4?", "keys": ["4 bits"]}; '
    "expected answers: text, regex, keys or schema."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityPrompt:
    """One question with its expectations; None means no expectation."""

    messages: tuple[Message, ...]
    text: str | None = None
    """The whole answer, white space and letter case aside."""
    regex: str | None = None
    """A pattern that occurs in the answer."""
    all_keys: tuple[str, ...] = ()
    """Phrases that all occur in the answer, letter case aside."""
    any_keys: tuple[str, ...] = ()
    """Phrases of which one occurs."""
    schema: JsonSchema | None = None
    """A JSON schema for an answer that is JSON; `check_schema` has let it through."""

    @property
    def question(self) -> str:
        """The last message, for tables."""
        return one_line(self.messages[-1]["content"], 120)

    @property
    def expects_content(self) -> bool:
        """True if something about the content of the answer can be checked."""
        return bool(self.text is not None or self.regex or self.all_keys or self.any_keys)


def load_prompts(path: Path) -> list[QualityPrompt]:
    """Read a prompts file (JSON lines); empty lines and lines that begin with # are passed over.

    Raises:
        InputRefused: it cannot be read, or a line is wrong; the message names the line.
    """
    prompts: list[QualityPrompt] = []
    for number, line in enumerate(_lines(path), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            prompts.append(read_prompt(json.loads(line)))
        except (ValueError, RecursionError, FirstlightError) as error:
            reason = one_line(str(error)).rstrip(".")
            raise InputRefused(
                f"{shown_path(path)}, line {number}: {reason}.", hint=_HINT
            ) from error
        if len(prompts) > PROMPTS_LIMIT:
            raise InputRefused(f"{shown_path(path)} holds more than {PROMPTS_LIMIT} prompts.")
    if not prompts:
        raise InputRefused(f"{shown_path(path)} holds no prompts.", hint=_HINT)
    return prompts


def _lines(path: Path) -> list[str]:
    """Return the lines of a UTF-8 file; only CR, LF and CRLF end one, since JSON may contain U+2028.

    Raises:
        InputRefused: it cannot be read, or it is not UTF-8; the message names the first wrong line.
    """
    raw = read_limited(path)
    try:
        return re.split(r"\r\n|\n|\r", raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        location = ""
        if not raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            number = len(re.split(rb"\r\n|\n|\r", raw[: error.start]))
            location = f": line {number} has the byte 0x{raw[error.start]:02X}"
        raise InputRefused(
            f"{shown_path(path)} is not UTF-8 text{location}.", hint="Save it as UTF-8."
        ) from error


def read_prompt(entry: Any) -> QualityPrompt:
    """Return one line of a prompts file.

    Raises:
        ValueError: a key or value is wrong.
        FirstlightError: a message is.
    """
    if not isinstance(entry, dict):
        raise ValueError("it is no JSON object")
    if unknown := sorted(entry.keys() - _KEYS):
        raise ValueError(f"the key {unknown[0]!r} is not known")
    regex = _text(entry, "regex")
    if regex is not None:
        try:
            re.compile(regex)
        except re.error as error:
            raise ValueError(f"the regex is wrong: {error}") from error
    schema = entry.get("schema")
    if schema is not None:
        if not isinstance(schema, dict):
            raise ValueError("schema must be an object")
        check_schema(schema)
    all_keys, any_keys = _phrases(entry.get("keys"))
    return QualityPrompt(
        messages=_messages(entry),
        text=_text(entry, "text"),
        regex=regex,
        all_keys=all_keys,
        any_keys=any_keys,
        schema=schema,
    )


def _text(entry: Mapping[str, object], key: str) -> str | None:
    value = entry.get(key)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{key} must be text")
    return value


def _messages(entry: Mapping[str, object]) -> tuple[Message, ...]:
    if ("prompt" in entry) == ("messages" in entry):
        raise ValueError("it needs either prompt or messages")
    if "messages" in entry:
        listed = entry["messages"]
        if not isinstance(listed, list) or not all(isinstance(m, dict) for m in listed):
            raise ValueError("messages must be a list of objects")
    else:
        listed = [{"role": "user", "content": entry["prompt"]}]
    if (system := _text(entry, "system")) is not None:
        listed = [{"role": "system", "content": system}, *listed]
    messages = check_messages(listed)
    if any(message["role"] not in _ROLES for message in messages):
        raise ValueError(f"a role must be one of {', '.join(_ROLES)}")
    return tuple(messages)


def _phrases(value: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    groups = value if isinstance(value, dict) else {"all": value or []}
    if groups.keys() - {"all", "any"}:
        raise ValueError("keys must be a list, or an object with all and any")
    both: list[tuple[str, ...]] = []
    for name in ("all", "any"):
        phrases = groups.get(name, [])
        if not isinstance(phrases, list) or not all(isinstance(p, str) and p for p in phrases):
            raise ValueError("keys must be a list of phrases")
        both.append(tuple(phrases))
    return both[0], both[1]


def content_fault(prompt: QualityPrompt, answer: str) -> str | None:
    """Return why the content of an answer is not what is expected; None when it is."""
    low = answer.lower()
    if prompt.text is not None and " ".join(low.split()) != " ".join(prompt.text.lower().split()):
        return f"is not {one_line(prompt.text, 80)!r}"
    if prompt.regex is not None and not re.search(prompt.regex, answer):
        return f"does not match {one_line(prompt.regex, 80)!r}"
    if missing := [key for key in prompt.all_keys if key.lower() not in low]:
        return f"lacks {', '.join(repr(one_line(key, 40)) for key in missing)}"
    if prompt.any_keys and not any(key.lower() in low for key in prompt.any_keys):
        return f"has none of {', '.join(repr(one_line(key, 40)) for key in prompt.any_keys)}"
    return None


def format_fault(prompt: QualityPrompt, answer: str) -> str | None:
    """Return why the form of an answer is not what is expected; None when it is."""
    if prompt.regex is not None and not re.search(prompt.regex, answer):
        return f"does not match {one_line(prompt.regex, 80)!r}"
    if prompt.schema is not None:
        bare = answer.strip().removeprefix("```json").removeprefix("```").removesuffix("```")
        try:
            value = json.loads(bare, parse_constant=_no_number)
        except (ValueError, RecursionError):
            return "is not JSON"
        return schema_fault(value, prompt.schema, "the answer")
    return None


def _no_number(name: str) -> float:
    """Refuse NaN and Infinity, which Python reads and JSON does not have."""
    raise ValueError(f"{name} is not JSON")
