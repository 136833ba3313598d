"""Olive configurations: what the course writes, what is really run, and what a user may change of it."""

import copy
from pathlib import Path

from firstlight_core.documents.conversion import OliveConfig
from firstlight_core.errors import UsageError
from firstlight_core.files import JsonObject, JsonValue
from firstlight_core.precision.olive_reading import object_at, read_passes
from firstlight_core.precision.table import (
    CALIBRATION_PASS,
    REFERENCE_PRECISION,
    Precision,
    find_precision,
)
from firstlight_core.text import one_line, shown_path

_PASSES = ("ModelBuilder", "OnnxFloatToFloat16", "MergeAdapterWeights", CALIBRATION_PASS)
_FORBIDDEN = ("trust_remote_code", "user_script", "script_dir", "hf_remote", "user_module_loader")
BUILDER_OPTIONS = {"hf_remote": False, "prune_lm_head": True}
"""The builder's own options of every build: no code from the hub, and the output head only for a prompt's last token,
which makes the prefill up to 2.2 times as fast."""
_EXTERNAL: JsonObject = {
    "save_as_external_data": True,
    "all_tensors_to_one_file": True,
    "external_data_name": "model.onnx.data",
}


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
        precision.course_name,
        "--output_path",
        str(output),
        "--log_level",
        "1",
    ]


def course_config(source: Path, output: Path, precision: Precision) -> OliveConfig:
    """Method 2 as the course writes it (Module 5, section 4)."""
    settings: JsonObject = {
        "precision": precision.course_name,
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


def run_config(source: Path, precision: Precision, *, base: Path | None = None) -> OliveConfig:
    """Return the configuration that works: explicit device, current option names, no remote code."""
    model: JsonObject = {"type": "HfModel", "model_path": str(base or source)}
    passes: JsonObject = {}
    options = precision.builder_options
    if base is not None:
        # Merged by jobs/adapter_merge.py before Olive runs: Olive's own pass moves both ends of a tied base.
        model["adapter_path"] = str(source)
    if precision.calibrated:
        passes["calibrate"] = {
            "type": CALIBRATION_PASS,
            "bits": 4,
            "group_size": precision.body_block,
            "sym": False,
            "damp_percent": 0.1,
        }
    passes["build"] = {
        "type": "ModelBuilder",
        "precision": precision.builder_precision,
        **options,
        "extra_options": {**BUILDER_OPTIONS, **object_at(options, "extra_options")},
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


def checked_config(config: JsonValue, *, source: Path, base: Path | None = None) -> OliveConfig:
    """Return a user's configuration, if it can be run; folders and telemetry stay Firstlight's.

    Raises:
        UsageError: the message says what is wrong, `field` names the key.
    """
    if not isinstance(config, dict):
        raise _wrong("the configuration is not a JSON object")
    known = {*run_config(source, find_precision(REFERENCE_PRECISION)), "cache_dir", "output_dir"}
    known |= {"workflow_id", "clean_cache", "evaluate_input_model", "clean_evaluation_cache"}
    if unknown := sorted(str(key) for key in config.keys() - known):
        raise _wrong(
            f"the key {one_line(unknown[0], 40)!r} is not one that a conversion uses", unknown[0]
        )
    _no_code(config, "")
    wanted = copy.deepcopy(
        {k: v for k, v in config.items() if k not in ("cache_dir", "output_dir")}
    )
    model = wanted.get("input_model")
    if not isinstance(model, dict) or str(model.get("type", "")).lower() != "hfmodel":
        raise _wrong("input_model must be an object of type HfModel", "input_model")
    inner = model.get("config")
    below = inner.get("model_path") if isinstance(inner, dict) else None
    path = model.get("model_path", below)
    if not isinstance(path, str) or _differs(path, base or source):
        raise _wrong(
            f"input_model.model_path must be {shown_path(base or source)}", "input_model.model_path"
        )
    if base is not None:
        laid = model.get(
            "adapter_path", inner.get("adapter_path") if isinstance(inner, dict) else None
        )
        if not isinstance(laid, str) or _differs(laid, source):
            raise _wrong(
                f"input_model.adapter_path must be {shown_path(source)}", "input_model.adapter_path"
            )
    passes = wanted.get("passes")
    if not isinstance(passes, dict) or not passes:
        raise _wrong("passes must be an object with at least one pass", "passes")
    for name, settings in passes.items():
        kind = settings.get("type") if isinstance(settings, dict) else None
        if kind not in _PASSES:
            raise _wrong(
                f"passes.{one_line(str(name), 40)}.type must be one of {', '.join(_PASSES)}",
                f"passes.{name}.type",
            )
    if not any(entry["type"] == "ModelBuilder" for entry in read_passes(wanted).values()):
        raise _wrong("one of the passes must be a ModelBuilder", "passes")
    wanted["no_artifacts"] = True
    wanted.setdefault("log_severity_level", 1)
    return wanted


def _wrong(problem: str, field: str = "") -> UsageError:
    return UsageError(
        f"In the configuration, {problem}.",
        hint="Correct the file and try again.",
        field=one_line(field, 200),
    )


def _differs(path: str, source: Path) -> bool:
    try:
        return Path(path).expanduser().resolve() != source.resolve()
    except (OSError, ValueError, RuntimeError):
        return True


def _no_code(value: JsonValue, where: str) -> None:
    """Refuse every key by which Olive or the builder would run code from a file."""
    if isinstance(value, dict):
        for key, below in value.items():
            if str(key) in _FORBIDDEN and below not in (False, None, "false"):
                raise _wrong(
                    f"{where}{one_line(str(key), 40)} would run foreign code", f"{where}{key}"
                )
            _no_code(below, f"{where}{one_line(str(key), 40)}.")
    elif isinstance(value, list):
        for below in value:
            _no_code(below, where)
