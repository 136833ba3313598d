"""The sampling settings of the chat: their values, their ranges, and how a value is read from text."""

from dataclasses import dataclass, fields, replace
from typing import Any, Self, TypedDict

from firstlight_core.artifact.sampling_ranges import SAMPLING_RANGES
from firstlight_core.inference.sampling import JsonSchema


class AnswerForm(TypedDict, total=False):
    """The required structure of answers; at most one of the two, none when empty."""

    json_schema: JsonSchema
    regex: str


class ChatOptions(AnswerForm, total=False):
    """The keyword arguments of `ChatBackend.chat` that the settings choose."""

    max_tokens: int
    greedy: bool
    temperature: float
    top_p: float
    top_k: int
    repetition_penalty: float
    seed: int


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """How answers are sampled; `temperature` 0 is greedy. None leaves a value to the artifact's own settings."""

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    context: int | None = None
    """Tokens of context; another value loads the artifact again."""
    json_schema: JsonSchema | None = None
    regex: str | None = None

    def options(self, *, shared_seed: int | None = None) -> ChatOptions:
        """Return the keyword arguments of `ChatBackend.chat`; `shared_seed` is used where no seed is chosen."""
        options: ChatOptions = {"max_tokens": self.max_tokens}
        if self.json_schema is not None:
            options["json_schema"] = self.json_schema
        if self.regex is not None:
            options["regex"] = self.regex
        if self.repetition_penalty is not None:
            options["repetition_penalty"] = self.repetition_penalty
        if self.temperature <= 0:
            options["greedy"] = True
            return options
        options["temperature"] = self.temperature
        if self.top_p is not None:
            options["top_p"] = self.top_p
        if self.top_k is not None:
            options["top_k"] = self.top_k
        if (seed := self.seed if self.seed is not None else shared_seed) is not None:
            options["seed"] = seed
        return options

    def with_number(self, name: str, value: int | float | None) -> Self:
        """Return the settings with another value of the number called `name`, as `read_setting` returned it."""
        change: dict[str, Any] = {name: value}
        return replace(self, **change)

    def form(self) -> AnswerForm:
        """Return the form that answers must have, as `ChatBackend.chat` and `check_form` take it."""
        form: AnswerForm = {}
        if self.json_schema is not None:
            form["json_schema"] = self.json_schema
        if self.regex is not None:
            form["regex"] = self.regex
        return form


NUMBERS = tuple(field.name for field in fields(SamplingSettings) if field.name in SAMPLING_RANGES)
"""The settings that are numbers, in the order of their fields."""


def read_setting(name: str, text: str) -> int | float | None:
    """Return the value of one setting; None for an empty text.

    Raises:
        ValueError: the text is no value of this setting; its message is the sentence to show.
    """
    span = SAMPLING_RANGES[name]
    if not text.strip():
        if name in ("max_tokens", "temperature"):
            raise ValueError(f"{name} needs a number.")
        return None
    try:
        value = span.kind(text)
    except ValueError:
        raise ValueError(
            f"{name} needs a {'whole number' if span.kind is int else 'number'}."
        ) from None
    if not span.holds(value):
        raise ValueError(f"{name} goes {span.words}.")
    return value


def number_text(value: float) -> str:
    """Return a number as a field shows it; a large whole number does not become 1e+06."""
    return str(value) if isinstance(value, int) else f"{value:g}"


def setting_words(name: str, value: float | None) -> str:
    """Return the value of a setting as a message shows it."""
    if value is None:
        return "as the artifact says"
    return "greedy" if (name, value) == ("temperature", 0) else str(value)
