"""The course's command, the one that is really run, and why they differ; pure functions."""

from dataclasses import dataclass, field
from pathlib import Path

from firstlight_core.conversion.calibration_choice import (
    CalibrationChoice,
    CalibrationWord,
    calibration_choice,
    calibration_name,
)
from firstlight_core.conversion.calibration_text import (
    BUILT_IN,
    CalibrationText,
    built_in_text,
    read_calibration,
)
from firstlight_core.conversion.inspected_source import InspectedSource, inspect_source
from firstlight_core.conversion.olive_config import (
    checked_config,
    course_command,
    course_config,
    run_config,
)
from firstlight_core.documents.conversion import Method, OliveConfig, PlanDocument
from firstlight_core.documents.precision import Expected
from firstlight_core.errors import FirstlightError, UsageError
from firstlight_core.estimate.estimates import form_of
from firstlight_core.model.adapter import adapter_base
from firstlight_core.model.adapter_bases import remembered_base
from firstlight_core.paths import absolute
from firstlight_core.precision.options import check_row, expected_of
from firstlight_core.precision.table import DEFAULT_PRECISION, Precision, calibrates, find_precision
from firstlight_core.text import one_line

METHODS: tuple[Method, ...] = ("config", "command")
COURSE_CONFIG_NAME = "finetuned_conversion_config.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionPlan:
    """One conversion before it runs."""

    source: Path
    output: Path
    precision: Precision
    method: Method
    course_command: list[str]
    """Method 1 of the course, as arguments."""
    course_config: OliveConfig
    """Method 2 of the course: `finetuned_conversion_config.json`."""
    run_config: OliveConfig
    """The Olive configuration that is really run; its folders are set when it runs."""
    command: list[str]
    """The command that repeats it."""
    reason: str
    """Why what is run differs from what the course says."""
    base: Path | None = None
    """The base model of a LoRA adapter folder; None for a whole model."""
    edited: bool = False
    """Whether `run_config` came from the user."""
    calibration: CalibrationText | None = None
    """The calibration text; None for a conversion that needs none."""
    inspected: InspectedSource | None = field(default=None, repr=False, compare=False)
    """The source as the plan was laid out; None where it was not needed for that."""

    @property
    def expected(self) -> Expected:
        """Return what the produced graph must hold, read back by the gate."""
        return expected_of(self.run_config) if self.edited else self.precision.expected

    @property
    def answers(self) -> bool:
        """Whether the original answers questions for the text that weights are rounded on."""
        return self.calibration is not None and self.calibration.source != BUILT_IN

    def to_json(self) -> PlanDocument:
        """Return the plan as `--dry-run` prints it."""
        document: PlanDocument = {
            "source": str(self.source),
            "artifact": str(self.output),
            "precision": self.precision.key,
            "method": self.method,
            "command": self.command,
            "course_command": self.course_command,
            "course_config": self.course_config,
            "run_config": self.run_config,
            "reason": self.reason,
        }
        if self.base:
            document["base"] = str(self.base)
        if self.calibration is not None:
            prompts = len(self.calibration.conversations) + len(self.calibration.passages)
            document["calibration"] = {"source": self.calibration.source, "prompts": prompts}
        return document


