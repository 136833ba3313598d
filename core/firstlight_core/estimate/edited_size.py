"""Size of an artifact whose quantiser's options were edited: the row's own estimate, and what the options change of it.

Works on the document of `firstlight inspect`, which the wizard keeps: nothing is read.
"""

from collections.abc import Mapping

from firstlight_core.documents.conversion import OliveConfig
from firstlight_core.documents.estimate import EstimateDocument
from firstlight_core.documents.model import InspectDocument
from firstlight_core.estimate.artifact_size import promoted_layers, quantised_bytes
from firstlight_core.precision.olive_reading import object_at, read_passes
from firstlight_core.precision.options import read_options
from firstlight_core.precision.table import CALIBRATION_PASS, Precision


def edited_bytes(model: InspectDocument, precision: Precision, config: OliveConfig) -> int | None:
    """Bytes of the artifact folder; None when the configuration is not one quantising pass of this row's precision.

    The matrices are those of a plain decoder layer, scaled to the parameters that the body really has: only the
    difference of two such sums counts.
    """
    estimate = estimate_of_form(model, precision)
    guess = estimate.get("bytes") if estimate is not None else None
    bits = precision.bits
    entries = list(read_passes(config).values())
    kinds = [entry.get("type") for entry in entries]
    if (CALIBRATION_PASS in kinds) is not precision.calibrated:
        return None
    passes = [
        entry
        for entry in entries
        if entry.get("type") not in ("MergeAdapterWeights", CALIBRATION_PASS)
    ]
    if guess is None or bits is None or [entry.get("type") for entry in passes] != ["ModelBuilder"]:
        return None
    if (object_at(passes[0], "config") or passes[0]).get(
        "precision"
    ) != precision.builder_precision:
        return None
    try:
        changed = _sum(model, read_options(config), precision) - _sum(
            model, _own_options(precision), precision
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return round(float(guess) + changed)


def estimate_of_form(model: InspectDocument, precision: Precision) -> EstimateDocument | None:
    """Return the estimate of this form of a row; None when the document has none."""
    estimate = model.get("estimates", {}).get(precision.key)
    if estimate is not None and estimate.get("calibrated", precision.calibrated) is not (
        precision.calibrated
    ):
        return model.get("nearest_estimates", {}).get(precision.key)
    return estimate


def _own_options(precision: Precision) -> dict[str, int | str | bool]:
    """Return the options of the row as it is."""
    build: OliveConfig = {
        "passes": {"build": {"type": "ModelBuilder", **precision.builder_options}}
    }
    blocks = {"block_size": precision.body_block, "head_block_size": precision.block_size}
    return {**read_options(build), **blocks}


def _sum(
    model: InspectDocument, options: Mapping[str, int | str | bool], precision: Precision
) -> float:
    assert precision.bits is not None
    bits, block, algorithm = precision.bits, int(options["block_size"]), str(options["algorithm"])
    # The head of a calibrated row has blocks of its own.
    head_block = int(options["head_block_size"]) if precision.calibrated else block
    zero_points = algorithm.startswith(
        "k_quant"
    )  # Calibrated bodies have them too, and come with k-quant heads.
    hidden, inner = model["hidden_size"], model["intermediate_size"]
    queries = model["attention_heads"] * model["head_size"]
    packed = queries + 2 * model["key_value_heads"] * model["head_size"]
    layer = ((hidden, packed), (queries, hidden), (hidden, 2 * inner), (inner, hidden))

    def size(columns: int, rows: int, width: int, block: int = block) -> float:
        return quantised_bytes(columns, rows, width, block, zero_points=zero_points)

    layers = model["layers"]
    plain = layers * sum(columns * rows for columns, rows in layer)
    scale = model["parameters_by_kind"]["body"] / plain
    total = scale * layers * sum(size(*matrix, bits) for matrix in layer)
    head = 8 if algorithm in ("k_quant_last", "k_quant_mixed") else bits
    total += size(hidden, model["vocab_size"], head, head_block)
    if algorithm == "k_quant_mixed":
        for matrix in (layer[0], layer[3]):
            total += promoted_layers(layers) * (size(*matrix, 8) - size(*matrix, bits))
    shared = model["tied_embeddings"] and bits == 4 and options["shared_embeddings"]
    # The float32 table beside the head, where the two do not share one.
    return float(total + (0 if shared else 4 * model["vocab_size"] * hidden))
