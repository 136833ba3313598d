"""Size of an artifact before it is built: the same sums the builder does, over shapes instead of weights.

Checked against conversions of real shapes (docs/estimates.md); the layouts are those of onnxruntime-genai 0.18
(`builders/base.py`) and of ONNX Runtime's MatMulNBits.
"""

from firstlight_core.model.config import ModelShape
from firstlight_core.model.inspection import Inspection
from firstlight_core.precision.table import Precision

GRAPH_BYTES = 5_300
GRAPH_BYTES_PER_LAYER = 7_340
"""The graph itself (model.onnx beside model.onnx.data): nodes, names, small constants."""
CONFIG_BYTES = 6_000
"""genai_config.json, config.json, generation_config.json and the manifest."""


def quantised_bytes(
    columns: int, rows: float, bits: int, block: int, *, zero_points: bool
) -> float:
    """Bytes of `rows` × `columns` weights in MatMulNBits: packed blocks, a float32 scale and maybe a zero point each."""
    blocks = -(-columns // block)
    packed = blocks * (block * bits / 8 + 4)
    # The zero points of a row end with a whole byte.
    return rows * (packed + (-(-blocks * bits // 8) if zero_points else 0))


def promoted_layers(layers: int) -> int:
    """Return how many layers k-quant mixed keeps at 8 bits (`make_matmul_mixed_precision`, after llama.cpp)."""
    eighth = layers / 8
    return sum(n < eighth or n >= 7 * eighth or (n - round(eighth)) % 3 == 2 for n in range(layers))


def rope_bytes(shape: ModelShape) -> int:
    """Bytes of the rotary tables in float32: cosine and sine of half a head for every position."""
    return shape.rope_positions * shape.head_size * 4


def head_bytes(shape: ModelShape, precision: Precision) -> float:
    """Bytes of the output head of a quantised row."""
    return quantised_bytes(
        shape.hidden,
        shape.vocab,
        precision.head_bits,
        precision.block_size,
        zero_points=precision.has_zero_points,
    )


def layer_bytes(inspection: Inspection, precision: Precision) -> float:
    """Bytes of the matrices of all layers of a quantised row."""
    bits, block = precision.bits or 4, precision.body_block
    return sum(
        quantised_bytes(columns, rows, bits, block, zero_points=precision.has_zero_points)
        for columns, rows in inspection.structure.matrices
    )


def matrix_bytes(inspection: Inspection, precision: Precision) -> float:
    """Bytes of all matrices of a quantised row, the output head among them."""
    shape, block = inspection.shape, precision.body_block
    total = layer_bytes(inspection, precision) + head_bytes(shape, precision)
    if precision.builder_options.get("int4_algo_config") == "k_quant_mixed":
        queries = shape.heads * shape.head_size + 2 * shape.kv_heads * shape.head_size
        for columns, out in ((shape.hidden, queries), (shape.intermediate, shape.hidden)):
            eight = quantised_bytes(columns, out, 8, block, zero_points=True)
            four = quantised_bytes(columns, out, 4, block, zero_points=True)
            total += promoted_layers(shape.layers) * (eight - four)
    return total


def artifact_bytes(inspection: Inspection, precision: Precision) -> int:
    """Size of the artifact folder in bytes."""
    shape, structure = inspection.shape, inspection.structure
    table = shape.vocab * shape.hidden
    rope = rope_bytes(shape)
    layers = shape.layers
    around = (
        GRAPH_BYTES + GRAPH_BYTES_PER_LAYER * layers + CONFIG_BYTES + inspection.tokenizer.bytes
    )
    if precision.bits is None:
        width = 2 if precision.half_pass else 4
        tables = table if structure.tied else 2 * table
        return round((structure.body + tables + rope / 4) * width + around)
    total = matrix_bytes(inspection, precision)
    # A tied table is shared with a 4-bit head, or where the row asks for it; others are separate float32 tables.
    shared = structure.tied and precision.shares_tied_table
    embedding = 0 if shared else 4 * table
    return round(total + embedding + 4 * structure.vectors + rope + around)


def calibrated_checkpoint_bytes(inspection: Inspection, precision: Precision) -> int:
    """Size of the checkpoint that Olive's calibration leaves for the builder: packed layers, all else in float32.

    It lies beside the artifact until the conversion ends.
    """
    shape, structure = inspection.shape, inspection.structure
    tables = shape.vocab * shape.hidden * (1 if structure.tied else 2)
    layers = layer_bytes(inspection, precision)
    return round(layers + 4 * (tables + structure.vectors) + inspection.tokenizer.bytes)