def plan_conversion(
    source: str | Path,
    output: str | Path,
    *,
    precision: str = DEFAULT_PRECISION,
    method: str = "config",
    config: OliveConfig | None = None,
    calibration: str | Path | None = None,
    inspected: InspectedSource | None = None,
) -> ConversionPlan:
    """Lay out one conversion; `config` is an edited configuration file of method 2.

    `calibration` is the text that weights are rounded on, a file or a `CalibrationWord`; without one the built-in text,
    where the model can be calibrated on this machine. `inspected` spares another inspection of the source.

    Raises:
        UsageError: an unknown precision or method, or a configuration that cannot be run.
        InputRefused: the calibration text cannot be read.
        ModelRefused: an adapter folder whose base is not there.
    """
    chosen = next((known for known in METHODS if known == method), None)
    if chosen is None:
        raise UsageError(
            f"There is no method {one_line(method, 40)!r}.", hint="Choose one of: command, config."
        )
    if config is not None and method != "config":
        raise UsageError("A configuration file belongs to --method config.")
    folder, target = absolute(source), absolute(output)
    base = adapter_base(folder)
    named = calibration_choice(calibration) if calibration is not None else None
    row = find_precision(precision)
    _check_text(named, row)
    if config is not None:
        run = checked_config(config, source=folder, base=base)
        check_row(run, row)
        row = form_of(row, None, rounded=calibrates(run))
    else:
        row, inspected = _form(row, folder, named, inspected)
        run = run_config(folder, row, base=base)
    text = _calibration(named, row, needed=calibrates(run))
    command = ["firstlight", "convert", str(folder), "-o", str(target), "--precision", row.key]
    if base is not None and remembered_base(folder) is not None:
        command += ["--base", str(base)]
    if method != "config":
        command += ["--method", method]
    if config is not None:
        command += ["--config", COURSE_CONFIG_NAME]
    if named is not None:
        command += ["--calibration", calibration_name(named)]
    return ConversionPlan(
        source=folder,
        output=target,
        precision=row,
        method=chosen,
        course_command=course_command(folder, target, row),
        course_config=course_config(folder, target, row),
        run_config=run,
        command=command,
        reason=_reason(row, method, edited=config is not None, adapter=base is not None),
        base=base,
        edited=config is not None,
        calibration=text,
        inspected=inspected,
    )


def _check_text(named: CalibrationChoice | None, row: Precision) -> None:
    if named == CalibrationWord.NEAREST and row.nearest is None:
        raise UsageError(
            f"{row.label} is not rounded on a text."
            if not row.calibrated
            else f"{row.label} is always rounded on a text.",
            hint="Leave --calibration out.",
        )


def _form(
    row: Precision,
    folder: Path,
    named: CalibrationChoice | None,
    inspected: InspectedSource | None,
) -> tuple[Precision, InspectedSource | None]:
    """Return the form of the row that is made of this folder, and the folder's inspection as far as there is one."""
    if row.nearest is None or named is not None:
        return form_of(row, None, rounded=named != CalibrationWord.NEAREST), inspected
    try:
        inspected = inspected or inspect_source(folder)
    except FirstlightError:
        # Refused, with its reason, when the conversion begins.
        return row, None
    return form_of(row, inspected.inspection), inspected


def _calibration(
    named: CalibrationChoice | None, row: Precision, *, needed: bool
) -> CalibrationText | None:
    if named is None:
        return built_in_text() if needed else None
    if needed is (named == CalibrationWord.NEAREST):
        raise UsageError(
            "The configuration rounds on a calibration text."
            if needed
            else f"{row.label} is not rounded on a text.",
            hint="Leave --calibration out.",
        )
    return read_calibration(named)


def _reason(precision: Precision, method: str, *, edited: bool, adapter: bool) -> str:
    reasons = []
    if edited:
        return "Your configuration is run as it is; only the cache and output folders are private."
    if method == "command":
        reasons.append(
            "the course's auto-opt is deprecated and stacks a second quantisation on INT8, "
            "so its one ModelBuilder pass is run directly"
        )
    else:
        reasons.append(
            "the course's quantization_config is ignored by ModelBuilder and its system names no device, "
            "so the options stand where the installed builder reads them"
        )
    if precision.half_pass:
        reasons.append(
            "the builder's own FP16 cannot decode on a CPU, so FP32 is built and then halved"
        )
    if precision.calibrated:
        reasons.append(
            "Olive's Gptq pass rounds the weights on a calibration text first, which ModelBuilder cannot"
        )
    if adapter:
        reasons.append("the adapter is merged into its base first, in float32 and by PEFT")
    reasons.append("Olive works in a private folder and the result is published whole")
    text = "; ".join(reasons)
    return text[0].upper() + text[1:] + "."
