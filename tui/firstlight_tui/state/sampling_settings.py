"""How answers are drawn: the settings of the chat."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """One choice of settings; `temperature` 0 is greedy. None leaves a value to the artifact's own settings."""

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    context: int | None = None
    """Tokens of context; another one loads the artifact again."""
    json_schema: Mapping[str, Any] | None = None
    regex: str | None = None

    def options(self, *, shared_seed: int | None = None) -> dict[str, Any]:
        """The keyword arguments of `ChatBackend.chat`; `shared_seed` is taken where none is chosen."""
        given = {
            "top_p": self.top_p,
            "top_k": self.top_k,
            "repetition_penalty": self.repetition_penalty,
            "seed": self.seed if self.seed is not None else shared_seed,
            **self.form(),
        }
        chosen: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
        if self.temperature <= 0:
            kept = {k: v for k, v in chosen.items() if k not in ("top_p", "top_k", "seed")}
            return {"max_tokens": self.max_tokens, "greedy": True, **kept}
        return {"max_tokens": self.max_tokens, "temperature": self.temperature, **chosen}

    def form(self) -> dict[str, Any]:
        """What answers are held to, as `ChatBackend.chat` and `Engine.check_form` take it."""
        given = {"json_schema": self.json_schema, "regex": self.regex}
        return {name: value for name, value in given.items() if value is not None}
