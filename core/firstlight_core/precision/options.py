"""The quantiser's options behind "advanced": one sentence each, and only what was seen to load.

Every combination below was converted, loaded and made to speak on the tied sample model with olive-ai 0.13.0 and
onnxruntime-genai 0.18.0 (CPU). Blocks of 256 are not among them: the builder fails on them with k-quant. Symmetry
is not either: asymmetric weights with a tied embedding and the default algorithm give a model that does not load, and
k-quant brings its own zero points.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace

from firstlight_core.documents.conversion import OliveConfig
from firstlight_core.documents.precision import Expected
from firstlight_core.errors import UsageError
from firstlight_core.files import JsonObject, JsonValue
from firstlight_core.precision.olive_reading import read_passes
from firstlight_core.precision.table import (
    BUILDER_BITS,
    CALIBRATION_PASS,
    Precision,
    calibrates,
    find_precision,
)
from firstlight_core.text import one_line

BUILDER_PASS = "ModelBuilder"
K_QUANT_ROW = "int4-quality"
"""The row whose conversion costs what that of a k-quant does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionChoice:
    """One value of an option."""

    value: int | str | bool
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of a pass of Olive."""

    key: str
    name: str
    """How the pass calls it; `extra_options.` leads to the builder's own."""
    label: str
    sentence: str
    choices: tuple[OptionChoice, ...]
    pass_type: str = BUILDER_PASS


BLOCK_SIZE = Option(
    key="block_size",
    name="int4_block_size",
    label="Block size",
    sentence="How many weights share one scale: larger blocks are smaller, smaller blocks drift less.",
    choices=tuple(OptionChoice(value=size, label=f"{size} weights") for size in (16, 32, 64, 128)),
)
ACCURACY = Option(
    key="accuracy_level",
    name="int4_accuracy_level",
    label="Accuracy level",
    sentence="What the activations are computed in: int8 is many times faster on a CPU, but can flip tokens of models with outliers.",
    choices=(
        OptionChoice(value=4, label="4: int8, fast"),
        OptionChoice(value=1, label="1: fp32, slow and exact"),
    ),
)
ALGORITHM = Option(
    key="algorithm",
    name="int4_algo_config",
    label="Algorithm",
    sentence="How scales are found: rounding is quick, k-quant searches better scales, and a mix keeps sensitive layers at 8 bits.",
    choices=(
        OptionChoice(value="default", label="round to nearest"),
        OptionChoice(value="k_quant", label="k-quant"),
        OptionChoice(value="k_quant_last", label="k-quant, lm_head at 8 bits"),
        OptionChoice(value="k_quant_mixed", label="k-quant, mixed layers at 8 bits"),
    ),
)
EMBEDDING = Option(
    key="shared_embeddings",
    name="extra_options.shared_embeddings",
    label="Embedding",
    sentence="A tied model can share one 4-bit table between embedding and lm_head, or keep an exact FP32 embedding beside it.",
    choices=(
        OptionChoice(value=True, label="shared with lm_head"),
        OptionChoice(value=False, label="own table in FP32 (larger)"),
    ),
)
LAYER_BLOCK = Option(
    key="block_size",
    name="group_size",
    label="Block size",
    sentence="How many weights of a layer share one scale: larger blocks are smaller and faster, smaller blocks drift less.",
    choices=tuple(OptionChoice(value=size, label=f"{size} weights") for size in (32, 64, 128)),
    pass_type=CALIBRATION_PASS,
)
"""For the layers; the output head has blocks of its own."""
HEAD_BLOCK = Option(
    key="head_block_size",
    name=BLOCK_SIZE.name,
    label="Blocks of the head",
    sentence="How many weights of the output head share one scale: larger blocks are faster, smaller blocks drift less.",
    choices=tuple(OptionChoice(value=size, label=f"{size} weights") for size in (32, 128)),
)
HEAD = Option(
    key="algorithm",
    name="int4_algo_config",
    label="Output head",
    sentence="The calibration leaves the output head, and the embedding of a tied model: 8 bits drift less, 4 bits are smaller.",
    choices=(
        OptionChoice(value="k_quant_last", label="8 bits"),
        OptionChoice(value="k_quant", label="4 bits"),
    ),
)
_EIGHT_BITS = ("default", "k_quant")


def options_for(precision: Precision, *, tied: bool) -> tuple[Option, ...]:
    """Return the options that mean something for this row; none for rows that are not quantised."""
    if precision.builder_precision == "int8":
        choices = tuple(c for c in ALGORITHM.choices if c.value in _EIGHT_BITS)
        return (BLOCK_SIZE, ACCURACY, replace(ALGORITHM, choices=choices))
    if precision.calibrated:
        # The body is rounded by then: the algorithm is that of the head, and with it of a tied embedding.
        return (LAYER_BLOCK, ACCURACY, HEAD, HEAD_BLOCK)
    if precision.builder_precision == "int4":
        return (BLOCK_SIZE, ACCURACY, ALGORITHM, *((EMBEDDING,) if tied else ()))
    return ()


_BUILDERS_OWN: dict[str, int | str | bool] = {
    "block_size": 32,
    "head_block_size": 32,
    "accuracy_level": 4,
    "algorithm": "default",
    "shared_embeddings": True,
}
"""Defaults of genai 0.18's builder on a CPU (its `--help`)."""


