"""What the course says, what is really run, and why they differ: pure functions, nothing is started."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firstlight_core.conversion.advanced_options import expected_of
from firstlight_core.errors import UsageError
from firstlight_core.model.adapter import find_base, read_adapter
from firstlight_core.model.folder import list_folder
from firstlight_core.precisions import DEFAULT_PRECISION, Precision, find_precision
from firstlight_core.text import one_line, shown_path

METHODS = ("config", "command")
COURSE_CONFIG_NAME = "finetuned_conversion_config.json"
LOG_FILE = "Log file: "
"""How the first line of a conversion's log begins; its path follows."""
_COURSE_PRECISION = {"int8-compact": "int8", "int4-compact": "int4", "int4-quality": "int4"}
_PASSES = ("ModelBuilder", "OnnxFloatToFloat16", "MergeAdapterWeights")
_FORBIDDEN = ("trust_remote_code", "user_script", "script_dir", "hf_remote", "user_module_loader")
_EXTERNAL = {
    "save_as_external_data": True,
    "all_tensors_to_one_file": True,
    "external_data_name": "model.onnx.data",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionPlan:
    """One conversion before it runs."""

    source: Path
    output: Path
    precision: Precision
    method: str
    course_command: list[str]
    """Method 1 of the course, as arguments."""
    course_config: dict[str, Any]
    """Method 2 of the course: `finetuned_conversion_config.json`."""
    run_config: dict[str, Any]
    """The Olive configuration that is really run; its folders are set when it runs."""
    command: list[str]
    """What a user types to repeat it."""
    reason: str
    """Why what is run differs from what the course says."""
    base: Path | None = None
    """The base model of a LoRA adapter folder; None for a whole model."""
    edited: bool = False
    """Whether `run_config` came from the user."""

    @property
    def expected(self) -> dict[str, Any]:
        """What the produced graph must hold, read back by the gate."""
        return expected_of(self.run_config) if self.edited else self.precision.expected

    def to_json(self) -> dict[str, Any]:
        """The plan as `--dry-run` prints it."""
        return {
            "source": str(self.source),
            "artifact": str(self.output),
            "precision": self.precision.key,
            "method": self.method,
            "command": self.command,
            "course_command": self.course_command,
            "course_config": self.course_config,
            "run_config": self.run_config,
            "reason": self.reason,
        } | ({"base": str(self.base)} if self.base else {})


def plan_conversion(
    source: str | Path,
    output: str | Path,
    *,
    precision: str = DEFAULT_PRECISION,
    method: str = "config",
    config: Mapping[str, Any] | None = None,
) -> ConversionPlan:
    """Lay out one conversion; `config` is an edited configuration file of method 2.

    Raises:
        UsageError: an unknown precision or method, or a configuration that cannot be run.
        ModelRefused: an adapter folder whose base is not there.
    """
    if method not in METHODS:
        raise UsageError(
            f"There is no method {one_line(method, 40)!r}.", hint="Choose one of: command, config."
        )
    if config is not None and method != "config":
        raise UsageError("A configuration file belongs to --method config.")
    row = find_precision(precision)
    folder, target = absolute(source), absolute(output)
    base = adapter_base(folder)
    run = run_config(folder, row, base=base)
    if config is not None:
        run = checked_config(config, source=folder, base=base)
    command = ["firstlight", "convert", str(folder), "-o", str(target), "--precision", row.key]
    if method != "config":
        command += ["--method", method]
    if config is not None:
        command += ["--config", COURSE_CONFIG_NAME]
    return ConversionPlan(
        source=folder,
        output=target,
        precision=row,
        method=method,
        course_command=course_command(folder, target, row),
        course_config=course_config(folder, target, row),
        run_config=run,
        command=command,
        reason=_reason(row, method, edited=config is not None, adapter=base is not None),
        base=base,
        edited=config is not None,
    )


def absolute(path: str | Path) -> Path:
    """The path without `~`, `.` and `..`, links left as they are.

    Raises:
        UsageError: it is empty or holds a NUL.
    """
    text = str(path)
    if not text.strip() or "\0" in text:
        raise UsageError("That is no folder name.", hint="Name a folder.")
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise UsageError(f"{one_line(text)} cannot be resolved: {error}.") from error


def adapter_base(folder: Path) -> Path | None:
    """The base model's folder of a LoRA adapter folder; None when the folder is a whole model.

    Raises:
        ModelRefused: the adapter is broken, or its base is not on this machine.
    """
    if not (folder / "adapter_config.json").is_file() or (folder / "config.json").exists():
        return None
    return find_base(read_adapter(list_folder(folder))).path


def course_command(source: Path, output: Path, precision: Precision) -> list[str]:
    """Method 1 as the course writes it (Module 5, section 4)."""
    return [
        "olive",
        "auto-opt",
        "--model_name_or_path",
        str(source),
        "--device",
        "cpu",
        "--provider",
        "CPUExecutionProvider",
        "--use_model_builder",
        "--precision",
        _COURSE_PRECISION.get(precision.key, precision.key),
        "--output_path",
        str(output),
        "--log_level",
        "1",
    ]


def course_config(source: Path, output: Path, precision: Precision) -> dict[str, Any]:
    """Method 2 as the course writes it (Module 5, section 4)."""
    settings: dict[str, Any] = {
        "precision": _COURSE_PRECISION.get(precision.key, precision.key),
    }
    if settings["precision"] == "int4":
        settings["quantization_config"] = {"block_size": 128, "is_symmetric": False}
    return {
        "input_model": {
            "type": "HfModel",
            "model_path": str(source),
            "task": "text-generation",
        },
        "systems": {
            "local_system": {
                "type": "LocalSystem",
                "accelerators": [{"execution_providers": ["CPUExecutionProvider"]}],
            }
        },
        "passes": {"builder": {"type": "ModelBuilder", "config": settings}},
        "host": "local_system",
        "target": "local_system",
        "cache_dir": "cache",
        "output_dir": str(output),
    }


def run_config(source: Path, precision: Precision, *, base: Path | None = None) -> dict[str, Any]:
    """The configuration that works: explicit device, current option names, no remote code."""
    model: dict[str, Any] = {"type": "HfModel", "model_path": str(base or source)}
    passes: dict[str, Any] = {}
    options = precision.builder_options
    if base is not None:
        model["adapter_path"] = str(source)
        passes["merge"] = {"type": "MergeAdapterWeights"}
    passes["build"] = {
        "type": "ModelBuilder",
        "precision": precision.builder_precision,
        **options,
        "extra_options": {"hf_remote": False, **options.get("extra_options", {})},
    }
    if precision.half_pass:
        passes["half"] = {"type": "OnnxFloatToFloat16", **_EXTERNAL}
    return {
        "input_model": model,
        "systems": {
            "cpu": {
                "type": "LocalSystem",
                "accelerators": [
                    {"device": "cpu", "execution_providers": ["CPUExecutionProvider"]}
                ],
            }
        },
        "host": "cpu",
        "target": "cpu",
        "passes": passes,
        "no_artifacts": True,
        "log_severity_level": 1,
    }


def checked_config(config: Any, *, source: Path, base: Path | None = None) -> dict[str, Any]:
    """A user's configuration, if it can be run; folders and telemetry stay Firstlight's.

    Raises:
        UsageError: the message names the key and what is wrong with it.
    """
    if not isinstance(config, Mapping):
        raise _wrong("the configuration is not a JSON object")
    known = {*run_config(source, find_precision("fp32")), "cache_dir", "output_dir"}
    known |= {"workflow_id", "clean_cache", "evaluate_input_model", "clean_evaluation_cache"}
    if unknown := sorted(str(key) for key in config.keys() - known):
        raise _wrong(f"the key {one_line(unknown[0], 40)!r} is not one that a conversion uses")
    _no_code(config, "")
    wanted = copy.deepcopy(
        {k: v for k, v in config.items() if k not in ("cache_dir", "output_dir")}
    )
    model = wanted.get("input_model")
    if not isinstance(model, dict) or str(model.get("type", "")).lower() != "hfmodel":
        raise _wrong("input_model must be an object of type HfModel")
    inner = model.get("config")
    below = inner.get("model_path") if isinstance(inner, dict) else None
    path = model.get("model_path", below)
    if not isinstance(path, str) or _differs(path, base or source):
        raise _wrong(f"input_model.model_path must be {shown_path(base or source)}")
    passes = wanted.get("passes")
    if not isinstance(passes, dict) or not passes:
        raise _wrong("passes must be an object with at least one pass")
    for name, settings in passes.items():
        kind = settings.get("type") if isinstance(settings, dict) else None
        if kind not in _PASSES:
            raise _wrong(
                f"passes.{one_line(str(name), 40)}.type must be one of {', '.join(_PASSES)}"
            )
    if not any(settings["type"] == "ModelBuilder" for settings in passes.values()):
        raise _wrong("one of the passes must be a ModelBuilder")
    wanted["no_artifacts"] = True
    wanted.setdefault("log_severity_level", 1)
    return wanted


def _wrong(what: str) -> UsageError:
    return UsageError(f"In the configuration, {what}.", hint="Correct the file and try again.")


def _differs(path: str, source: Path) -> bool:
    try:
        return Path(path).expanduser().resolve() != source.resolve()
    except (OSError, ValueError, RuntimeError):
        return True


def _no_code(value: Any, where: str) -> None:
    """Refuse every key by which Olive or the builder would run code from a file."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            if str(key) in _FORBIDDEN and below not in (False, None, "false"):
                raise _wrong(f"{where}{one_line(str(key), 40)} would run foreign code")
            _no_code(below, f"{where}{one_line(str(key), 40)}.")
    elif isinstance(value, list):
        for below in value:
            _no_code(below, where)


def _reason(precision: Precision, method: str, *, edited: bool, adapter: bool) -> str:
    said = []
    if edited:
        return "Your configuration is run as it is; only the cache and output folders are private."
    if method == "command":
        said.append(
            "the course's auto-opt is deprecated and stacks a second quantisation on INT8, "
            "so its one ModelBuilder pass is run directly"
        )
    else:
        said.append(
            "the course's quantization_config is ignored by ModelBuilder and its system names no device, "
            "so the options stand where the installed builder reads them"
        )
    if precision.half_pass:
        said.append(
            "the builder's own FP16 cannot decode on a CPU, so FP32 is built and then halved"
        )
    if adapter:
        said.append("the adapter is merged into its base first")
    said.append("Olive works in a private folder and the result is published whole")
    text = "; ".join(said)
    return text[0].upper() + text[1:] + "."
