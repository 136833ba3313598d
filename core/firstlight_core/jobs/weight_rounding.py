"""Rounds matrices so that what they compute on a text changes least (GPTQ): the arithmetic of Olive's pass, faster.

Frantar et al., 2023: one column after another, each error spread over the columns that follow. Three things differ from
the pass (docs/int4.md has the figures):

* Matrices of one input (query, key and value; gate and up) share the sum of its outer products, which is solved once,
  and are rounded together, one below the other.
* The grid of a group is searched for, with what an error costs on the text; the pass takes the smallest and the largest
  weight. It is searched for in weights that all earlier groups have corrected.
* The steps of a column work on rows of a transposed matrix, in strips of a few columns.
"""

from dataclasses import dataclass
from typing import Any

from firstlight_core.errors import ModelRefused

SHARES = tuple(1 - 0.3 * step / 8 for step in range(9))
"""Shares of a group's weight range that are tried for its scale."""
DAMPING = 0.01
"""Share of the mean square of an input that is added to each, so that the matrix can be solved."""
ATTEMPTS = 6
"""How often a matrix is tried with more damping before it is given up."""
SMALL = 192
"""Columns of a triangular matrix that are inverted at once."""
STRIP = 32
"""Columns that are rounded before the rest of their group is corrected."""


def install(gptq: Any) -> None:
    """Give Olive's pass this arithmetic; whole rows and symmetric groups keep its own."""
    add, round_one = gptq.accumulate_hessian, gptq.process_module
    sums = InputSums()

    def grouped(module: Any) -> bool:
        quantizer = module.quant_info.quantizer
        return quantizer.group_size > 0 and not quantizer.symmetric

    def accumulate(module: Any, given: Any, made: Any) -> None:
        (sums.add if grouped(module) else add)(module, given, made)

    def process(module: Any, *, percdamp: float = DAMPING, **named: Any) -> None:
        if grouped(module):
            round_together(module, percdamp)
        else:
            round_one(module, percdamp=percdamp, **named)

    gptq.accumulate_hessian, gptq.process_module = staticmethod(accumulate), staticmethod(process)


class InputSums:
    """The sums of the outer products of the inputs of a layer's matrices: one for all matrices of one input."""

    def __init__(self) -> None:
        self._input: Any = None
        self._sums: Sums | None = None

    def add(self, module: Any, given: Any, made: Any) -> None:
        """Take up one input of a matrix (the signature of a forward hook)."""
        import torch

        sums = module.quant_info.data
        if given[0] is self._input and self._sums is not None and sums in (None, self._sums):
            if sums is None:
                module.quant_info.data = self._sums
                self._sums.modules.append(module)
            return
        if sums is None:
            width = given[0].shape[-1]
            sums = module.quant_info.data = Sums(torch.zeros(width, width), [module])
        sums.take(given[0])
        self._input, self._sums = given[0], sums


@dataclass(slots=True, eq=False)
class Sums:
    """The sum of the outer products of one input, and the matrices that it goes into."""

    products: Any
    modules: list[Any]
    count: int = 0

    def take(self, inputs: Any) -> None:
        """Add inputs: the last dimension is the width of the matrices."""
        rows = inputs.reshape(-1, inputs.shape[-1]).float()
        half = self.width // 2
        above, below = rows[:, :half], rows[:, half:]
        # The sum is symmetric: one quarter of it is the mirror image of another.
        self.products[:half].addmm_(above.t(), rows)
        self.products[half:, half:].addmm_(below.t(), below)
        self.products[half:, :half] = self.products[:half, half:].t()
        self.count += len(rows)

    @property
    def width(self) -> int:
        """Columns of the matrices."""
        return len(self.products)

    @property
    def costs(self) -> Any:
        """Mean square of each input: what an error of its column costs."""
        return self.products.diagonal() / self.count


def round_together(module: Any, damping: float = DAMPING) -> None:
    """Round a matrix and all others of its input in place; nothing where an earlier call did it.

    Raises:
        ModelRefused: weights or inputs are not finite.
        torch.linalg.LinAlgError: the sums cannot be solved, whatever the damping.
    """
    import torch

    sums, quantizer = module.quant_info.data, module.quant_info.quantizer
    if sums is None:
        return
    costs = sums.costs
    weights = torch.cat([each.weight.data.float() for each in sums.modules]).t().contiguous()
    if not bool(torch.isfinite(sums.products).all() and torch.isfinite(weights).all()):
        raise ModelRefused(
            "The original computes numbers that are not finite (NaN or infinity).",
            hint="Its weights are damaged: copy or download the model again.",
        )
    solved = factor(sums.products, damping)
    weights[costs == 0] = 0
    largest = 2**quantizer.bits - 1
    numbers = torch.empty(weights.shape, dtype=torch.uint8)
    group = quantizer.group_size
    scales, zeros = round_columns(weights, solved, costs, group, largest, numbers)
    first = 0
    for each in sums.modules:
        last = first + each.out_features
        each.weight.data = weights[:, first:last].t().to(each.weight.dtype).contiguous()
        each.quant_info.scales = scales[:, first:last].t().contiguous()
        each.quant_info.numbers = numbers[:, first:last].t().contiguous()
        each.quant_info.zero_points = zeros[:, first:last].t().to(torch.int32).contiguous()
        each.quant_info.data = None
        first = last


