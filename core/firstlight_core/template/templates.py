"""The prompt template of an artifact: made from the tokenizer, checked token by token, written."""

from firstlight_core.artifact.inference_model import (
    build_inference_model,
    check_name,
    expand,
    read_inference_model,
    validate_inference_model,
)
from firstlight_core.template.parity import (
    check_template,
    default_inference_model,
    default_name,
    derive_inference_model,
)
from firstlight_core.template.presets import PRESETS, Preset, find_preset
from firstlight_core.template.repair import mend_template
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
    "mend_template",
    "read_inference_model",
    "settle_template",
    "undo_template",
    "validate_inference_model",
]
