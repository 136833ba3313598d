"""Memory of a process that runs an artifact on a CPU, from shapes alone.

ONNX Runtime 1.31 maps the file of weights and packs every matrix that is multiplied into memory of its own: float32
matrices once more, quantised ones with three numbers more a block (MatMulNBits at accuracy level 4), while their own
scales stay in the file and are read. A table that is only looked up stays in the file; one that a tied head shares is copied,
and where pages can be given back (Linux) the copy in the file is in memory only until it is packed.
Measured on SmolLM2-135M, Gemma 3 270M and a 0.5 B shape (docs/estimates.md).
"""

from firstlight_core.estimate.artifact_size import head_bytes, matrix_bytes
from firstlight_core.model.inspection import Inspection
from firstlight_core.precision.table import Precision
from firstlight_core.process.mapped_pages import RELEASES_PAGES

BASE = 66_000_000
"""Python, numpy, onnxruntime and onnxruntime-genai, before an artifact is loaded."""
PACKED = 12
"""Bytes a block that packing adds to a quantised matrix and its scales."""
TOKENIZER = 5.0
"""Bytes of memory for a byte of tokenizer.json."""
SCRATCH = 4_000_000
"""Activations and buffers of one append."""
CHUNK = 32
"""Tokens of one append whose logits stand in memory together, in float32 (`jobs/prefill_plan.py`), where the head is
computed for every token of a prompt; fitted."""


def kv_cache_bytes(inspection: Inspection, context: int) -> int:
    """Bytes of keys and values for `context` tokens: 2 × layers × kv_heads × head_size × 4 (float32 on CPU).

    A layer with a window keeps that many tokens.
    """
    shape = inspection.shape
    windowed = shape.windowed_layers * min(context, shape.window or context)
    positions = (shape.layers - shape.windowed_layers) * context + windowed
    return 2 * positions * shape.kv_heads * shape.head_size * 4


def loaded_bytes(
    inspection: Inspection, precision: Precision, *, releases_pages: bool = RELEASES_PAGES
) -> tuple[float, float]:
    """Bytes of the weights in memory once they are loaded, and the most while they are being loaded.

    With `releases_pages` the engine gives back what it has mapped and packed (`process/mapped_pages.py`).
    """
    shape, structure = inspection.shape, inspection.structure
    table = shape.vocab * shape.hidden
    if precision.bits is None:
        # On a CPU, FP16 weights are widened to float32. A tied table is packed for the head and kept for looking up.
        loaded = 4.0 * (structure.body + table + (table if structure.tied else 0))
        return loaded, loaded + 4 * table
    body, head = precision.body_block, precision.block_size
    blocks = sum(-(-columns // body) * count for columns, count in structure.matrices)
    blocks += -(-shape.hidden // head) * shape.vocab
    loaded = matrix_bytes(inspection, precision) + PACKED * blocks + 4 * structure.vectors
    if not (structure.tied and precision.shares_tied_table):
        return loaded, loaded
    most = loaded + head_bytes(shape, precision)
    return loaded if releases_pages else most, most


def loading_bytes(inspection: Inspection, precision: Precision) -> float:
    """Resident bytes of a process that loads the artifact and answers a short prompt."""
    loaded, most = loaded_bytes(inspection, precision)
    return BASE + TOKENIZER * inspection.tokenizer.bytes + max(most, loaded + SCRATCH)


def run_bytes(
    inspection: Inspection,
    precision: Precision,
    context: int,
    *,
    releases_pages: bool = RELEASES_PAGES,
) -> float:
    """Most resident bytes of a process that runs the artifact with `context` tokens; it reads the tokenizer first."""
    loaded, most = loaded_bytes(inspection, precision, releases_pages=releases_pages)
    width = 2 if precision.half_pass else 4
    cache = kv_cache_bytes(inspection, context) * width / 4
    logits = min(CHUNK, context) * inspection.shape.vocab * 4
    ready = loaded + cache + logits + SCRATCH
    return BASE + TOKENIZER * inspection.tokenizer.bytes + max(most, ready)


def rough_run_bytes(weight_bytes: int) -> int:
    """RAM to run a model as INT4, guessed from the size of its weight files alone: 16 bits a weight become about 5."""
    return round(0.3 * weight_bytes) + _BARE_PROCESS


_BARE_PROCESS = 200 * 2**20
"""Bytes of a process that has loaded the runtime and a small context."""
