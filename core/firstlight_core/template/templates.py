"""The prompt template of an artifact: made from the tokenizer, checked token by token, written."""

from pathlib import Path

from firstlight_core.artifact.inference_model import (
    build_inference_model,
    check_name,
    expand,
    read_inference_model,
    validate_inference_model,
)
from firstlight_core.documents.artifact import InferenceModel
from firstlight_core.template.parity import (
    check_template,
    default_inference_model,
    default_name,
    derive_inference_model,
)
from firstlight_core.template.presets import PRESETS, TOKENIZER, Preset, find_preset
from firstlight_core.template.repair import repair_template
from firstlight_core.template.settle import settle_template, undo_template

__all__ = [
    "PRESETS",
    "Preset",
    "build_inference_model",
    "check_name",
    "check_template",
    "default_inference_model",
    "default_name",
    "derive_inference_model",
    "expand",
    "find_preset",
    "preset_inference_model",
    "read_inference_model",
    "repair_template",
    "settle_template",
    "undo_template",
    "validate_inference_model",
]


def preset_inference_model(artifact: Path, name: str, preset: str | None) -> InferenceModel:
    """Return the inference_model.json of a preset, or, without one, what the artifact's tokenizer implies.

    Raises:
        UsageError: there is no preset of this key.
    """
    if preset is None or preset == TOKENIZER:
        return default_inference_model(artifact, name)
    # A model without a chat template has nothing to derive from; the format of the family is all there is.
    return build_inference_model(name, find_preset(preset).prompt_template)
