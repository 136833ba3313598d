"""The extra cost of rounding on a calibration text, and the models for which it works.

Measured piece by piece with olive-ai 0.13.0 and torch 2.13 (docs/int4.md): the constants are seconds on two cores, which share
the products of whole matrices and the solving.
"""

import platform

from firstlight_core.model.inspection import Inspection
from firstlight_core.precision.calibration import BUILT_IN_TOKENS, LONGEST_ANSWER, QUESTIONS, TOKENS
from firstlight_core.precision.table import Precision

ARCHITECTURES = (
    "LlamaForCausalLM",
    "MistralForCausalLM",
    "Qwen2ForCausalLM",
    "Qwen3ForCausalLM",
    "GemmaForCausalLM",
    "Gemma2ForCausalLM",
    "Gemma3ForCausalLM",
    "GraniteForCausalLM",
    "SmolLM3ForCausalLM",
    "OlmoForCausalLM",
    "Ernie4_5ForCausalLM",
)
"""Architectures whose calibrated weights the builder of genai 0.18 reads correctly: each was converted and compared."""
LONGEST_SECONDS = 2 * 3600.0
"""A conversion that would take longer is not offered."""
ANSWER = 110e-9
"""A parameter of the model, for all answers together: one pass over the weights for each token of a batch."""
FORWARD = 12e-12
"""A token and a weight of the body: two operations."""
GRAM = 12.5e-12
"""A token and the square of a matrix's columns: the sum of the outer products of its inputs."""
COLUMN, SOLVE, UPDATE = 3e-5, 1.5e-11, 1.8e-11
"""A column; its cube; and a row times the square of the columns: rounding one after another, correcting the rest.

In blocks of 128; those of 32 take up to a quarter longer.
"""
RAM_BODY = 7.4
"""Peak bytes a parameter, fitted to SmolLM2-135M: the weights in float32, what they were read from, what is written."""
GRAMS = 5
"""Square float32 matrices as wide as the widest input that stand side by side while one matrix is solved."""


def unfit(inspection: Inspection, precision: Precision) -> str:
    """Return why a calibrated row cannot be made of this model on any machine; empty when it can."""
    if not precision.calibrated:
        return ""
    shape = inspection.shape
    if shape.architecture not in ARCHITECTURES:
        return (
            f"The installed builder cannot read calibrated weights of {shape.architecture}: "
            "INT4 quality drifts less than INT4 without a calibration."
        )
    if reason := uneven_layers(inspection):
        return f"{reason} INT4 quality pads them."
    return ""


def slower_here(inspection: Inspection, precision: Precision, *, machine: str | None = None) -> str:
    """Return why this machine would run a calibrated row more slowly than the one rounded to the nearest; empty when not.

    onnxruntime 1.31 has fast kernels for ARM (KleidiAI) that take whole blocks only. `machine`: as `platform.machine()`.
    """
    if (machine or platform.machine()).lower() not in ("arm64", "aarch64"):
        return ""
    block = precision.body_block
    part = next((columns for columns, _ in inspection.structure.matrices if columns % block), None)
    if part is None:
        return ""
    return f"Matrices of {part} columns are no whole blocks of {block}, which this processor computes more slowly."


def uneven_layers(inspection: Inspection) -> str:
    """Return why layers cannot be calibrated; empty when they can: a row of 4-bit weights must end with a byte."""
    odd = next((columns for columns, _ in inspection.structure.matrices if columns % 2), None)
    if odd is None:
        return ""
    return f"Calibrated weights are stored two to a byte, and this model has matrices of {odd} columns."


def calibration_seconds(inspection: Inspection, *, answers: bool = False) -> float:
    """Return the seconds of rounding, and of the original's `answers` where it gives them."""
    shape, structure = inspection.shape, inspection.structure
    tokens = TOKENS if answers else BUILT_IN_TOKENS
    passes = ANSWER * inspection.parameters * answers + FORWARD * tokens * structure.body
    rounding = 0.0
    for columns, rows in structure.matrices:
        # Query, key and value have one input, gate and up another, and the attention's output is often as wide.
        count = shape.layers * (3 if columns == shape.hidden else 1)
        rounding += count * (GRAM * tokens * columns**2 + COLUMN * columns + SOLVE * columns**3)
        rounding += UPDATE * rows * columns**2
    return passes + rounding


def calibration_ram(inspection: Inspection) -> float:
    """Return the bytes that calibrating needs at its peak, above those of the process itself."""
    shape, structure = inspection.shape, inspection.structure
    widest = max((columns for columns, _ in structure.matrices), default=0)
    cache = 8 * shape.layers * shape.kv_heads * shape.head_size * len(QUESTIONS) * LONGEST_ANSWER
    return RAM_BODY * inspection.parameters + GRAMS * 4.0 * widest**2 + cache
