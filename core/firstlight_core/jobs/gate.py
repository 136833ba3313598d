"""The gate: a fresh process loads what was made and makes it speak, before anybody else may see it."""

import contextlib
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from firstlight_core.conversion.failures import explain_text
from firstlight_core.documents.conversion import BuiltGraph, Smoke, Spoken
from firstlight_core.documents.jobs_conversion import (
    CHECK,
    COMPARE,
    CheckReply,
    CheckRequest,
    CompareReply,
    CompareRequest,
    Text,
)
from firstlight_core.documents.precision import Expected
from firstlight_core.errors import CheckFailed, FirstlightError
from firstlight_core.jobs.exact_graph import exact_copy
from firstlight_core.jobs.gate_figures import agreed, distance, read_rows
from firstlight_core.jobs.genai_sections import least_cache
from firstlight_core.process.context import JobContext
from firstlight_core.process.operations import Empty
from firstlight_core.text import one_line, visible

TOKENS = 8
"""A bad fp16 model dies on its second token; eight is what SPEC 1.4 asks for."""
_NOT_FINITE = "The source weights hold NaN or infinity: check the training run."
_BEYOND_HALF = (
    "Its activations do not fit into float16, which ends at 65,504, or its weights hold NaN: "
    "choose FP32, INT8 or INT4, which compute in float32."
)
PROMPTS = ("Hello, what can you do?", "HELLO 123", "1 2 3")
"""The first encodable prompt is used: a tiny vocabulary may lack letters, a broken one lacks all."""


def gate(request: Empty, context: JobContext) -> Empty:
    """Serve `check`, then `compare`."""
    with contextlib.suppress(ImportError):
        # Imported before the artifact exists; a missing package is reported when it is needed.
        import onnxruntime_genai  # noqa: F401
    checker = _Checker()
    context.serve([CHECK.by(checker.check), COMPARE.by(checker.compare)])
    return {}


class _Checker:
    def __init__(self) -> None:
        self._model: Any = None
        self._tokenizer: Any = None
        self._room = 0
        """Tokens that the KV cache must hold at least."""

    def check(self, request: CheckRequest) -> CheckReply:
        folder = Path(request["artifact"])
        built = read_graph(folder)
        _check_expected(built, request["expected"])
        with _explained():
            half = built["dtype"] == "float16"
            return {"smoke": self._load_and_speak(folder, half=half), "built": built}

    def compare(self, request: CompareRequest) -> CompareReply:
        """Hold the artifact against its original.

        It is loaded once more where its structure is held against the original with the artifact's own weights.
        """
        reference, proof = request["reference"], request["proof"]
        answers = reference["answers"]
        with _explained():
            # Rendered by the source's own tokenizer: what it says is what a user would read.
            smoke = _speak(self._model, self._tokenizer, answers[0]["ids"], room=self._room)
            rows = self._rows(reference["texts"])
            agreement = agreed(rows, reference, self._tokenizer)
            if proof["rows"]:
                if request["rounded"]:
                    rows = self._exact_rows(Path(request["artifact"]), proof["texts"])
                elif proof["texts"] != reference["texts"]:
                    rows = self._rows(proof["texts"])
                wanted = read_rows(proof["rows"], reference)
                agreement["structure"] = distance(rows, wanted)
        return {"smoke": {**smoke, "prompt": answers[0]["prompt"]}, "agreement": agreement}

    def _rows(self, texts: list[Text]) -> list[Any]:
        """Return the logits of every text: after its prompt, then after each appended token."""
        import numpy as np

        rows = []
        for text in texts:
            ids, start = text["ids"], text["prompt_tokens"]
            generator = _begin(self._model, ids[:start], len(ids) - start + 1, room=self._room)
            rows.append(_last_logits(generator))
            for token in ids[start:]:
                generator.append_tokens(np.asarray([token], dtype=np.int32))
                rows.append(_last_logits(generator))
            del generator
        return rows

    def _exact_rows(self, folder: Path, texts: list[Text]) -> list[Any]:
        """Return the same by the graph with float32 activations, whose products are exact but for float noise."""
        import onnxruntime_genai as og

        self._model = self._tokenizer = None
        gc.collect()
        with exact_copy(folder) as copy:
            self._model = og.Model(str(copy))
            return self._rows(texts)

    def _load_and_speak(self, folder: Path, *, half: bool) -> Smoke:
        import numpy as np
        import onnxruntime_genai as og

        self._room = least_cache(folder)
        self._model = og.Model(str(folder))
        self._tokenizer = og.Tokenizer(self._model)
        for prompt in PROMPTS:
            ids = np.asarray(self._tokenizer.encode(prompt), dtype=np.int64)
            if ids.size and int(ids.min()) >= 0:
                break
        else:
            raise CheckFailed(
                "The converted model's tokenizer cannot encode plain text.",
                hint="The source lacks its tokenizer files (tokenizer.json): add them and convert again.",
            )
        spoken = _speak(self._model, self._tokenizer, ids.tolist(), room=self._room, half=half)
        return {**spoken, "prompt": prompt}


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except FirstlightError:
        raise
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        raise explain_text(text) or CheckFailed(
            f"The converted model cannot be run: {one_line(text, 300)}",
            hint="Nothing was published. Try another precision; the log has the details.",
        ) from error


