"""Each quantised matrix of an artifact is found in its original and put in its place, so that structure can be proven.

A matrix is found by its numbers, not by its name: builders pack, split and rename. The artifact then must compute what
the original computes *with these very weights*, to float noise, whatever the precision; and the weights themselves must
be the original's but for the rounding of their bits.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from firstlight_core.documents.conversion import MovedFigures, WeightFigures
from firstlight_core.jobs.graph_matrices import StoredMatrix
from firstlight_core.jobs.row_difference import RowDifference, shrinkage

LEAST_LIKENESS = 0.7
"""Cosine between a block of rows and its rounded self; 4 bits give 0.98 and more, 2 bits above 0.8."""
MOVED_BITS = 4
"""Bits up to which a rounding on a text moves weights further than to the nearest step but one."""
CHUNK = 8192
"""Rows that are compared at a time: copies of a whole vocabulary table would be the peak of the conversion."""
_LAYER = re.compile(r"(?:^|[./])(?:layers|h|blocks)[./](\d+)(?:[./]|$)")


@dataclass(slots=True)
class _RowBlock:
    """A block of rows of an original matrix, and its position in a stored one."""

    name: str
    first: int
    rows: int
    stored_first: int


@dataclass(slots=True)
class WeightProof:
    """Compares and substitutes the matrices of one artifact, one at a time."""

    model: Any
    """The plain original in float32: changed in place."""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """Where the artifact was rounded on a text: what goes into each matrix (`jobs/matrix_inputs.py`)."""
    figures: WeightFigures = field(init=False)
    _used: dict[str, set[int]] = field(init=False, default_factory=dict)
    _weights: dict[str, Any] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.figures = {
            "matrices": 0, "unmatched": [], "unused": [], "error": {}, "row_error": {}, "slope": {}
        }  # fmt: skip
        untie(self.model)
        self._weights = {n: p for n, p in self.model.named_parameters() if p.dim() == 2}

    def put(self, matrices: Iterable[StoredMatrix]) -> WeightFigures:
        """Compare every matrix with its original and put it in its place."""
        touched: set[str] = set()
        for matrix in matrices:
            self.figures["matrices"] += 1
            matrix = self._trimmed(matrix)
            spans = self._find(matrix)
            if spans is None:
                self.figures["unmatched"].append(matrix.node)
                continue
            for span in spans:
                self._compare(matrix, span)
            if not matrix.table:
                touched |= {_group(span.name) for span in spans}
        self.figures["unused"] = [
            name
            for name, weight in self._weights.items()
            if _group(name) in touched
            and len(self._used.get(name, ())) < weight.shape[0]
            and ("proj" in name or "fc" in name or "dense" in name)
        ]
        return self.figures

    def _trimmed(self, matrix: StoredMatrix) -> StoredMatrix:
        """Return a table without the columns that its last block is filled up with."""
        columns = self.model.get_input_embeddings().weight.shape[1]
        if matrix.table and matrix.values.shape[1] > columns:
            return replace(matrix, values=matrix.values[:, :columns])
        return matrix

    def _find(self, matrix: StoredMatrix) -> list[_RowBlock] | None:
        stored = matrix.values
        candidates = dict(self._candidates(matrix))
        if stored.size == 0:
            return None
        for name, weight in candidates.items():
            # A matrix of the artifact is one of the original's, or a part of it.
            if weight.shape[0] >= stored.shape[0]:
                first = aligned(weight, stored)
                if first is not None and self._free(name, first, stored.shape[0], matrix.table):
                    return [_RowBlock(name, first, stored.shape[0], 0)]
        # Or several of them, packed.
        spans: list[_RowBlock] = []
        for name, weight in candidates.items():
            if weight.shape[0] < stored.shape[0]:
                first = aligned(stored, weight)
                if first is not None and self._free(name, 0, weight.shape[0], matrix.table):
                    spans.append(_RowBlock(name, 0, weight.shape[0], first))
        spans.sort(key=lambda span: span.stored_first)
        at = 0
        for span in spans:
            if span.stored_first != at:
                return None
            at += span.rows
        return spans if spans and at == stored.shape[0] else None

    def _candidates(self, matrix: StoredMatrix) -> Iterator[tuple[str, Any]]:
        columns = matrix.values.shape[1]
        if matrix.table:
            table = self.model.get_input_embeddings().weight
            yield from ((n, p) for n, p in self._weights.items() if p is table)
            return
        layer = _layer(matrix.node)
        table = self.model.get_input_embeddings().weight
        for name, weight in self._weights.items():
            if weight.shape[1] == columns and _layer(name) == layer and weight is not table:
                yield name, weight

    def _free(self, name: str, first: int, rows: int, table: bool) -> bool:
        """Return whether these rows are not in use already: every matrix of the original is used once."""
        used = self._used.setdefault(name, set())
        wanted = range(first, first + rows)
        if not table and not used.isdisjoint(wanted):
            return False
        used.update(wanted)
        return True

    def _compare(self, matrix: StoredMatrix, span: _RowBlock) -> None:
        import torch

        weight = self._weights[span.name]
        inputs = None
        if not matrix.table and matrix.bits <= MOVED_BITS:
            inputs = self.inputs.get(span.name)
        # A row that the training has left near zero is rounded away beside its neighbours without harm.
        weights, outputs = RowDifference(0.05), RowDifference(0.3)
        for begin in range(0, span.rows, CHUNK):
            count = min(CHUNK, span.rows - begin)
            first = span.stored_first + begin
            part = matrix.values[first : first + count]
            made = torch.from_numpy(part.astype("float32", copy=True))
            own = weight.data[span.first + begin : span.first + begin + count]
            weights.add(made, own)
            if inputs is not None:
                outputs.add(made @ inputs.t(), own @ inputs.t())
            own.copy_(made)
        key = str(matrix.bits)
        if inputs is None:
            _raise(self.figures["error"], key, weights.error)
            _raise(self.figures["row_error"], key, weights.row_error)
            _raise(self.figures["slope"], key, weights.slope)
            return
        nothing: MovedFigures = {"error": {}, "row_error": {}, "row_slope": {}, "slope": {}}
        moved = self.figures.setdefault("moved", nothing)
        _raise(moved["error"], key, weights.error)
        _raise(
            moved["row_error"],
            key,
            float(torch.minimum(weights.row_errors, outputs.row_errors).max()),
        )
        _raise(moved["row_slope"], key, weights.row_slope)
        mean = float(inputs.square().sum()) / inputs.shape[1]
        _raise(moved["slope"], key, shrinkage([(outputs, 1.0), (weights, mean)]))


def _raise(largest: dict[str, float], key: str, value: float) -> None:
    largest[key] = max(largest.get(key, 0.0), value)


def round_small(model: Any, stored: list[Any]) -> None:
    """Round to float16 what a float16 artifact stores so: norms, biases, and the sines and cosines of positions.

    A norm is taken from the artifact where one there is the same number but for rounding: some store it with 1 added.
    """
    import torch

    vectors = [torch.from_numpy(vector) for vector in stored]
    for parameter in model.parameters():
        if parameter.dim() != 1:
            continue
        own, rounded = parameter.data, None
        for vector in vectors:
            if vector.shape == own.shape:
                for offset in (0.0, 1.0):
                    room = 2**-10 * ((own + offset).abs() + 1e-3)
                    if rounded is None and bool(((vector - offset - own).abs() <= room).all()):
                        rounded = vector - offset
        own.copy_(own.half().float() if rounded is None else rounded)
    for module in model.modules():
        if "Rotary" in type(module).__name__:
            module.register_forward_hook(_halved)


def _halved(module: Any, given: Any, made: Any) -> Any:
    return tuple(part.half().float() for part in made) if isinstance(made, tuple) else made


def untie(model: Any) -> None:
    """Give the output head a matrix of its own, so that each end can be changed alone."""
    import torch

    head, table = model.get_output_embeddings(), model.get_input_embeddings()
    if head is not None and head.weight is table.weight:
        head.weight = torch.nn.Parameter(head.weight.detach().clone(), requires_grad=False)


def aligned(large: Any, small: Any) -> int | None:
    """Return the row of `large` at which the rows of `small` begin, but for rounding; None when they are not there."""
    import torch

    large, small = _tensor(large), _tensor(small)
    sizes = small.norm(dim=1)
    strongest = int(sizes.argmax())
    if not float(sizes[strongest]) > 0:
        return None
    span = large.shape[0] - small.shape[0]
    first = 0
    if span:
        row = small[strongest] / sizes[strongest]
        likeness = (large @ row) / large.norm(dim=1).clamp(min=1e-20)
        first = int(likeness[strongest : strongest + span + 1].argmax())
    block = large[first : first + small.shape[0]]
    whole = sum(
        float((block[at : at + CHUNK] * small[at : at + CHUNK]).sum(dtype=torch.float64))
        for at in range(0, small.shape[0], CHUNK)
    )
    norms = float(block.norm()) * float(small.norm())
    return first if whole / max(norms, 1e-20) >= LEAST_LIKENESS else None


def _tensor(values: Any) -> Any:
    import torch

    if isinstance(values, torch.Tensor):
        return values.detach()
    return torch.from_numpy(values.astype("float32", copy=False))


def _layer(name: str) -> int | None:
    match = _LAYER.search(name)
    return int(match[1]) if match else None


def _group(name: str) -> str:
    return f"layer {_layer(name)}"
