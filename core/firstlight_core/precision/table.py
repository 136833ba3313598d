"""The precision table: a row carries all that is known of a precision, so adding a row is all it takes to offer one."""

from collections.abc import Iterable

from firstlight_core.documents.conversion import OliveConfig
from firstlight_core.errors import UsageError
from firstlight_core.files import JsonObject
from firstlight_core.precision.olive_reading import read_passes
from firstlight_core.precision.row import (
    BUILDER_BITS,
    REFERENCE_PRECISION,
    Claim,
    Cost,
    Precision,
)

__all__ = [
    "BASE_RAM",
    "BUILDER_BITS",
    "CALIBRATION_PASS",
    "DEFAULT_PRECISION",
    "PRECISIONS",
    "REFERENCE_PRECISION",
    "Claim",
    "Cost",
    "Precision",
    "calibrates",
    "closer_precisions",
    "cost_of",
    "course_name_of",
    "find_precision",
    "is_quantised",
    "precision_key",
    "precision_keys",
    "preferred_precision",
]
BASE_RAM = 499_000_000
"""Bytes of the processes before a weight is read: Python, torch, transformers and Olive, and the check that waits."""

_INT4_CLAIM = Claim(size="×0.125", speed="Fastest", quality="Acceptable", use="Resource-limited")
_INT4_NEAREST = Precision(
    key="int4",
    label="INT4",
    weight_bits=5,
    claim=_INT4_CLAIM,
    course_name="int4",
    builder_precision="int4",
    builder_options={"int4_block_size": 32, "int4_accuracy_level": 4},
    expected={"bits": [4], "block_size": [32], "accuracy_level": [4]},
    gate_limits="int4",
    cost=Cost(
        ram_body=2.5,
        ram_table=10.05,
        ram_untied=1.15,
        seconds_body=8.0,
        seconds_table=13.0,
        seconds_untied=10.0,
    ),
    needs_good_pair=False,
    note="The course's advice: start here. Every weight rounded to the nearest step, in blocks of 32.",
)
_COMPACT_NEAREST = Precision(
    key="int4-compact",
    label="INT4 compact",
    weight_bits=4.25,
    claim=_INT4_CLAIM,
    course_name="int4",
    builder_precision="int4",
    builder_options={"int4_block_size": 128, "int4_accuracy_level": 4},
    expected={"bits": [4], "block_size": [128], "accuracy_level": [4]},
    gate_limits="int4",
    cost=Cost(
        ram_body=3.45,
        ram_table=9.1,
        ram_untied=0.5,
        seconds_body=8.0,
        seconds_table=12.0,
        seconds_untied=10.0,
    ),
    note="One scale for 128 weights instead of 32: smaller, a little more drift.",
)
_CALIBRATED_BUILD: JsonObject = {
    "int4_accuracy_level": 4,
    # What the calibration of the layers leaves, the output head, is rounded on the text too (`jobs/calibrated_head.py`).
    "int4_algo_config": "k_quant",
}
_CALIBRATED_COST = Cost(
    ram_body=1.5, ram_table=20.0, ram_untied=2.0, seconds_body=4.0, seconds_table=130.0
)