def _speak(model: Any, tokenizer: Any, ids: list[int], *, room: int, half: bool = False) -> Spoken:
    import numpy as np

    # min_length keeps an early end of turn from hiding that decoding does not work.
    generator = _begin(model, ids, TOKENS, least=TOKENS, room=room)
    spoken: list[int] = []
    while not generator.is_done() and len(spoken) < TOKENS:
        _last_logits(generator, half=half)
        generator.generate_next_token()
        spoken.append(int(generator.get_next_tokens()[0]))
    if len(spoken) < 2:
        raise CheckFailed("The converted model decodes fewer than two tokens.")
    text = visible(tokenizer.decode(np.asarray(spoken, dtype=np.int32)))
    return {"tokens": len(spoken), "text": text, "ids": spoken}


def _begin(model: Any, ids: Any, new: int, *, least: int = 0, room: int) -> Any:
    import numpy as np
    import onnxruntime_genai as og

    search = og.GeneratorParams(model)
    length = max(room, len(ids) + new)
    search.set_search_options(
        max_length=length, min_length=len(ids) + least if least else 0, do_sample=False
    )
    generator = og.Generator(model, search)
    generator.append_tokens(np.asarray(ids, dtype=np.int32))
    return generator


def _last_logits(generator: Any, *, half: bool = False) -> Any:
    import numpy as np

    # A copy: the runtime writes the next logits into the same memory.
    logits = np.array(generator.get_logits(), dtype=np.float32)
    if not np.isfinite(logits).all():
        raise CheckFailed(
            "The converted model computes numbers that are not finite (NaN or infinity).",
            hint=_BEYOND_HALF if half else _NOT_FINITE,
        )
    return logits.reshape(-1, logits.shape[-1])[-1]


def read_graph(folder: Path) -> BuiltGraph:
    """Return what the builder really made, read from the graph: it ignores options that it does not know.

    Raises:
        CheckFailed: there is no readable graph, or its weights do not lie whole in the folder.
    """
    import onnx

    graphs = sorted(folder.glob("*.onnx"))
    if not graphs:
        raise CheckFailed("There is no ONNX graph in the artifact.")
    try:
        model = onnx.load(str(graphs[0]), load_external_data=False)
    except Exception as error:
        raise CheckFailed(
            f"{graphs[0].name} is not an ONNX graph: {one_line(str(error), 200)}",
            hint="The conversion was incomplete; nothing was published.",
        ) from error
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    for tensor in model.graph.initializer:
        _check_external(folder, tensor)
    bits: set[int] = set()
    block_sizes: set[int] = set()
    accuracy_levels: set[int] = set()
    # A shared table is read through one of these.
    views = [node for node in model.graph.node if node.op_type in ("Reshape", "Transpose")]
    tables = {node.output[0]: node.input[0] for node in views}
    quantised = plain = 0
    embedding = ""
    for node in model.graph.node:
        attributes = {a.name: a.i for a in node.attribute}
        if node.op_type == "MatMulNBits":
            quantised += 1
            bits.add(attributes.get("bits", 4))
            block_sizes.add(attributes.get("block_size", 0))
            accuracy_levels.add(attributes.get("accuracy_level", 0))
        elif node.op_type == "MatMul" and any(name in types for name in node.input):
            plain += 1
        elif node.op_type in ("Gather", "GatherBlockQuantized") and "embed" in node.name:
            table = tables.get(node.input[0], node.input[0])
            weight = onnx.TensorProto.DataType.Name(types.get(table, 0)).lower()
            embedding = weight if node.op_type == "Gather" else f"quantised {weight}"
    logits = next((o for o in model.graph.output if o.name == "logits"), None)
    kind = logits.type.tensor_type.elem_type if logits is not None else 0
    return {
        "bits": sorted(bits),
        "block_size": sorted(block_sizes),
        "accuracy_level": sorted(accuracy_levels),
        "quantised_nodes": quantised,
        "plain_matmuls": plain,
        "dtype": onnx.TensorProto.DataType.Name(kind).lower(),
        "embedding": embedding,
    }


def _check_external(folder: Path, tensor: Any) -> None:
    where = {entry.key: entry.value for entry in tensor.external_data}
    if "location" not in where:
        return
    name = where["location"]
    path = folder / name
    if "/" in name or "\\" in name or not path.is_file() or path.is_symlink():
        raise CheckFailed(f"The graph's weights {one_line(name, 60)!r} are not in the artifact.")
    end = int(where.get("offset", 0)) + int(where.get("length", 0))
    if end > path.stat().st_size:
        raise CheckFailed(
            f"{one_line(name, 60)} is shorter than the graph says; the disk may have been full.",
            hint="Free some space and convert again.",
        )


def _check_expected(built: BuiltGraph, expected: Expected) -> None:
    for name, wanted in expected.items():
        made = built.get(name)
        if made != wanted:
            raise CheckFailed(
                f"The builder made something else than was asked for: {name} is {made}, not {wanted}.",
                hint="The installed onnxruntime-genai reads other option names; nothing was published.",
            )
