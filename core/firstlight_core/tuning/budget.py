"""How far a build may drift from the original, as the user says it: in nats, or times the drift of the row as it is built."""

import math
from dataclasses import dataclass

from firstlight_core.documents.tuning import DriftLimit
from firstlight_core.errors import UsageError
from firstlight_core.measure.drift_words import KL_ZERO, kl_text
from firstlight_core.text import one_line

ALLOWANCE = 1.1
"""Without a budget of one's own, a build may drift so many times as far as the row of the table does."""


@dataclass(frozen=True, slots=True)
class DriftBudget:
    """A limit of the mean KL divergence: in nats, or as a factor of the row's own."""

    nats: float | None = None
    factor: float | None = None

    def limit(self, kl: float, label: str) -> DriftLimit:
        """Return the limit, where the row, called `label`, drifts by `kl` nats."""
        if self.nats is not None:
            return {"kl_mean": self.nats, "why": "as you asked"}
        factor = self.factor if self.factor is not None else ALLOWANCE
        wish = "as you asked, " if self.factor is not None else ""
        # What is no drift at all allows what rounding leaves of none.
        limit = max(factor * kl, KL_ZERO)
        return {
            "kl_mean": limit,
            "why": f"{wish}{factor:g} times the drift of {label}, {kl_text(kl)} nats",
        }

    @property
    def words(self) -> str | None:
        """The value of the option that says the same; None for the default."""
        if self.nats is not None:
            return f"{self.nats:g}"
        return f"{self.factor:g}x" if self.factor is not None else None


def read_budget(text: str | None, max_drift: float | None = None) -> DriftBudget:
    """Return the budget of `--drift-budget` ("0.05" nats, or "1.5x" as far as the row), or of `--max-drift` in nats.

    Raises:
        UsageError: it is neither, or both options are given.
    """
    if text is None:
        if max_drift is not None and not (math.isfinite(max_drift) and max_drift >= 0):
            raise UsageError("The drift that is allowed must be 0 nats or more.")
        return DriftBudget(nats=max_drift)
    if max_drift is not None:
        raise UsageError(
            "--drift-budget and --max-drift say the same.", hint="Leave one of them out."
        )
    number = text.strip().lower()
    relative = number.endswith(("x", "×"))
    try:
        value = float(number[:-1] if relative else number)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise UsageError(
            f"{one_line(text, 40)!r} is no drift budget.",
            hint="Write nats of mean KL (--drift-budget 0.05), or how many times the drift of the row: 1.5x.",
        )
    return DriftBudget(factor=value) if relative else DriftBudget(nats=value)
