"""Holds a foreign `genai_config.json` against an allow-list before any native code sees its folder.

It can name a library that the runtime loads, or a file that it writes (SAFETY D6).
"""

import re
from typing import Any

from firstlight_core.errors import InputRefused
from firstlight_core.files import JsonObject
from firstlight_core.text import one_line

CONFIG = "genai_config.json"

SESSION_OPTIONS = frozenset(
    {
        "log_id",
        "log_severity_level",
        "log_verbosity_level",
        "intra_op_num_threads",
        "inter_op_num_threads",
        "enable_cpu_mem_arena",
        "enable_mem_pattern",
        "graph_optimization_level",
        "provider_options",
        # Every other name becomes a session config entry; these only tune the arithmetic or the threads.
        "session.intra_op.allow_spinning",
        "session.inter_op.allow_spinning",
        "session.intra_op.spin_duration_us",
        "session.intra_op.spin_backoff_max",
        "session.inter_op.spin_duration_us",
        "session.inter_op.spin_backoff_max",
        "session.force_spinning_stop",
        "session.disable_prepacking",
        "session.dynamic_block_base",
        "session.set_denormal_as_zero",
        "session.use_env_allocators",
    }
)
"""Keys of `session_options` that neither load code nor write files (onnxruntime-genai `src/config.cpp`)."""

_PARTS = ("encoder", "embedding", "vision", "speech", "mtp")
"""Parts of `model` that belong to other kinds of models than a text decoder."""
_DRIVE = re.compile(r"^[A-Za-z]:")


def section(parent: JsonObject, key: str, where: str = "") -> JsonObject:
    """Return an object of the configuration.

    Raises:
        InputRefused: there is none of this name.
    """
    value = parent.get(key)
    if not isinstance(value, dict):
        raise InputRefused(
            f"{CONFIG} has no object {where}{key!s}, so it describes no model.",
            hint="The file is damaged: convert the model again.",
        )
    return value


def check_config(config: JsonObject) -> None:
    """Refuse a configuration that loads code, writes files, leaves the folder, or is for another kind of model.

    Raises:
        InputRefused: the message names the key.
    """
    model = section(config, "model")
    _refuse_other_kinds(model, section(model, "decoder", "model."))
    _check_options(config, "")


def _refuse_other_kinds(model: JsonObject, decoder: JsonObject) -> None:
    other = [part for part in _PARTS if part in model]
    if "pipeline" in decoder:
        other.append("decoder.pipeline")
    if other:
        raise InputRefused(
            f"{CONFIG} describes more than a text decoder ({', '.join(other)}).",
            hint="Firstlight talks to text models only.",
        )


def _check_options(node: Any, where: str) -> None:
    """Walk the whole document: options may stand in places that we do not know."""
    if isinstance(node, list):
        for item in node:
            _check_options(item, where)
        return
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        option = f"{where}.{key}" if where else key
        if key in ("custom_ops_library", "enable_profiling"):
            _refuse_option(option)
        if key == "session_options":
            _check_session_options(value, option)
        elif key in ("run_options", "adapters", "runtime_options"):
            if value:
                _refuse_option(option)
        elif key.endswith("filename") and isinstance(value, str):
            plain_name(value, option)
        else:
            _check_options(value, option)


def _check_session_options(options: Any, option: str) -> None:
    if not isinstance(options, dict):
        raise InputRefused(
            f"{CONFIG}: {one_line(option, 80)} is no object.", hint="Convert the model again."
        )
    for key, value in options.items():
        if key not in SESSION_OPTIONS:
            _refuse_option(f"{option}.{key}")
        if key == "provider_options":
            _check_providers(value, f"{option}.{key}")
        elif isinstance(value, (dict, list)):
            _refuse_option(f"{option}.{key}")


def _check_providers(value: Any, option: str) -> None:
    entries = value if isinstance(value, list) else [value]
    for entry in entries:
        for name, options in entry.items() if isinstance(entry, dict) else [(str(entry), None)]:
            if name.lower().removesuffix("executionprovider") != "cpu":
                raise InputRefused(
                    f"This artifact is made for the execution provider {one_line(name, 40)!r}; "
                    "Firstlight runs CPU artifacts.",
                    hint="Convert the source again for the CPU.",
                )
            if options:
                _refuse_option(f"{option}.{name}")


def _refuse_option(option: str) -> None:
    raise InputRefused(
        f"{CONFIG} sets {one_line(option, 120)}, which may load code or write files, so the folder is not opened.",
        hint="Remove that key if you trust the folder, or convert the model yourself.",
    )


def plain_name(value: Any, option: str) -> str:
    """Return the value, when it is the bare name of a file in the folder.

    Raises:
        InputRefused: it is anything else.
    """
    plain = (
        isinstance(value, str)
        and 0 < len(value) <= 255
        and value not in (".", "..")
        and not any(mark in value for mark in ("/", "\\", "\0"))
        and not _DRIVE.match(value)
    )
    if not plain:
        raise InputRefused(
            f"{CONFIG}: {one_line(option, 80)} must be the name of a file in the folder, "
            f"not {one_line(repr(value), 80)}.",
            hint="Convert the model again.",
        )
    return str(value)
