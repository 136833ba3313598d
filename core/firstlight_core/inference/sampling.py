"""Limits of a question: messages that a tokenizer accepts, and valid sampling options."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from firstlight_core.artifact.sampling_ranges import SAMPLING_RANGES
from firstlight_core.documents.inference import Guidance, SearchOptions
from firstlight_core.documents.messages import Message
from firstlight_core.errors import InputRefused, UsageError

JsonSchema = Mapping[str, object]
"""A JSON schema: foreign JSON, whose keywords the schema's dialect defines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the next token is chosen; None leaves what the artifact's `genai_config.json` says."""

    greedy: bool = False
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    seed: int | None = None

    def search(self, defaults: Mapping[str, object]) -> SearchOptions:
        """Return the search options for onnxruntime-genai; `defaults` are the artifact's own.

        Raises:
            UsageError: a value is out of its range (genai itself accepts a negative temperature).
        """
        self._check()
        search: SearchOptions = {}
        if self.repetition_penalty is not None:
            search["repetition_penalty"] = self.repetition_penalty
        if self.greedy or self.temperature == 0:
            return {**search, "do_sample": False}
        if self.temperature is not None:
            search["temperature"] = self.temperature
        if self.top_p is not None:
            search["top_p"] = self.top_p
        if self.top_k is not None:
            search["top_k"] = self.top_k
        if self.seed is not None:
            search["random_seed"] = self.seed
        asks_for_sampling = bool(search.keys() - {"repetition_penalty"})
        return {**search, "do_sample": asks_for_sampling or bool(defaults.get("do_sample", False))}

    def _check(self) -> None:
        for name, value in (
            ("temperature", self.temperature),
            ("top_p", self.top_p),
            ("top_k", self.top_k),
            ("repetition_penalty", self.repetition_penalty),
            ("seed", self.seed),
        ):
            span = SAMPLING_RANGES[name]
            if value is not None and not span.holds(value):
                raise UsageError(
                    f"The {name} {value!r} is out of range.", hint=f"It must be {span.rule}."
                )


def check_max_tokens(count: int) -> None:
    """The longest answer, in tokens.

    Raises:
        UsageError: it leaves no room for any, or is out of range.
    """
    span = SAMPLING_RANGES["max_tokens"]
    if count < 1:
        raise UsageError("An answer needs at least one token.", hint="Set max-tokens to 1 or more.")
    if not span.holds(count):
        raise UsageError(
            f"The max-tokens {count!r} is out of range.", hint=f"It must be {span.rule}."
        )


def check_messages(messages: Sequence[Mapping[str, object]]) -> list[Message]:
    """Return the messages with nothing but a role and a content.

    Raises:
        UsageError: a message is none, or there is none.
        InputRefused: a content holds a NUL or half a character.
    """
    if not messages:
        raise UsageError("There is nothing to ask.", hint="Give at least one message.")
    checked: list[Message] = []
    for message in messages:
        role, content = message.get("role"), message.get("content")
        if not isinstance(role, str) or not isinstance(content, str):
            raise UsageError("Every message needs a role and a content, both text.")
        check_text(content)
        checked.append({"role": role, "content": content})
    return checked


def check_text(text: str) -> None:
    """Refuse what a tokenizer would silently cut or cannot take.

    Raises:
        InputRefused: the text holds a NUL character or a lone surrogate.
    """
    if "\0" in text:
        raise InputRefused(
            "The prompt holds a NUL character.", hint="Remove it; it may come from a binary file."
        )
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputRefused(
            "The prompt holds bytes that are no UTF-8 text.", hint="Save or type it as UTF-8."
        ) from None


def guidance(json_schema: JsonSchema | None, regex: str | None) -> Guidance | None:
    """Return what holds an answer to a form; None for no form.

    Raises:
        UsageError: both forms are asked for, or one is not usable.
    """
    if json_schema is not None and regex is not None:
        raise UsageError("An answer follows a JSON schema or a regex, not both.")
    if json_schema is not None:
        try:
            # Free white space lets a small model write line breaks until its tokens are used up.
            tight = {"x-guidance": {"whitespace_flexible": False}, **json_schema}
            return {"type": "json_schema", "grammar": json.dumps(tight, allow_nan=False)}
        except (TypeError, ValueError, RecursionError) as error:
            raise UsageError("The schema is no JSON.", hint="Give a JSON schema object.") from error
    if regex is None:
        return None
    check_text(regex)
    if not regex:
        raise UsageError("The regex is empty.")
    return {"type": "regex", "grammar": regex}
