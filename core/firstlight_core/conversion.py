"""Converts a model folder to an artifact: preflight, Olive in a child, the gate, one atomic publish."""

import asyncio
import errno
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from firstlight_core.conversion_plan import ConversionPlan, plan_conversion
from firstlight_core.errors import InputRefused, ModelRefused, StateProblem
from firstlight_core.events import Event, Stage
from firstlight_core.files import read_json_object
from firstlight_core.precisions import DEFAULT_PRECISION
from firstlight_core.publishing import (
    Staging,
    check_output,
    open_staging,
    publish,
    tool_versions,
    write_manifest,
)
from firstlight_core.runner import job_result
from firstlight_core.text import bytes_text, one_line, shown_path

OLIVE = "FIRSTLIGHT_OLIVE"
Listen = Callable[[Event], None] | None
_DROP = ("model_config.json",)
"""Olive's own note, full of paths of the work folder."""

__all__ = ["ConversionPlan", "convert", "plan_conversion"]


async def convert(
    source: str | Path,
    output: str | Path,
    *,
    precision: str = DEFAULT_PRECISION,
    method: str = "config",
    config: Mapping[str, Any] | None = None,
    force: bool = False,
    on_event: Listen = None,
    started: Callable[[int], None] | None = None,
    olive: str | None = None,
) -> dict[str, Any]:
    """Convert `source` and publish the artifact as `output`; the document of SPEC 2.

    `{artifact, precision, bytes, seconds, peak_rss_bytes, command, smoke{tokens, text}, method, built, source,
    olive_seconds, total_seconds}`; seconds are those of Olive's job, total_seconds those of the whole.
    `olive` replaces the Olive entry point (default: `FIRSTLIGHT_OLIVE`).

    Raises:
        UsageError: an unknown precision, method or configuration.
        ModelRefused: the source cannot be converted.
        InputRefused: the output is not to be written.
        FirstlightError: the conversion failed; an earlier output is untouched.
    """
    begun = time.perf_counter()
    plan = plan_conversion(source, output, precision=precision, method=method, config=config)
    check_output(plan.output, source=plan.source)
    if plan.base is not None:
        check_output(plan.output, source=plan.base)
    found = await asyncio.to_thread(_preflight, plan)
    olive = os.environ.get(OLIVE) if olive is None else olive
    with open_staging(plan.output) as staging:
        _check_space(plan, staging)
        worked = await job_result(
            "convert",
            {
                "config": plan.run_config,
                "work": str(staging.work),
                "artifact": str(staging.artifact),
                "layers": found["layers"],
                "olive": olive or "",
            },
            on_event=on_event,
            cwd=staging.work,
            started=started,
        )
        for name in _DROP:
            (staging.artifact / name).unlink(missing_ok=True)
        _say(on_event, Stage("check", "Loading the result in a fresh process"))
        passed = await job_result(
            "gate",
            {
                "artifact": str(staging.artifact),
                "expected": {} if plan.edited or olive else plan.precision.expected,
            },
            on_event=on_event,
            cwd=staging.work,
        )
        if await asyncio.to_thread(_fingerprint, plan) != found["fingerprint"]:
            raise ModelRefused(
                "The source changed while it was converted.",
                hint="Let the training or download finish, then convert again.",
            )
        _say(on_event, Stage("publish", "Publishing"))
        document = {
            "artifact": str(plan.output),
            "precision": plan.precision.key,
            "seconds": round(worked["seconds"], 3),
            "peak_rss_bytes": int(worked["peak_rss_bytes"]),
            "command": plan.command,
            "smoke": passed["smoke"],
            "method": plan.method,
            "built": passed["built"],
            "source": {"path": str(plan.source), **found},
        }
        await _publish(plan, staging, document, forced=force)
    document["bytes"] = folder_bytes(plan.output)
    document["total_seconds"] = round(time.perf_counter() - begun, 3)
    return document


