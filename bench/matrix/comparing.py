"""Converts a tiny model as a user's conversion does, and holds what it computes against transformers.

The original is what a user of transformers or PEFT would run: the folder as it is, adapters unmerged. Logits are taken
token by token and with the prompt in one go, past every window and original rope length, and compared in float64.
"""

import contextlib
import io
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from firstlight_core.documents.jobs_conversion import ConvertRequest
    from firstlight_core.model.inspection import Inspection

PREFILL, STEPS = 150, 20
"""Tokens of the long text that are read in one go, and one by one after them."""
SHORT, ANSWER = 5, 160
"""Tokens of the short prompt, and of the answer that crosses windows and original lengths."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How far the artifact is from transformers."""

    spread: float
    """Standard deviation of the original's logits."""
    off: float
    """The largest difference of two logits, in units of `spread`."""
    kl: float
    """Mean Kullback-Leibler divergence (nats) over all positions."""
    kl_max: float
    top1: float

    def to_json(self) -> dict[str, float]:
        """The row's figures."""
        return {name: float(f"{getattr(self, name):.3g}") for name in self.__slots__}


class Quiet:
    """The context that a job has; the matrix needs none of its events."""

    cancelled = False

    def emit(self, event: object) -> None:
        """Nobody listens."""


class Converter:
    """One warm process with Olive loaded."""

    def __init__(self, work: Path) -> None:
        from firstlight_core.jobs import convert

        work.mkdir(parents=True, exist_ok=True)
        convert._own_folders(work)
        self._work = work
        self._converter: Any = convert._Converter(work, "", Quiet())  # type: ignore[arg-type]
        self._number = 0

    def convert(
        self,
        source: Path,
        base: Path | None,
        precision: str,
        *,
        inspection: "Inspection | None" = None,
    ) -> Path:
        """Convert and return the artifact; a mistake of the tools comes out as an exception.

        With an inspection, in the form of the row that a user of this model gets: rounded on a text where it can be.
        """
        from firstlight_core.conversion.calibration_text import built_in_text
        from firstlight_core.conversion.olive_config import run_config
        from firstlight_core.estimate.estimates import form_of
        from firstlight_core.precision.table import calibrates, find_precision

        self._number += 1
        folder = self._work / f"out{self._number}"
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "artifact").mkdir(parents=True)
        (folder / "work").mkdir()
        row = find_precision(precision)
        row = row.forms[-1] if inspection is None else form_of(row, inspection)
        config = run_config(source, row, base=base)
        request: ConvertRequest = {
            "config": config,
            "folder": str(folder),
            "layers": 0,
            "calibration": built_in_text().to_json() if calibrates(config) else None,
            "force": False,
        }
        self._converter.convert(request)
        return folder / "artifact"