PRECISIONS: tuple[Precision, ...] = (
    Precision(
        key="fp32",
        label="FP32",
        weight_bits=32,
        claim=None,
        course_name="fp32",
        builder_precision="fp32",
        expected={"bits": [], "dtype": "float"},
        gate_limits="fp32",
        cost=Cost(
            ram_body=2.0, ram_table=11.8, ram_untied=1.4, seconds_body=12.0, seconds_table=65.0
        ),
        needs_good_pair=False,
        note="The reference: every weight as trained, the largest file.",
    ),
    Precision(
        key="fp16",
        label="FP16",
        weight_bits=16,
        claim=Claim(size="×0.5", speed="Fast", quality="Best", use="High-end hardware"),
        course_name="fp16",
        builder_precision="fp32",
        half_pass=True,
        expected={"bits": [], "dtype": "float16"},
        gate_limits="fp16",
        cost=Cost(
            ram_body=13.75,
            ram_table=24.3,
            ram_untied=16.0,
            seconds_body=18.0,
            seconds_table=205.0,
            seconds_untied=100.0,
        ),
        note="On CPU: half the disk of FP32, the same speed and RAM (two passes; the builder's own FP16 cannot decode).",
    ),
    Precision(
        key="int8",
        label="INT8",
        weight_bits=9,
        claim=Claim(size="×0.25", speed="Very Fast", quality="Good", use="Balanced choice"),
        course_name="int8",
        builder_precision="int8",
        builder_options={"int4_accuracy_level": 4},
        expected={"bits": [8], "accuracy_level": [4]},
        gate_limits="int8",
        cost=Cost(
            ram_body=3.05, ram_table=12.0, ram_untied=0.1, seconds_body=9.0, seconds_table=30.0
        ),
        note="Keeps a separate FP32 embedding: a small tied model can be larger than its bf16 source.",
    ),
    Precision(
        key="int8-compact",
        label="INT8 compact",
        weight_bits=9,
        claim=Claim(size="×0.25", speed="Very Fast", quality="Good", use="Balanced choice"),
        course_name="int8",
        builder_precision="int8",
        builder_options={
            "int4_accuracy_level": 4,
            "extra_options": {"shared_embeddings": True},
        },
        tied_only=True,
        expected={"bits": [8], "accuracy_level": [4], "embedding": "quantised uint8"},
        gate_limits="int8",
        cost=Cost(ram_body=3.05, ram_table=12.0, seconds_body=9.0, seconds_table=17.0),
        note="One 8-bit table for embedding and output head of a tied model: INT8 that is smaller than FP16.",
    ),
    Precision(
        key="int4",
        label="INT4",
        weight_bits=4.28125,
        claim=_INT4_CLAIM,
        course_name="int4",
        builder_precision="int4",
        builder_options={"int4_block_size": 32, **_CALIBRATED_BUILD},
        calibrated=True,
        layer_block=128,
        nearest=_INT4_NEAREST,
        expected={"bits": [4], "block_size": [32, 128], "accuracy_level": [4]},
        gate_limits="int4-calibrated",
        cost=_CALIBRATED_COST,
        needs_good_pair=False,
        note="The course's advice: start here. Rounded on a text so that the answers change least.",
    ),
    Precision(
        key="int4-compact",
        label="INT4 compact",
        weight_bits=4.28125,
        claim=_INT4_CLAIM,
        course_name="int4",
        builder_precision="int4",
        builder_options={"int4_block_size": 128, **_CALIBRATED_BUILD},
        calibrated=True,
        nearest=_COMPACT_NEAREST,
        expected={"bits": [4], "block_size": [128], "accuracy_level": [4]},
        gate_limits="int4-calibrated",
        cost=_CALIBRATED_COST,
        note="The output head in blocks of 128 too: smaller and faster, a little more drift.",
    ),
    Precision(
        key="int4-quality",
        label="INT4 quality",
        weight_bits=6,
        claim=None,
        course_name="int4",
        builder_precision="int4",
        builder_options={
            "int4_block_size": 32,
            "int4_accuracy_level": 4,
            "int4_algo_config": "k_quant_mixed",
        },
        expected={"bits": [4, 8], "block_size": [32], "accuracy_level": [4]},
        gate_limits="int4",
        cost=Cost(
            ram_body=8.9, ram_table=17.0, ram_untied=5.95, seconds_body=40.0, seconds_table=165.0
        ),
        note="k-quant mixed: the sensitive layers stay at 8 bits; closest to the original among INT4.",
    ),
    Precision(
        key="int4-calibrated",
        label="INT4 calibrated",
        weight_bits=5.125,
        claim=None,
        course_name="int4",
        builder_precision="int4",
        builder_options={
            "int4_block_size": 32,
            "int4_accuracy_level": 4,
            # What the calibration leaves: the output head, and the embedding where it is the same table.
            "int4_algo_config": "k_quant_last",
        },
        calibrated=True,
        expected={"bits": [4, 8], "block_size": [32], "accuracy_level": [4]},
        gate_limits="int4-calibrated",
        cost=Cost(
            ram_body=1.5, ram_table=20.0, ram_untied=2.0, seconds_body=4.0, seconds_table=150.0
        ),
        note="GPTQ: each layer is rounded so that its output on a text changes least; the conversion takes minutes.",
    ),
)

DEFAULT_PRECISION = "int4"


def find_precision(key: str) -> Precision:
    """Return the row with this key or label, in any case: `int4-compact`, `INT4 compact`, `int4_compact`.

    Raises:
        UsageError: there is none; the hint lists those that exist.
    """
    wanted = _plain_name(key)
    for precision in PRECISIONS:
        if wanted in (precision.key, _plain_name(precision.label)):
            return precision
    raise UsageError(
        f"There is no precision {key[:40]!r}.", hint=f"Choose one of: {precision_keys()}."
    )


def _plain_name(name: str) -> str:
    return "-".join(name.lower().replace("_", " ").replace("-", " ").split())


def precision_key(name: str) -> str:
    """Return the key of the row with this key or label; a name of no row as it is."""
    try:
        return find_precision(name).key
    except UsageError:
        return name


def precision_keys() -> str:
    """Return the key of every row, separated by commas."""
    return ", ".join(precision.key for precision in PRECISIONS)


def preferred_precision(keys: Iterable[str]) -> str | None:
    """Return the precision to go on with among several: the default one, else the one of the fewest bits."""
    known = set(keys)
    made = [row for row in PRECISIONS if row.key in known]
    if not made:
        return None
    best = min(made, key=lambda row: (row.key != DEFAULT_PRECISION, row.weight_bits))
    return best.key


def cost_of(precision: Precision) -> Cost:
    """Return what converting to this precision costs; a row that was not measured costs what its builder's plain row does."""
    plain = find_precision(precision.builder_precision)
    if not precision.calibrated:
        plain = plain.nearest or plain
    cost = precision.cost or plain.cost
    if cost is None:
        raise LookupError(
            f"No row of builder precision {precision.builder_precision} was measured."
        )
    return cost


def course_name_of(key: str) -> str:
    """Return the course's name of a precision; of a key that is no row, its first part."""
    return next((row.course_name for row in PRECISIONS if row.key == key), key.partition("-")[0])


def is_quantised(key: str) -> bool:
    """Return whether this is the key of a row whose weights are quantised."""
    return any(row.key == key and row.bits is not None for row in PRECISIONS)


def closer_precisions(key: str) -> tuple[str, ...]:
    """Return the plain precisions that lie closer to the original, the nearest first (the course: INT4, then INT8 or FP16)."""
    plain = {row.key: row.weight_bits for row in PRECISIONS if row.key == row.course_name}
    own = plain.get(course_name_of(key))
    closer = [name for name, bits in plain.items() if own is not None and bits > own]
    return tuple(sorted(closer, key=plain.__getitem__))


CALIBRATION_PASS = "Gptq"


def calibrates(config: OliveConfig) -> bool:
    """Return whether a configuration rounds weights on a calibration text."""
    return any(entry.get("type") == CALIBRATION_PASS for entry in read_passes(config).values())
