"""The sampling settings of the chat: their values, their ranges, and how a value is read from text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

RANGES: dict[str, tuple[type[int] | type[float], float, float, str]] = {
    "max_tokens": (int, 1, 100_000, "longest answer, in tokens"),
    "temperature": (float, 0.0, 2.0, "0 is greedy: always the same answer"),
    "top_p": (float, 0.01, 1.0, "empty: the artifact's own"),
    "top_k": (int, 1, 1_000, "empty: the artifact's own"),
    "repetition_penalty": (float, 0.5, 2.0, "empty: the artifact's own"),
    "seed": (int, 0, 2**31 - 1, "empty: a new one each time"),
    "context": (int, 2, 10_000_000, "tokens; another one loads anew"),
}
"""Name → type, least value, greatest value, hint."""


class AnswerForm(TypedDict, total=False):
    """What answers are held to; at most one of the two, and none when empty."""

    json_schema: Mapping[str, Any]
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
    json_schema: Mapping[str, Any] | None = None
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

    def form(self) -> AnswerForm:
        """Return the form that answers must have, as `ChatBackend.chat` and `check_form` take it."""
        form: AnswerForm = {}
        if self.json_schema is not None:
            form["json_schema"] = self.json_schema
        if self.regex is not None:
            form["regex"] = self.regex
        return form


def read_setting(name: str, text: str) -> int | float | None:
    """Return the value of one setting; None for an empty text.

    Raises:
        ValueError: the text is no value of this setting; its message is the sentence to show.
    """
    kind, least, most, _ = RANGES[name]
    if not text.strip():
        if name in ("max_tokens", "temperature"):
            raise ValueError(f"{name} needs a number.")
        return None
    try:
        value = kind(text)
    except ValueError:
        raise ValueError(f"{name} needs a {'whole number' if kind is int else 'number'}.") from None
    if not least <= value <= most:
        raise ValueError(f"{name} goes from {number_text(least)} to {number_text(most)}.")
    return value


def number_text(value: float) -> str:
    """Return a number as a field shows it; a large whole number does not become 1e+06."""
    return str(value) if isinstance(value, int) else f"{value:g}"