class Original:
    """The model in transformers; what it answers to a text is computed once, however many precisions are held against it."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._logits: dict[tuple[tuple[int, ...], int], Any] = {}

    def logits(self, ids: Sequence[int], prefill: int) -> Any:
        """Logits (tokens, vocabulary) in float64, in two passes."""
        key = (tuple(ids), prefill)
        if key not in self._logits:
            self._logits[key] = original_logits(self._model, ids, prefill)
        return self._logits[key]


def load_original(source: Path, base: Path | None) -> Original:
    """The model in transformers, in float32; an adapter stays unmerged on its base."""
    import torch
    from transformers import AutoModelForCausalLM

    with contextlib.redirect_stderr(io.StringIO()):
        model = AutoModelForCausalLM.from_pretrained(base or source, dtype=torch.float32)
        if base is not None:
            from peft import PeftModel

            rows = _rows(source)
            if rows and rows != model.get_input_embeddings().weight.shape[0]:
                model.resize_token_embeddings(rows, mean_resizing=False)
            model = PeftModel.from_pretrained(model, str(source))
    return Original(model.eval())


def _rows(adapter: Path) -> int:
    """The rows of the embedding that an adapter brings along; 0: none."""
    from safetensors import safe_open

    with safe_open(adapter / "adapter_model.safetensors", "np") as opened:
        for name in opened.keys():  # noqa: SIM118 (no mapping)
            if name.endswith(("embed_tokens.weight", "embed_tokens.modules_to_save.weight")):
                return int(opened.get_slice(name).get_shape()[0])
    return 0


def _passes(ids: Sequence[int], prefill: int) -> list[list[list[int]]]:
    """The two passes over a text, in chunks: the prompt but its last token one by one, then the whole, its prompt in one go.

    A graph with a pruned head has logits for the last token of a chunk only. An original is read in the same two
    passes, because longrope takes other factors for a chunk that ends beyond the original length.
    """
    single = [[token] for token in ids[: prefill - 1]]
    return [single, [list(ids[:prefill]), *([token] for token in ids[prefill:])]]


def original_logits(model: Any, ids: Sequence[int], prefill: int) -> Any:
    """Logits (tokens, vocabulary) in float64, in two passes."""
    import torch

    rows = []
    with torch.no_grad():
        for chunks in _passes(ids, prefill):
            past = None
            for chunk in chunks:
                output = model(
                    input_ids=torch.tensor([chunk]), past_key_values=past, use_cache=True
                )
                past = output.past_key_values
                rows.append(output.logits[0, -1:].double())
    return torch.cat(rows).numpy()


def artifact_logits(artifact: Path, ids: Sequence[int], prefill: int) -> Any:
    """The same by onnxruntime-genai."""
    import numpy
    import onnxruntime_genai as genai

    from firstlight_core.jobs.genai_sections import least_cache

    model = genai.Model(str(artifact))
    parameters = genai.GeneratorParams(model)
    parameters.set_search_options(
        do_sample=False, max_length=max(len(ids) + 8, least_cache(artifact))
    )

    rows = []
    for chunks in _passes(ids, prefill):
        generator = genai.Generator(model, parameters)
        for chunk in chunks:
            generator.append_tokens(numpy.array(chunk, dtype=numpy.int32))
            rows.append(numpy.array(generator.get_output("logits"))[0, -1:])
    return numpy.concatenate(rows).astype(numpy.float64)


def compare(original: Any, converted: Any) -> Figures:
    """Two tables of logits (tokens, vocabulary)."""
    import numpy

    width = min(original.shape[1], converted.shape[1])
    original, converted = original[:, :width], converted[:, :width]
    if not numpy.isfinite(converted).all():
        return Figures(float(original.std()), float("inf"), float("inf"), float("inf"), 0.0)

    def logarithms(values: Any) -> Any:
        shifted = values - values.max(axis=1, keepdims=True)
        return shifted - numpy.log(numpy.exp(shifted).sum(axis=1, keepdims=True))

    reference, other = logarithms(original), logarithms(converted)
    kl = (numpy.exp(reference) * (reference - other)).sum(axis=1)
    spread = float(original.std())
    return Figures(
        spread=spread,
        off=float(numpy.abs(original - converted).max() / spread),
        kl=float(kl.mean()),
        kl_max=float(kl.max()),
        top1=float((original.argmax(axis=1) == converted.argmax(axis=1)).mean()),
    )


def texts(vocabulary: int, context: int, window: int = 0) -> list[tuple[list[int], int]]:
    """(ids, prefill): a long prompt, a short one with a long answer, and prompts just as long as the window."""
    import numpy

    draw = numpy.random.default_rng(7)
    room = min(context, PREFILL + STEPS)
    long = draw.integers(5, vocabulary, room).tolist()
    short = draw.integers(5, vocabulary, min(context, SHORT + ANSWER)).tolist()
    edges = [(long[: length + 3], length) for length in (window, window + 1) if 0 < window < 150]
    return [(long, max(1, room - STEPS)), (short, SHORT), *edges]


def measure(original: Original, artifact: Path, given: list[tuple[list[int], int]]) -> Figures:
    """The worst figures over all texts, position by position."""
    import numpy

    pairs = [
        (original.logits(ids, prefill), artifact_logits(artifact, ids, prefill))
        for ids, prefill in given
    ]
    return compare(*(numpy.concatenate(side) for side in zip(*pairs, strict=True)))


def now() -> float:
    """Seconds of a clock that only goes forward."""
    return time.perf_counter()