async def _publish(
    plan: ConversionPlan, staging: Staging, document: dict[str, Any], *, forced: bool
) -> None:
    """Hash, describe and publish in a thread that a cancel waits for: it is done or it is not."""
    stop = threading.Event()

    def finish() -> None:
        shutil.rmtree(staging.work, ignore_errors=True)
        values = {
            **document,
            "artifact": plan.output.name,
            "run_config": plan.run_config,
            "tools": tool_versions(),
            "made_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "bytes": folder_bytes(staging.artifact),
        }
        write_manifest(staging.artifact, values, stop=stop)
        publish(staging.artifact, plan.output)

    task = asyncio.ensure_future(asyncio.to_thread(finish))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait({task})
        raise


def _say(on_event: Listen, event: Event) -> None:
    if on_event is not None:
        on_event(event)


def folder_bytes(folder: Path) -> int:
    """Bytes of all files of a folder, the manifest not counted."""
    from firstlight_core.publishing import files_in

    return sum(path.stat().st_size for path in files_in(folder).values())


def _preflight(plan: ConversionPlan) -> dict[str, Any]:
    """Refuse before minutes of work what cannot succeed; `{fingerprint, layers}`."""
    model = plan.base or plan.source
    _check_source(model)
    return {"fingerprint": _fingerprint(plan), "layers": _layers(model)}


def _check_source(folder: Path) -> None:
    shown = shown_path(folder)
    try:
        if not folder.exists():
            raise ModelRefused(
                f"There is no folder {one_line(shown)}.", hint="Name a model folder."
            )
        if not folder.is_dir():
            raise ModelRefused(f"{shown} is not a folder.", hint="Name a model folder.")
    except OSError as error:
        raise ModelRefused(f"Cannot open {one_line(shown)}: {error.strerror}.") from error
    try:
        from firstlight_core.models import inspect_model
    except ImportError:
        _check_minimal(folder)
        return
    inspection = inspect_model(folder).to_json()
    if not inspection.get("supported", True):
        raise ModelRefused(
            f"The architecture {one_line(str(inspection.get('architecture')), 60)} is not supported "
            "by the installed model builder.",
            hint=str(inspection.get("reason") or "Choose a model of a supported architecture."),
        )


def _check_minimal(folder: Path) -> None:
    if not (folder / "config.json").exists():
        raise ModelRefused(
            f"{shown_path(folder)} has no config.json, so it is not a Hugging Face model folder."
        )
    read_json_object(folder / "config.json", strict=False)
    if not any(folder.glob("*.safetensors")):
        raise ModelRefused(f"{shown_path(folder)} has no *.safetensors weights.")
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model")):
        raise ModelRefused(f"{shown_path(folder)} has no tokenizer.")


def _layers(folder: Path) -> int | None:
    try:
        value = read_json_object(folder / "config.json", strict=False).get("num_hidden_layers")
    except InputRefused:
        return None
    return value if isinstance(value, int) and 0 < value < 10_000 else None


def _fingerprint(plan: ConversionPlan) -> str:
    from firstlight_core.models import fingerprint

    marks = [str(fingerprint(folder)) for folder in (plan.base, plan.source) if folder is not None]
    return "+".join(marks)


def _check_space(plan: ConversionPlan, staging: Staging) -> None:
    """The disk must hold the result twice (three times in two passes), as Olive builds in a cache and copies."""
    weights = sum(path.stat().st_size for path in (plan.base or plan.source).glob("*.safetensors"))
    # Against bf16 weights; an artifact is never smaller than 4 bits a weight.
    needed = int(
        weights / 2 * plan.precision.weight_bits / 8 * (3 if plan.precision.half_pass else 2)
    )
    free = shutil.disk_usage(staging.folder).free
    if free < needed:
        raise StateProblem(
            f"The disk of {shown_path(plan.output.parent)} has {bytes_text(free)} free; "
            f"this conversion needs {bytes_text(needed)}.",
            hint="Free some space, choose a smaller precision, or name a folder on another disk.",
            detail=errno.errorcode[errno.ENOSPC],
        )
