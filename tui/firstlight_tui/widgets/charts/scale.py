"""Axes: where a value lies between two ends, linear or logarithmic, and ticks in round numbers."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis from `low` to `high`; a logarithmic one has `low` above 0."""

    low: float
    high: float
    log: bool = False
    binary: bool = False
    """Ticks are powers of two and multiples of them, as bytes are counted."""

    def share(self, value: float) -> float:
        """Return where the value lies, 0 at the low end and 1 at the high one; what is outside lies on its end."""
        if self.high <= self.low:
            return 0.5
        if self.log:
            value = max(value, self.low)
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, share))

    def cell(self, value: float, cells: int) -> int:
        """Return the cell, 0 to `cells` - 1, of a value."""
        return round(self.share(value) * max(0, cells - 1))

    def ticks(self, most: int) -> list[float]:
        """At most `most` round numbers on the axis."""
        if self.high <= self.low:
            return [self.low]
        if not self.log:
            return self._linear_ticks(most)
        return self._binary_log_ticks(most) if self.binary else self._log_ticks(most)

    def even_ticks(self, cells: int) -> list[float]:
        """As many ticks as an axis of so many cells has room for whose distances look alike: no gap twice another."""
        for most in range(max(1, cells // 2 + 1), 0, -1):
            ticks = self.ticks(most)
            places = [self.cell(tick, cells) for tick in ticks]
            gaps = [after - before for before, after in pairwise(places)]
            if self.log or not gaps or max(gaps) < 2 * min(gaps):
                break
        return ticks

    def _linear_ticks(self, most: int) -> list[float]:
        step = nice_step((self.high - self.low) / max(1, most), binary=self.binary)
        while True:
            first = math.ceil(self.low / step - 1e-9)
            last = math.floor(self.high / step + 1e-9)
            if last - first < max(1, most):
                return [i * step for i in range(first, last + 1)]
            step = nice_step(step * 1.01, binary=self.binary)

    def _binary_log_ticks(self, most: int) -> list[float]:
        first, last = math.floor(math.log2(self.low)), math.ceil(math.log2(self.high))
        for halves in (True, False):
            ticks = [
                factor * 2.0**power
                for power in range(first, last + 1)
                for factor in ((1.0, 1.5) if halves else (1.0,))
                if self.low <= factor * 2.0**power <= self.high
            ]
            if len(ticks) <= most:
                return ticks
        return ticks[:: -(-len(ticks) // max(1, most))]

    def _log_ticks(self, most: int) -> list[float]:
        first, last = math.log10(self.low), math.log10(self.high)
        decades = range(math.ceil(first - 1e-9), math.floor(last + 1e-9) + 1)
        for multiples in (range(1, 10), (1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
            ticks = [
                m * 10.0**d
                for d in range(math.floor(first), math.ceil(last) + 1)
                for m in multiples
                if self.low * (1 - 1e-9) <= m * 10.0**d <= self.high * (1 + 1e-9)
            ]
            if len(ticks) <= most:
                return ticks
        every = -(-len(decades) // max(1, most))
        return [10.0**d for d in decades if d % every == 0]


def nice_step(least: float, *, binary: bool = False) -> float:
    """Return the smallest of 1, 2, 2.5, 5 times a power of ten, or of the powers of two, that is not below `least`."""
    if least <= 0 or not math.isfinite(least):
        return 1.0
    if binary:
        return float(2.0 ** math.ceil(math.log2(least) - 1e-9))
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in _STEPS if step * power >= least * (1 - 1e-9))


def linear_axis(values: Iterable[float], *, from_zero: bool = True, binary: bool = False) -> Axis:
    """Return a linear axis over the values, its ends rounded outwards."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return Axis(0.0, 1.0)
    low, high = min(finite), max(finite)
    if from_zero:
        low, high = min(0.0, low), max(0.0, high)
    if high <= low:
        return Axis(low, low + 1.0)
    step = nice_step((high - low) / 8, binary=binary)
    low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    return Axis(low, high, binary=binary)


def log_axis(values: Iterable[float], *, margin: float = 0.05, binary: bool = False) -> Axis:
    """Return a logarithmic axis over the positive values, with a margin on both sides."""
    positive = [value for value in values if value > 0 and math.isfinite(value)]
    if not positive:
        return Axis(0.1, 1.0, log=True)
    low, high = min(positive), max(positive)
    factor = max((high / low) ** margin, 1.25)
    return Axis(low / factor, high * factor, log=True, binary=binary)


def short(value: float, largest: float | None = None, *, digits: bool = False) -> str:
    """Return a number in three digits and a prefix: 12.7 k, 0.25, 4e-4; the prefix is that of `largest`, where given.

    With `digits` trailing zeros stay, so that figures below each other look alike.
    """
    if not math.isfinite(value):
        return "–"
    if not value:
        return "0"
    size = abs(value) if largest is None else largest
    if abs(value) < 1e-3 or abs(value) >= 1e15:
        mantissa, _, power = f"{value:.0e}".partition("e")
        return f"{mantissa}e{int(power)}"
    for factor, prefix in _PREFIXES:
        if size >= (1e4 if prefix == "k" else factor):
            return f"{_digits(value / factor, digits)} {prefix}"
    return _digits(value, digits)


def _digits(value: float, zeros: bool) -> str:
    if abs(value) >= 999.5:
        return f"{value:.0f}"
    return f"{value:#.3g}".rstrip(".") if zeros else f"{value:.3g}"
