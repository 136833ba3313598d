"""Runs Olive once, in a private folder, and says what it really did: its exit code does not."""

import json
import os
import resource
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from firstlight_core.errors import JobFailed, ModelRefused, ToolchainMissing
from firstlight_core.events import Stage
from firstlight_core.failures import explain
from firstlight_core.jobs.olive_bridge import Watch, WrittenBytes, install
from firstlight_core.text import one_line, shown_path
from firstlight_core.worker import JobContext, peak_rss

_NEEDED = ("genai_config.json",)


def convert(request: dict[str, Any], context: JobContext) -> dict[str, Any]:
    """Convert; `{config, work, artifact, layers, olive}` → `{seconds, peak_rss_bytes, load_seconds}`.

    `config` is an Olive configuration without folders; `olive` replaces the Olive entry point.
    """
    work, artifact = Path(request["work"]), Path(request["artifact"])
    _own_folders(work)
    config = {
        **request["config"],
        "cache_dir": str(work / "cache"),
        "output_dir": str(artifact),
    }
    with WrittenBytes(work.parent, context.emit):
        if request.get("olive"):
            result = _run_foreign(str(request["olive"]), config, work, context)
        else:
            result = _run_olive(config, request.get("layers"), context)
    _check_files(artifact)
    return result


def _own_folders(work: Path) -> None:
    """Every cache of every library below the job's own folder: Olive deletes `*.bin` in the shared hub cache."""
    for name, folder in {
        "HF_HOME": "hf",
        "HF_HUB_CACHE": "hf/hub",
        "HF_MODULES_CACHE": "hf/modules",
        "TMPDIR": "tmp",
        "MPLCONFIGDIR": "tmp",
    }.items():
        path = work / folder
        path.mkdir(parents=True, exist_ok=True)
        os.environ[name] = str(path)


def _run_olive(config: dict[str, Any], layers: int | None, context: JobContext) -> dict[str, Any]:
    context.emit(Stage("load-olive", "Loading Olive"))
    started = time.perf_counter_ns()
    try:
        install()
        from olive.workflows import run
    except ImportError as error:
        raise ToolchainMissing(
            f"Olive cannot be loaded: {one_line(str(error))}.",
            hint="Install the conversion tools: pip install 'firstlight[convert]'.",
        ) from error
    watch = Watch(context.emit, layers)
    watch.attach()
    loaded = time.perf_counter_ns()
    made, cause = False, None
    try:
        made = bool(run(json.loads(json.dumps(config))).has_output_model())
    except Exception as error:
        cause = error
    if watch.missing:
        names = ", ".join(one_line(name, 80) for name in watch.missing[:3])
        more = f" and {len(watch.missing) - 3} more" if len(watch.missing) > 3 else ""
        raise ModelRefused(
            f"The weights lack {names}{more}; Olive would have filled them with random numbers.",
            hint="Save the model again with all its tensors, or download it again.",
            detail="\n".join(watch.missing),
        )
    if not made:
        raise explain(cause or watch.cause, otherwise=watch.refused)
    ended = time.perf_counter_ns()
    return {
        "seconds": (ended - started) / 1e9,
        "load_seconds": (loaded - started) / 1e9,
        "peak_rss_bytes": peak_rss(),
    }


def _run_foreign(
    command: str, config: dict[str, Any], work: Path, context: JobContext
) -> dict[str, Any]:
    """`FIRSTLIGHT_OLIVE`: only its exit code and the files in the output folder count."""
    path = work / "config.json"
    path.write_text(json.dumps(config, indent=2, allow_nan=False), "utf-8")
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ToolchainMissing(f"FIRSTLIGHT_OLIVE is no command line: {error}.") from error
    if not words:
        raise ToolchainMissing("FIRSTLIGHT_OLIVE is empty.")
    context.emit(Stage("olive", f"Running {one_line(words[0], 80)}"))
    started = time.perf_counter_ns()
    try:
        # Same process group: whoever ends this job ends the command, and what that started, too.
        ended = subprocess.run(
            [*words, "run", "--config", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),
            stderr=sys.stderr.fileno(),
            cwd=work,
            check=False,
        )
    except OSError as error:
        raise ToolchainMissing(
            f"FIRSTLIGHT_OLIVE cannot be run: {shown_path(words[0])}: {error.strerror}.",
            hint="It is a command line that is called as CMD run --config FILE.",
        ) from error
    seconds = (time.perf_counter_ns() - started) / 1e9
    if ended.returncode != 0:
        code = ended.returncode
        how = f"was ended by signal {-code}" if code < 0 else f"left with exit code {code}"
        raise JobFailed(
            f"The command in FIRSTLIGHT_OLIVE {how}.", hint="The log says what it printed."
        )
    # Linux counts ru_maxrss in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    return {"seconds": seconds, "peak_rss_bytes": max(children, peak_rss())}


def _check_files(artifact: Path) -> None:
    names = {path.name for path in artifact.iterdir()} if artifact.is_dir() else set()
    lacking = [name for name in _NEEDED if name not in names]
    if not any(name.endswith(".onnx") for name in names):
        lacking.append("*.onnx")
    if lacking:
        raise JobFailed(
            f"Olive reported success, but wrote no {' and no '.join(lacking)}.",
            hint="The log says what it did; nothing was published.",
        )
