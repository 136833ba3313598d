"""The template as it is being edited: the fields as typed, with undo and redo; it survives a walk to another step."""

import time
from collections.abc import Callable, Mapping
from typing import cast

from firstlight_core.artifact.inference_model import PROMPT_FIELDS, validate_inference_model
from firstlight_core.artifact.model_config import SEARCH_KEYS
from firstlight_core.documents.artifact import InferenceModel, ModelConfig
from firstlight_core.errors import InputRefused
from firstlight_core.template.escapes import escaped, unescaped

NUMBERS = SEARCH_KEYS
"""The numbers of ModelConfig that are edited."""
FIELDS = ("name", *PROMPT_FIELDS, *NUMBERS)
STEPS_KEPT = 500
PAUSE_SECONDS = 1.5
"""Typing in one field without a longer pause is one step of undo."""


Edit = tuple[InferenceModel, dict[str, str]]
"""The document that the fields began from, and their texts."""


class TemplateDraft:
    """The texts of the fields, exactly as typed, and what they were before."""

    def __init__(
        self, model: InferenceModel, artifact: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.artifact = artifact
        """The folder that this is the template of."""
        self._clock = clock
        self._base = model.copy()
        self.texts = self._texts_of(model)
        self._past: list[Edit] = []
        self._future: list[Edit] = []
        self._last = ("", 0.0)

    @staticmethod
    def _texts_of(model: InferenceModel) -> dict[str, str]:
        prompts, numbers = model.get("PromptTemplate"), model.get("ModelConfig")
        prompts = prompts if isinstance(prompts, Mapping) else {}
        numbers = numbers if isinstance(numbers, Mapping) else {}
        texts = {"name": escaped(str(model.get("Name", "")))}
        texts |= {role: escaped(str(prompts.get(role, ""))) for role in PROMPT_FIELDS}
        return texts | {key: escaped(str(numbers.get(key, ""))) for key in NUMBERS}

    def edit(self, field: str, text: str) -> None:
        """The user typed in one field; quick typing in the same field is undone in one step."""
        if self.texts[field] == text:
            return
        now = self._clock()
        if self._last[0] != field or now - self._last[1] > PAUSE_SECONDS or self._future:
            self._remember()
        self._last = (field, now)
        self.texts = {**self.texts, field: text}

    def replace(self, model: InferenceModel) -> None:
        """Replace all fields (a preset, the tokenizer's, repaired ones) as one step of undo."""
        texts = self._texts_of(model)
        if texts != self.texts or model != self._base:
            self._remember()
            self._base, self.texts, self._last = model.copy(), texts, ("", 0.0)

    def replace_prompts(self, prompts: Mapping[str, str]) -> None:
        """Another PromptTemplate; name and numbers stay as they are typed."""
        texts = {role: escaped(prompts.get(role, "")) for role in PROMPT_FIELDS}
        if self.texts != {**self.texts, **texts}:
            self._remember()
            self.texts, self._last = {**self.texts, **texts}, ("", 0.0)

    def _remember(self) -> None:
        self._past = [*self._past[-STEPS_KEPT:], (self._base, self.texts)]
        self._future = []

    def undo(self) -> bool:
        """Take the last change back; False when there is none."""
        return self._turn(self._past, self._future)

    def redo(self) -> bool:
        """Make it again."""
        return self._turn(self._future, self._past)

    def _turn(self, here: list[Edit], there: list[Edit]) -> bool:
        if not here:
            return False
        there.append((self._base, self.texts))
        self._base, self.texts = here.pop()
        self._last = ("", 0.0)
        return True

    def document(self) -> InferenceModel:
        """Return inference_model.json as these fields say it; a number that is none stays the text it is."""
        prompts = {
            role: unescaped(self.texts[role])
            for role in PROMPT_FIELDS
            if self.texts[role] or role == "prompt"
        }
        stored = self._base.get("ModelConfig")
        numbers: dict[str, object] = {**stored} if isinstance(stored, Mapping) else {}
        for key in NUMBERS:
            text = self.texts[key].strip()
            if text or key in numbers:
                numbers[key] = _number(text, numbers.get(key))
        return {
            **self._base,
            "Name": unescaped(self.texts["name"].strip()),
            "PromptTemplate": prompts,
            # `problem` finds what is no number.
            "ModelConfig": cast(ModelConfig, numbers),
        }

    def problem(self) -> tuple[str, InputRefused] | None:
        """Return the field that breaks a rule of the core and the rule, or None."""
        try:
            validate_inference_model(self.document())
        except InputRefused as error:
            return draft_field(error.field), error
        return None


def draft_field(field: str) -> str:
    """Return the draft's name for a field of inference_model.json; `prompt` for a field that is not edited here."""
    name = field.rpartition(".")[2].lower()
    return name if name in FIELDS else "prompt"


def _number(text: str, before: object) -> object:
    """Return a number of the kind that the text shows; what was not changed keeps its kind."""
    if str(before) == text:
        return before
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
