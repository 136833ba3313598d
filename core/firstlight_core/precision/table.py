"""The precision table. Adding a row here is all it takes to offer a new precision."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from firstlight_core.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What the course says of a precision (Module 5, section 4); None where it says nothing."""

    size: str
    speed: str
    quality: str
    use: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """One row: how it is called, what the course claims, and how Olive is asked for it."""

    key: str
    label: str
    weight_bits: float
    """Bits per weight of the transformer body, block scales included (fp32 scales: 32 / block)."""
    claim: Claim | None
    builder_precision: str
    """`precision` of Olive's ModelBuilder pass."""
    builder_options: dict[str, Any] = field(default_factory=dict)
    """Further keys of the ModelBuilder pass; the shim gives them the names that genai 0.18 reads."""
    half_pass: bool = False
    """A second pass turns the fp32 graph into fp16 (the builder's own fp16 cannot decode on CPU)."""
    tied_only: bool = False
    """Only models whose output head is their embedding differ from the row before."""
    expected: dict[str, Any] = field(default_factory=dict)
    """What the produced graph must hold (`jobs/gate.py` reads it back); the builder ignores unknown options."""
    calibrated: bool = False
    """Olive's Gptq pass rounds the weights on a calibration text before the builder packs them."""
    note: str = ""
    """One sentence that the table shows for this row."""


_INT4 = Claim(size="×0.125", speed="Fastest", quality="Acceptable", use="Resource-limited")

PRECISIONS: tuple[Precision, ...] = (
    Precision(
        key="fp32",
        label="FP32",
        weight_bits=32,
        claim=None,
        builder_precision="fp32",
        expected={"bits": [], "dtype": "float"},
        note="The reference: every weight as trained, the largest file.",
    ),
    Precision(
        key="fp16",
        label="FP16",
        weight_bits=16,
        claim=Claim(size="×0.5", speed="Fast", quality="Best", use="High-end hardware"),
        builder_precision="fp32",
        half_pass=True,
        expected={"bits": [], "dtype": "float16"},
        note="On CPU: half the disk of FP32, the same speed and RAM (two passes; the builder's own FP16 cannot decode).",
    ),
    Precision(
        key="int8",
        label="INT8",
        weight_bits=9,
        claim=Claim(size="×0.25", speed="Very Fast", quality="Good", use="Balanced choice"),
        builder_precision="int8",
        builder_options={"int4_accuracy_level": 4},
        expected={"bits": [8], "accuracy_level": [4]},
        note="Keeps a separate FP32 embedding: a small tied model can be larger than its bf16 source.",
    ),
    Precision(
        key="int8-compact",
        label="INT8 compact",
        weight_bits=9,
        claim=Claim(size="×0.25", speed="Very Fast", quality="Good", use="Balanced choice"),
        builder_precision="int8",
        builder_options={
            "int4_accuracy_level": 4,
            "extra_options": {"shared_embeddings": True},
        },
        tied_only=True,
        expected={"bits": [8], "accuracy_level": [4], "embedding": "quantised uint8"},
        note="One 8-bit table for embedding and output head of a tied model: INT8 that is smaller than FP16.",
    ),
    Precision(
        key="int4",
        label="INT4",
        weight_bits=5,
        claim=_INT4,
        builder_precision="int4",
        builder_options={"int4_block_size": 32, "int4_accuracy_level": 4},
        expected={"bits": [4], "block_size": [32], "accuracy_level": [4]},
        note="The course's advice: start here; if the quality is not satisfactory, try INT8 or FP16.",
    ),
    Precision(
        key="int4-compact",
        label="INT4 compact",
        weight_bits=4.25,
        claim=_INT4,
        builder_precision="int4",
        builder_options={"int4_block_size": 128, "int4_accuracy_level": 4},
        expected={"bits": [4], "block_size": [128], "accuracy_level": [4]},
        note="One scale for 128 weights instead of 32: smaller, a little more drift.",
    ),
    Precision(
        key="int4-quality",
        label="INT4 quality",
        weight_bits=6,
        claim=None,
        builder_precision="int4",
        builder_options={
            "int4_block_size": 32,
            "int4_accuracy_level": 4,
            "int4_algo_config": "k_quant_mixed",
        },
        expected={"bits": [4, 8], "block_size": [32], "accuracy_level": [4]},
        note="k-quant mixed: the sensitive layers stay at 8 bits; closest to the original among INT4.",
    ),
    Precision(
        key="int4-calibrated",
        label="INT4 calibrated",
        weight_bits=5.125,
        claim=None,
        builder_precision="int4",
        builder_options={
            "int4_block_size": 32,
            "int4_accuracy_level": 4,
            # What the calibration leaves: the output head, and the embedding where it is the same table.
            "int4_algo_config": "k_quant_last",
        },
        calibrated=True,
        expected={"bits": [4, 8], "block_size": [32], "accuracy_level": [4]},
        note="GPTQ: each layer is rounded so that its output on a text changes least; the conversion takes minutes.",
    ),
)

DEFAULT_PRECISION = "int4"


def find_precision(key: str) -> Precision:
    """The row with this key.

    Raises:
        UsageError: there is none; the hint lists those that exist.
    """
    for precision in PRECISIONS:
        if precision.key == key:
            return precision
    known = ", ".join(precision.key for precision in PRECISIONS)
    raise UsageError(f"There is no precision {key[:40]!r}.", hint=f"Choose one of: {known}.")


def preferred_precision(keys: Iterable[str]) -> str | None:
    """The precision to go on with of several that were made: the default one, else the one of the fewest bits."""
    known = set(keys)
    made = [row for row in PRECISIONS if row.key in known]
    if not made:
        return None
    best = min(made, key=lambda row: (row.key != DEFAULT_PRECISION, row.weight_bits))
    return best.key


CALIBRATION_PASS = "Gptq"


def calibrates(config: Mapping[str, Any]) -> bool:
    """Whether a configuration rounds weights on a calibration text."""
    return any(settings.get("type") == CALIBRATION_PASS for settings in config["passes"].values())
