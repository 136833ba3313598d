"""Probes what only imports can tell, in a child: the toolchain, the providers, the CPU."""

import importlib
import importlib.util
import os
import platform
from collections.abc import Callable, Mapping
from typing import Any

from firstlight_core.documents.jobs_machine import (
    CpuReply,
    EmptyReply,
    ProbeRequest,
    ProvidersReply,
    ToolchainReply,
)
from firstlight_core.environment.toolchain import install_line
from firstlight_core.errors import ToolchainMissing
from firstlight_core.jobs import torch_parts, transformers_index
from firstlight_core.process.context import JobContext, peak_rss
from firstlight_core.process.loading import without_collections
from firstlight_core.text import one_line

_FIX = "Install the versions that were run together: " + install_line("convert")


def _find(module: str, *names: str) -> Any:
    """Import a module and make sure that it has what the conversion calls.

    Raises:
        ToolchainMissing: it cannot be imported, or lacks one of the names.
    """
    try:
        imported = importlib.import_module(module)
    except (ImportError, OSError, AttributeError, RuntimeError, SyntaxError) as error:
        reason = one_line(f"{type(error).__name__}: {error}", 300)
        raise ToolchainMissing(f"Cannot import {module} ({reason}).", hint=_FIX) from error
    for name in names:
        if not hasattr(imported, name):
            raise ToolchainMissing(f"{module} has no {name}.", hint=_FIX)
    return imported


def _toolchain() -> ToolchainReply:
    """Import Olive and the builder as a conversion does, and find everything that it calls in them."""
    with without_collections():
        return _import_toolchain()


def _import_toolchain() -> ToolchainReply:
    _find("torch")
    torch_parts.install()
    _find("transformers")
    transformers_index.install()
    _find("onnxruntime_genai.models")
    builder = _find("onnxruntime_genai.models.builder", "create_model")
    if hasattr(builder, "check_extra_options"):
        _find("onnxruntime_genai.models.builder", "parse_extra_options")
    _find("olive.workflows", "run")
    passes = _find("olive.passes.onnx.model_builder", "ModelBuilder")
    bridged = importlib.util.find_spec("onnxruntime_genai.models.quantized_model") is None
    if bridged and not hasattr(passes.ModelBuilder, "maybe_patch_quant"):
        raise ToolchainMissing("Olive's ModelBuilder pass has changed its shape.", hint=_FIX)
    half = importlib.util.find_spec("olive.passes.onnx.float16_conversion") is not None
    merge = importlib.util.find_spec("peft") is not None
    _find("onnxruntime.quantization.matmul_nbits_quantizer", "MatMulNBitsQuantizer")
    return {"bridged": bridged, "half": half, "merge": merge, "rss_bytes": peak_rss()}


def _providers() -> ProvidersReply:
    """Return the execution providers that the installed onnxruntime offers."""
    runtime = _find("onnxruntime", "get_available_providers")
    return {"providers": [one_line(str(name), 60) for name in runtime.get_available_providers()]}


def _cpu() -> CpuReply:
    """Brand and instruction sets of the CPU."""
    cpuinfo = _find("cpuinfo", "get_cpu_info")
    cpu = cpuinfo.get_cpu_info()
    return {
        "brand": one_line(str(cpu.get("brand_raw") or platform.processor()), 100),
        "flags": [str(flag)[:40] for flag in list(cpu.get("flags") or [])[:1000]],
        "arch": one_line(str(cpu.get("arch") or platform.machine()), 40),
    }


def _foundry() -> EmptyReply:
    """Return whether the Foundry Local SDK can be imported here."""
    os.environ.setdefault("CI", "1")
    _find("foundry_local_sdk")
    return {}


_QUESTIONS: dict[str, Callable[[], Mapping[str, object]]] = {
    "toolchain": _toolchain,
    "providers": _providers,
    "cpu": _cpu,
    "foundry": _foundry,
}


def probe(request: ProbeRequest, context: JobContext) -> Mapping[str, object]:
    """Answer `request["what"]` with its reply of `documents.jobs_machine`."""
    return _QUESTIONS[request["what"]]()
