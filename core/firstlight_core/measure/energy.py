"""The energy of each repetition, where the machine counts it."""

from collections.abc import Sequence

from firstlight_core.documents.bench_parts import EnergyFigures
from firstlight_core.documents.figures import Figure
from firstlight_core.measure.metrics import figure
from firstlight_core.sensors import EnergyMeter


class EnergyLog:
    """Joules of one target's repetitions, reading the prompt included; of the whole processor or battery."""

    def __init__(self, meter: EnergyMeter | None) -> None:
        self._meter = meter
        self._before: dict[str, float] | None = None
        self._joules: dict[int, list[tuple[float, int]]] = {}
        """Prompt length → joules and written tokens of each repetition."""

    def start(self) -> None:
        """A repetition begins."""
        self._before = self._meter.read() if self._meter is not None else None

    def stop(self, length: int, new_tokens: int) -> None:
        """The repetition has ended with so many tokens."""
        if self._meter is None or self._before is None or not new_tokens:
            return
        if (after := self._meter.read()) is not None:
            used = self._meter.used(self._before, after)
            self._joules.setdefault(length, []).append((used, new_tokens))

    def per_token(self, length: int) -> Figure | None:
        """Joules for each written token at one prompt length; None where the counter is too coarse for one repetition."""
        entries = self._joules.get(length, [])
        if self._meter is None or self._meter.source != "processor" or not entries:
            return None
        return figure([joules / tokens for joules, tokens in entries])

    def total(self) -> EnergyFigures | None:
        """All repetitions together; None where nothing was counted, or too little for the steps of the counter."""
        entries: Sequence[tuple[float, int]] = [e for row in self._joules.values() for e in row]
        joules, tokens = sum(e[0] for e in entries), sum(e[1] for e in entries)
        if self._meter is None or not tokens or joules <= 0 or joules < self._meter.least:
            return None
        return {
            "source": self._meter.source,
            "joules": joules,
            "tokens": tokens,
            "joules_per_token": joules / tokens,
        }