def round_columns(
    weights: Any, solved: Any, costs: Any, group: int, largest: int, numbers: Any = None
) -> tuple[Any, Any]:
    """Round a transposed matrix (columns, rows) in place; return scales and zero points (groups, rows).

    `solved`: the upper Cholesky factor of the inverse of the inputs' sums; `costs`: mean square of each input; `numbers`
    takes up what is stored for each weight.
    """
    import torch

    columns = len(weights)
    scales, zeros = [], []
    for first in range(0, columns, group):
        last = min(first + group, columns)
        scale, zero = _searched_grid(weights[first:last], costs[first:last], largest)
        scales.append(scale)
        zeros.append(zero)
        errors = torch.empty_like(weights[first:last])
        for begin in range(first, last, STRIP):
            end = min(begin + STRIP, last)
            strip = weights[begin:end]
            for step in range(begin, end):
                row, error = strip[step - begin], errors[step - first]
                rounded = torch.div(row, scale).add_(zero).round_().clamp_(0, largest)
                if numbers is not None:
                    numbers[step] = rounded
                rounded.sub_(zero).mul_(scale)
                torch.sub(row, rounded, out=error).div_(solved[step, step])
                row.copy_(rounded)
                if step + 1 < end:
                    strip[step + 1 - begin :].addr_(solved[step, step + 1 : end], error, alpha=-1)
            done = errors[begin - first : end - first]
            weights[end:last].addmm_(solved[begin:end, end:last].t(), done, alpha=-1)
        weights[last:].addmm_(solved[first:last, last:].t(), errors, alpha=-1)
    return torch.stack(scales), torch.stack(zeros)


def _searched_grid(weights: Any, costs: Any, largest: int) -> tuple[Any, Any]:
    """Return the scale and the zero point of each row of a group: of several, those that cost its outputs least.

    A range narrower than the weights clips the outermost and puts all others on a finer grid. What an error costs is
    its square times the mean square of the input of its column.
    """
    import torch

    smallest, greatest = weights.amin(0).clamp_(max=0), weights.amax(0).clamp_(min=0)
    empty = (smallest == 0) & (greatest == 0)
    smallest[empty], greatest[empty] = -1, 1
    full = (greatest - smallest) / largest
    zero = (-smallest / full).round_().clamp_(0, largest)
    best, least = full.clone(), torch.full_like(full, float("inf"))
    for share in SHARES:
        tried = full * share
        lost = torch.div(weights, tried).add_(zero).round_().clamp_(0, largest)
        lost.sub_(zero).mul_(tried).sub_(weights).square_()
        lost = costs @ lost
        better = lost < least
        best, least = torch.where(better, tried, best), torch.where(better, lost, least)
    return best, zero


def factor(sums: Any, damping: float) -> Any:
    """Return the upper Cholesky factor of the inverse of `sums`, which are changed.

    It is the inverse of the factor that runs from the last column up.
    """
    import torch

    diagonal = sums.diagonal()
    diagonal[diagonal == 0] = 1
    for attempt in range(ATTEMPTS):
        diagonal += damping * diagonal.mean()
        try:
            factor = torch.linalg.cholesky(sums.flip(0, 1)).flip(0, 1)
            break
        except torch.linalg.LinAlgError:
            if attempt + 1 == ATTEMPTS:
                raise
    return _inverse(factor)


def _inverse(factor: Any) -> Any:
    """Return the inverse of an upper triangular matrix, half by half: most of its work is plain products."""
    import torch

    width = len(factor)
    if width <= SMALL:
        return torch.linalg.solve_triangular(factor, torch.eye(width), upper=True)
    half = width // 2
    made = torch.zeros_like(factor)
    made[:half, :half] = _inverse(factor[:half, :half])
    made[half:, half:] = _inverse(factor[half:, half:])
    made[:half, half:] = -made[:half, :half] @ (factor[:half, half:] @ made[half:, half:])
    return made
