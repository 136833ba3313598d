"""How far the rows of one matrix lie from those that they were made of, added up piece by piece."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class RowDifference:
    """The rows of a matrix, or what they make of a text, beside the original's."""

    least: float
    """Share of a row's usual size below which it is held against that size instead of its own."""
    _errors: list[Any] = field(init=False, default_factory=list)
    _sizes: list[Any] = field(init=False, default_factory=list)
    _made_sizes: list[Any] = field(init=False, default_factory=list)
    _products: list[Any] = field(init=False, default_factory=list)

    def add(self, made: Any, own: Any) -> None:
        """Take up rows of what was made and of the original."""
        self._errors.append((made - own).norm(dim=1))
        self._sizes.append(own.norm(dim=1))
        self._made_sizes.append(made.norm(dim=1))
        self._products.append((made * own).sum(dim=1))

    @property
    def error(self) -> float:
        """Relative error of all rows together."""
        return _norm(self._errors) / max(_norm(self._sizes), 1e-12)

    @property
    def row_errors(self) -> Any:
        """The relative error of each row, as a tensor."""
        import torch

        return torch.cat(self._errors) / torch.cat(self._sizes).clamp(min=self._floor())

    @property
    def row_error(self) -> float:
        """The largest relative error of one row."""
        return float(self.row_errors.max())

    @property
    def slope(self) -> float:
        """The distance from 1 of the factor that brings the original's rows closest to those that were made."""
        square = _norm(self._sizes) ** 2
        return abs(self.product / square - 1) if square else 0.0

    @property
    def row_slope(self) -> float:
        """The largest distance from 1 of the factor between one row of usual size and the original's."""
        import torch

        sizes, products = torch.cat(self._sizes), torch.cat(self._products)
        usual = sizes > self._floor()
        if not bool(usual.any()):
            return 0.0
        return float((products[usual] / sizes[usual].square() - 1).abs().max())

    @property
    def product(self) -> float:
        """The sum of the products of what was made and the original."""
        return sum(float(part.double().sum()) for part in self._products)

    @property
    def made_square(self) -> float:
        """The sum of the squares of what was made."""
        return _norm(self._made_sizes) ** 2

    def _floor(self) -> float:
        import torch

        return self.least * float(torch.cat(self._sizes).square().mean().sqrt()) + 1e-12


def _norm(parts: list[Any]) -> float:
    return math.sqrt(sum(float(part.double().square().sum()) for part in parts))


def shrinkage(parts: Sequence[tuple[RowDifference, float]]) -> float:
    """Return the distance from 1 of the factor that brings all that was made, each part by its weight, to the original's."""
    square = sum(part.made_square * weight for part, weight in parts)
    product = sum(part.product * weight for part, weight in parts)
    return abs(product / square - 1) if square else 0.0