def read_options(config: OliveConfig) -> dict[str, int | str | bool]:
    """Return the quantiser options of a configuration by key, with the builder's default for an absent one."""
    chosen = dict(_BUILDERS_OWN)
    blocks = (LAYER_BLOCK, HEAD_BLOCK) if calibrates(config) else (BLOCK_SIZE,)
    for option in (*blocks, ACCURACY, ALGORITHM, EMBEDDING):
        value = _get(_settings(config, option.pass_type), option.name)
        if isinstance(value, int | str):
            chosen[option.key] = value
    return chosen


def with_options(
    config: OliveConfig,
    options: Mapping[str, int | str | bool],
    *,
    precision: Precision,
    tied: bool,
) -> OliveConfig:
    """Return the configuration with these options.

    Raises:
        UsageError: an option or value is not one that is known to load for this row.
    """
    changed = copy.deepcopy(config)
    offered = {option.key: option for option in options_for(precision, tied=tied)}
    for key, value in options.items():
        option = offered.get(key)
        known = [choice.value for choice in option.choices] if option else []
        if option is None or not any(value == k and type(value) is type(k) for k in known):
            raise UsageError(
                f"{one_line(key, 40)} = {one_line(str(value), 40)} is not known to load "
                f"with {precision.label}."
            )
        settings = _settings(changed, option.pass_type)
        if value == _get(settings, option.name):
            continue
        if value == _BUILDERS_OWN[key] and _get(settings, option.name) is None:
            continue
        section, _, name = option.name.rpartition(".")
        target = _section(settings, section) if section else settings
        if key == "algorithm" and value == "default":
            target.pop(name, None)
        else:
            target[name] = value
    return changed


def _section(settings: JsonObject, name: str) -> JsonObject:
    """Return the object at a key, which is put there when there is none."""
    section = settings.setdefault(name, {})
    if not isinstance(section, dict):
        raise UsageError(f"In the configuration, {one_line(name, 40)} is no object.", field=name)
    return section


def costs_of(precision: Precision, config: OliveConfig) -> Precision:
    """Return the row whose costs this configuration has: k-quant needs more memory and time than rounding."""
    if not precision.calibrated and str(read_options(config)["algorithm"]).startswith("k_quant"):
        return find_precision(K_QUANT_ROW)
    return precision


def expected_of(config: OliveConfig) -> Expected:
    """Return what the graph of a configuration must hold: bits, block size, accuracy level; for the gate to read back.

    Empty for configurations that are not one plain quantising ModelBuilder pass.
    """
    settings = _settings(config, BUILDER_PASS)
    builder_bits = BUILDER_BITS.get(str(settings.get("precision")))
    block = _get(settings, BLOCK_SIZE.name)
    level = _get(settings, ACCURACY.name)
    algorithm = str(_get(settings, ALGORITHM.name) or "default")
    passes = list(read_passes(config).values())
    kinds = [entry.get("type") for entry in passes]
    if builder_bits is None or kinds not in (["ModelBuilder"], [CALIBRATION_PASS, "ModelBuilder"]):
        return {}
    expected: Expected = {}
    if algorithm in ("default", "rtn", "k_quant"):
        expected["bits"] = [builder_bits]
    elif algorithm in ("k_quant_last", "k_quant_mixed", "rtn_last"):
        expected["bits"] = [4, 8]
    if isinstance(block, int):
        # The head keeps the builder's block where the calibrated body has another.
        layers = layer_block(config)
        expected["block_size"] = sorted({block} if layers is None else {block, layers})
    if isinstance(level, int) and level:
        expected["accuracy_level"] = [level]
    return expected


def check_row(config: OliveConfig, precision: Precision) -> None:
    """Check that an edited configuration builds what its row is called: all figures of the artifact go under that name.

    Raises:
        UsageError: it quantises to other bits than the row, or only one of the two quantises.
    """
    if calibrates(config) and not precision.calibrated:
        raise UsageError(
            f"The configuration rounds on a calibration text, which {precision.label} does not.",
            hint="Name the row int4-calibrated with --precision, or take the Gptq pass out.",
            field="passes",
        )
    wanted = str(_settings(config, BUILDER_PASS).get("precision") or precision.builder_precision)
    if (
        wanted != precision.builder_precision
        and {wanted, precision.builder_precision} & BUILDER_BITS.keys()
    ):
        raise UsageError(
            f"The configuration builds {one_line(wanted, 40)}, which is not {precision.label}.",
            hint="Name the row that it belongs to with --precision, or correct the configuration.",
            field="passes.precision",
        )


def layer_block(config: OliveConfig) -> int | None:
    """Return the block size of the layers that a calibration pass rounds; None without one, or where it names none."""
    value = _settings(config, CALIBRATION_PASS).get(LAYER_BLOCK.name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _settings(config: OliveConfig, kind: str) -> JsonObject:
    """Return the settings of the first pass of this type; an empty object when there is none."""
    for settings in read_passes(config).values():
        if settings.get("type") == kind:
            inner = settings.get("config")
            return inner if isinstance(inner, dict) else settings
    return {}


def _get(settings: JsonObject, name: str) -> JsonValue:
    section, _, last = name.rpartition(".")
    inner = settings.get(section) if section else settings
    return inner.get(last) if isinstance(inner, dict) else None
