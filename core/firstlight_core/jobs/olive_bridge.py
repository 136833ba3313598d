"""Adapts Olive 0.13 to onnxruntime-genai >= 0.15 and reads progress from Olive's logs.

Olive looks for a module that genai moved, calls the builder without the prepared `hf_details`, and sends option
names (`int4_*`) that genai 0.18 ignores in silence. Each adjustment is a no-op once Olive knows the installed genai.
"""

import contextlib
import copy
import importlib.util
import logging
import os
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from firstlight_core.errors import ModelRefused
from firstlight_core.process.events import Event, Measured, Progress, Stage

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_QUANTISER = "onnxruntime.quantization.matmul_nbits_quantizer"


def install() -> None:
    """Adjust Olive and the builder in this process."""
    import onnxruntime_genai.models  # noqa: F401  (puts its own folder on sys.path)
    from onnxruntime_genai.models import builder

    if importlib.util.find_spec("onnxruntime_genai.models.quantized_model") is None:
        from olive.passes.onnx.model_builder import ModelBuilder

        # Only checkpoints that Olive itself quantised need the patch; plain Hugging Face folders never do.
        ModelBuilder.maybe_patch_quant = staticmethod(lambda: None)
    if hasattr(builder, "Gemma3Model"):
        builder.Gemma3Model.__init__ = _with_flat_rope(builder.Gemma3Model.__init__)
    if not hasattr(builder, "check_extra_options"):
        return
    inner = builder.create_model

    def create_model(
        model_name: str,
        input_path: str,
        output_dir: str,
        precision: Any,
        execution_provider: str,
        cache_dir: str,
        **extra: Any,
    ) -> Any:
        places = (model_name, input_path, output_dir)
        if "hf_details" not in extra and "_effective_builder_config" not in extra:
            precision = str(getattr(precision, "value", precision))
            if precision == "int8":
                # A build with one table for both ends asks for it (`tied_int8`); the builder knows only two.
                extra.setdefault("shared_embeddings", False)
            extra = builder.parse_extra_options(
                *places, precision, execution_provider, cache_dir, _option_lines(extra)
            )
        return inner(*places, precision, execution_provider, cache_dir, **extra)

    builder.create_model = create_model


def _with_flat_rope(inner: Callable[..., None]) -> Callable[..., None]:
    """Gemma 3's rope settings as transformers 4 named them: transformers 5 keeps one set for each kind of layer."""

    def begin(model: Any, config: Any, *rest: Any, **named: Any) -> None:
        rope = getattr(config, "rope_parameters", None)
        if isinstance(rope, dict) and {"full_attention", "sliding_attention"} <= rope.keys():
            config = copy.deepcopy(config)
            config.rope_local_base_freq = rope["sliding_attention"]["rope_theta"]
            config.rope_parameters = dict(rope["full_attention"])
        inner(model, config, *rest, **named)

    return begin


def _option_lines(options: dict[str, Any]) -> list[str]:
    """Olive's options as the builder's own command line takes them, under the names that it reads."""
    lines = []
    for name, value in {**options, "hf_remote": False, "hf_token": False}.items():
        if isinstance(value, bool):
            value = str(value).lower()
        elif isinstance(value, list | tuple):
            separator = "/" if name.endswith("op_types_to_quantize") else ","
            value = separator.join(map(str, value))
        lines.append(f"{name.removeprefix('int4_')}={value}")
    return lines


def count_quantisable(nodes: Any, constants: set[str]) -> int:
    """Return how many MatMul nodes of an ONNX graph have a constant weight: those the quantiser will replace."""
    return sum(
        node.op_type == "MatMul" and len(node.input) == 2 and node.input[1] in constants
        for node in nodes
    )


