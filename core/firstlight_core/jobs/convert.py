"""Runs Olive in a private folder, and says what it really did: its exit code does not."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

import psutil

from firstlight_core.conversion.failures import explain, explain_text
from firstlight_core.counters import children_peak, give_back_memory, reset_peak
from firstlight_core.documents.conversion import OliveConfig, OliveFigures
from firstlight_core.documents.jobs_conversion import (
    ANSWERS,
    CONVERT,
    AnswersReply,
    AnswersRequest,
    ConvertRequest,
    ConvertStart,
)
from firstlight_core.environment.toolchain import install_line
from firstlight_core.errors import FirstlightError, JobFailed, ModelRefused, ToolchainMissing
from firstlight_core.jobs import (
    corrections,
    lazy_weights,
    olive_files,
    tensor_check,
    tied_int8,
    torch_parts,
    transformers_index,
)
from firstlight_core.jobs.adapter_merge import fits, merge_adapter
from firstlight_core.jobs.calibrated_int4 import Calibrator
from firstlight_core.jobs.float16_range import refuse_beyond_float16
from firstlight_core.jobs.olive_bridge import OliveLog, WrittenBytes, install
from firstlight_core.jobs.original import ReferenceModel
from firstlight_core.precision.olive_reading import object_at, read_input, read_passes
from firstlight_core.precision.table import calibrates
from firstlight_core.process.context import JobContext, peak_rss
from firstlight_core.process.events import Stage
from firstlight_core.process.loading import without_collections
from firstlight_core.process.operations import Empty
from firstlight_core.shells import split_command
from firstlight_core.text import one_line, shown_path


def convert(request: ConvertStart, context: JobContext) -> Empty:
    """Serve `convert` and `answers`; Olive is loaded by the first conversion."""
    work = Path(request["work"])
    _own_folders(work)
    converter = _Converter(work, request["olive"], context)
    context.serve([CONVERT.by(converter.convert), ANSWERS.by(converter.answers)])
    return {}


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


class _Converter:
    def __init__(self, work: Path, olive: str, context: JobContext) -> None:
        self._work = work
        self._olive = olive
        self._context = context
        self._watch: OliveLog | None = None
        self._calibrator: Calibrator | None = None
        self._merged: dict[tuple[str, str], Path] = {}
        """The merged folder of each base and adapter."""
        self._yardstick: ReferenceModel | None = None

    def convert(self, request: ConvertRequest) -> OliveFigures:
        folder = Path(request["folder"])
        artifact, cache = folder / "artifact", folder / "work" / "cache"
        config: OliveConfig = {
            **request["config"],
            "cache_dir": str(cache),
            "output_dir": str(artifact),
        }
        if not self._olive and not request["force"]:
            self._check_range(config)
        started = time.perf_counter_ns()
        config = self._whole_model(config)
        with WrittenBytes(folder, self._context.emit):
            if self._olive:
                peak = _run_foreign(self._olive, config, self._work, self._context)
                figures: OliveFigures = {"olive_peak_rss_bytes": peak}
            else:
                figures = self._run_olive(config, request, started)
        # Without it every file of the artifact has one name only, as onnx wants it.
        shutil.rmtree(cache, ignore_errors=True)
        _check_files(artifact)
        figures["olive_seconds"] = round((time.perf_counter_ns() - started) / 1e9, 3)
        return figures

    def _whole_model(self, config: OliveConfig) -> OliveConfig:
        """Return the configuration on a folder that base and adapter were merged into; itself where there is no adapter."""
        model = read_input(config)
        if not model.adapter:
            return config
        base, key = Path(model.model), (model.model, model.adapter)
        if key not in self._merged:
            self._context.emit(Stage("merge", "Merging the adapter into its base"))
            target = self._work / f"merged-{len(self._merged)}"
            self._merged[key] = merge_adapter(Path(model.adapter), base, target, exact=fits(base))
            give_back_memory()
        named = object_at(config, "input_model")
        settings = {**named, **object_at(named, "config"), "model_path": str(self._merged[key])}
        return {
            **config,
            "input_model": {
                name: value
                for name, value in settings.items()
                if name not in ("config", "adapter_path")
            },
            "passes": {
                name: entry
                for name, entry in read_passes(config).items()
                if entry["type"] != "MergeAdapterWeights"
            },
        }

    def _check_range(self, config: OliveConfig) -> None:
        passes = read_passes(config).values()
        if all(settings["type"] != "OnnxFloatToFloat16" for settings in passes):
            return
        model = read_input(config)
        self._context.emit(Stage("range", "Measuring whether the activations fit into float16"))
        refuse_beyond_float16(Path(model.source), model.base)
        give_back_memory()

    def _run_olive(
        self, config: OliveConfig, request: ConvertRequest, started: int
    ) -> OliveFigures:
        """Run Olive in this process; the caller adds `olive_seconds` and knows when all is done."""
        figures: OliveFigures = {"olive_peak_rss_bytes": 0}
        if self._watch is None:
            threading.Thread(target=_fingerprint, args=(request["config"],), daemon=True).start()
            self._watch = _load_olive(self._context)
            figures["olive_load_seconds"] = round((time.perf_counter_ns() - started) / 1e9, 3)
        else:
            reset_peak()
        from olive.workflows import run

        watch = self._watch
        watch.begin(request["layers"])
        text = request["calibration"]
        if text is not None and self._calibrator is None:
            self._calibrator = Calibrator(self._context.emit)
            self._calibrator.install()
        if self._calibrator is not None:
            self._calibrator.begin(text, config)
        made, cause = False, None
        try:
            # Olive changes the dictionary that it is given.
            made = bool(run(json.loads(json.dumps(config))).has_output_model())
        except Exception as error:
            cause = error
        if watch.incomplete is not None:
            raise watch.incomplete
        if not made:
            raise explain(
                cause or watch.cause, otherwise=watch.refused, calibrated=calibrates(config)
            )
        figures["olive_peak_rss_bytes"] = peak_rss()
        if self._calibrator is not None and self._calibrator.document is not None:
            figures["calibration"] = self._calibrator.document
        return figures

    def answers(self, request: AnswersRequest) -> AnswersReply:
        """Return what the original computes, and what it computes with the artifact's weights.

        Olive's libraries are still loaded.

        Raises:
            ModelRefused: transformers does not take the source as it is.
        """
        model = read_input(request["config"])
        self._context.emit(Stage("original", "Asking the original, to compare"))
        give_back_memory()
        try:
            if self._yardstick is None:
                yardstick = ReferenceModel(model.model, model.adapter or None, self._work)
                room = peak_rss() - psutil.Process().memory_info().rss
                yardstick.ask(room=room)
                self._yardstick = yardstick
                # It is loaded once more for the proof: what the first one held must not stand beside it.
                give_back_memory()
            reference = self._yardstick.reference
            if reference is None:
                return {"reference": None, "proof": None, "reason": self._yardstick.reason}
            proof = self._yardstick.prove(
                Path(request["artifact"]), calibrated=calibrates(request["config"])
            )
            give_back_memory()
        except FirstlightError:
            raise
        except Exception as error:
            # The artifact may still be good; its document then says that nothing was proven.
            traceback.print_exc()
            reason = one_line(f"{type(error).__name__}: {error}", 200)
            return {
                "reference": None,
                "proof": None,
                "reason": f"The original cannot be asked: {reason}",
            }
        return {"reference": reference, "proof": proof, "reason": proof["reason"]}


def _fingerprint(config: OliveConfig) -> None:
    """Hash the source while Olive loads, so that naming it afterwards costs nothing."""
    from firstlight_core.model.inspection import fingerprint

    with contextlib.suppress(FirstlightError, OSError):
        fingerprint(Path(read_input(config).model))


def _load_olive(context: JobContext) -> OliveLog:
    context.emit(Stage("load-olive", "Loading Olive"))
    try:
        with without_collections():
            torch_parts.install()
            transformers_index.install()
            install()
            lazy_weights.install()
            olive_files.install()
            tied_int8.install()
            corrections.install()
            from olive.workflows import run  # noqa: F401
    except (ImportError, OSError) as error:
        known = explain_text(f"{type(error).__name__}: {error}")
        raise known or ToolchainMissing(
            f"Olive cannot be loaded: {one_line(str(error))}.",
            hint=f"Install the conversion tools: {install_line('convert')}",
        ) from error
    watch = OliveLog(context.emit)
    watch.attach()

    def refuse(error: ModelRefused) -> None:
        watch.incomplete = watch.incomplete or error

    tensor_check.install(refuse)
    return watch


def _run_foreign(command: str, config: OliveConfig, work: Path, context: JobContext) -> int:
    """`FIRSTLIGHT_OLIVE`: only its exit code and the files in the output folder count; returns its peak RSS."""
    path = work / "config.json"
    path.write_text(json.dumps(config, indent=2, allow_nan=False), "utf-8")
    try:
        words = split_command(command)
    except ValueError as error:
        raise ToolchainMissing(f"FIRSTLIGHT_OLIVE is no command line: {error}.") from error
    if not words:
        raise ToolchainMissing("FIRSTLIGHT_OLIVE is empty.")
    context.emit(Stage("olive", f"Running {one_line(Path(words[0]).name, 80)}"))
    try:
        # Same process group: ending this job also ends the command and its children.
        ended = subprocess.run(
            [*words, "run", "--config", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),
            stderr=sys.stderr.fileno(),
            cwd=work,
            check=False,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ToolchainMissing(
            f"FIRSTLIGHT_OLIVE cannot be run: {shown_path(words[0])}: {reason}.",
            hint="It is a command line that is called as CMD run --config FILE.",
        ) from error
    if ended.returncode != 0:
        code = ended.returncode
        how = f"was ended by signal {-code}" if code < 0 else f"left with exit code {code}"
        raise JobFailed(
            f"The command in FIRSTLIGHT_OLIVE {how}.", hint="The log says what it printed."
        )
    return max(children_peak(), peak_rss())


def _check_files(artifact: Path) -> None:
    names = {path.name for path in artifact.iterdir()} if artifact.is_dir() else set()
    lacking = ["genai_config.json"] if "genai_config.json" not in names else []
    if not any(name.endswith(".onnx") for name in names):
        lacking.append("*.onnx")
    if lacking:
        raise JobFailed(
            f"Olive reported success, but wrote no {' and no '.join(lacking)}.",
            hint="The log says what it did; nothing was published.",
        )