class OliveLog(logging.Handler):
    """Turns what Olive, transformers and the quantiser log into events, and keeps what they swallow."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        super().__init__()
        self._emit = emit
        self.begin(None)

    def begin(self, layers: int | None) -> None:
        """Forget the last run; `layers` of the model that comes, if known."""
        self._layers = layers
        self._quantised = 0
        self._quantisable: int | None = None
        self._stage = ""
        self.cause: BaseException | None = None
        """The first exception that Olive logged instead of raising it."""
        self.incomplete: ModelRefused | None = None
        """Why weights that transformers has read were refused (`jobs/tensor_check.py`)."""
        self.refused = ""
        """The logged reason why Olive skipped a pass."""

    def attach(self) -> None:
        """Listen to the loggers and to what the builder prints."""
        from onnxruntime.quantization import matmul_nbits_quantizer

        for name in ("olive", "transformers"):
            logging.getLogger(name).addHandler(self)
        quantiser = logging.getLogger(_QUANTISER)
        quantiser.setLevel(logging.INFO)
        quantiser.propagate = False
        quantiser.addHandler(self)
        process = matmul_nbits_quantizer.MatMulNBitsQuantizer.process
        watch = self

        def counted(quantizer: Any) -> Any:
            graph = quantizer.model.graph()
            constants = {tensor.name for tensor in graph.initializer}
            watch.begin_quantising(count_quantisable(graph.node, constants))
            return process(quantizer)

        matmul_nbits_quantizer.MatMulNBitsQuantizer.process = counted
        sys.stdout = _Lines(sys.stdout, self.read_line)

    def stage(self, name: str, label: str) -> None:
        """Announce a stage once."""
        if name != self._stage:
            self._stage = name
            self._emit(Stage(name, label))

    def begin_quantising(self, total: int) -> None:
        """The quantiser has begun; `total` nodes will be replaced."""
        self._quantised, self._quantisable = 0, total or None
        self.stage("quantise", "Quantising the weights")
        self._emit(Progress(0, self._quantisable, "nodes"))

    def read_line(self, line: str) -> None:
        """One line that the builder printed."""
        if match := re.match(r"Reading layer (\d+)", line):
            self._emit(Progress(int(match[1]) + 1, self._layers, "layers"))
        elif line.startswith("Saving GenAI config"):
            self.stage("save", "Saving the model")

    def emit(self, record: logging.LogRecord) -> None:
        """One record of one of the loggers."""
        message = _COLOURS.sub("", record.getMessage())
        if record.exc_info and record.exc_info[1] is not None and self.cause is None:
            self.cause = record.exc_info[1]
        if record.name == _QUANTISER:
            if re.match(r"complete quantization of \S*MatMul\S* ", message):
                self._quantised += 1
                total = self._quantisable
                if total is not None and self._quantised > total:
                    total = self._quantisable = None
                self._emit(Progress(self._quantised, total, "nodes"))
        elif match := re.search(r"Running pass (\S+?):", message):
            if match[1] == "half":
                self.stage("half", "Turning FP32 into FP16")
            elif match[1] == "merge":
                self.stage("merge", "Merging the adapter into its base")
            elif match[1] == "calibrate":
                self.stage("load-original", "Loading the original to calibrate on")
            else:
                self.stage("build", "Loading the weights and building the graph")
        elif "is not supported on CPU" in message or "only supported on CUDA" in message:
            self.refused = message


class _Lines:
    """A stdout that passes everything on and shows every complete line to a listener."""

    def __init__(self, inner: TextIO, listener: Callable[[str], None]) -> None:
        self._inner = inner
        self._listener = listener
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, rest = (self._rest + text).split("\n")
        self._rest = rest[-4000:]
        for line in lines:
            self._listener(line)
        return self._inner.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def tree_bytes(folder: Path) -> int:
    """Bytes of all files below a folder that is being written."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(root) / name).lstat().st_size
    return total


class WrittenBytes:
    """Tells every half second how much has been written below a folder, while the block runs."""

    def __init__(self, folder: Path, emit: Callable[[Event], None], *, every: float = 0.5) -> None:
        self._folder, self._emit, self._every = folder, emit, every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        last = -1
        while not self._stop.wait(self._every):
            if (size := tree_bytes(self._folder)) != last:
                last = size
                self._emit(Measured("bytes_written", float(size), "B"))

    def __enter__(self) -> "WrittenBytes":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
