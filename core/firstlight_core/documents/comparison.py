"""The changes between two measurements. Ratios are new over old; an interval is `[low, high]`."""

from typing import Literal, NotRequired, TypedDict

from firstlight_core.errors import ErrorDocument

Unit = Literal["s", "tokens/s", "bytes", "nats", "share", "J/token"]
Better = Literal["lower", "higher"]
ChangeVerdict = Literal["regression", "improvement", "no-change", "not-judged"]


class ComparedSide(TypedDict):
    """One side of a comparison."""

    id: int | None
    """Null for a document from a file, and for one that was just measured."""
    label: str
    recorded_at: str | None
    precision: str | None


class SideFigure(TypedDict):
    """One figure of one side."""

    median: float
    low: float
    high: float
    """Smallest and largest sample."""
    samples: int


class ChangeRow(TypedDict):
    """The change of one figure."""

    measure: str
    unit: Unit
    better: Better
    prompt_tokens: int | None
    """Null for a figure without a length, and for the row of all lengths together."""
    lengths: int
    """The number of prompt lengths that stand behind the row."""
    before: SideFigure | None
    """Null, as `after`, in the row of all lengths together."""
    after: SideFigure | None
    ratio: float
    """New median over old; of all lengths the geometric mean of the ratios."""
    interval: list[float] | None
    """Of `ratio`, at the level of the comparison; null where too few samples were taken."""
    detectable: float | None
    """The smallest slowdown that these samples would have shown, as a share: 0.04 is 4 %."""
    verdict: ChangeVerdict


class ComparisonDocument(TypedDict):
    """The document of `firstlight compare`."""

    kind: Literal["comparison"]
    ok: bool
    """False when a regression is flagged."""
    before: ComparedSide
    after: ComparedSide
    rows: list[ChangeRow]
    level: float
    """Confidence level of every interval, widened for the number of rows."""
    regressions: int
    improvements: int
    notes: list[str]
    """The differences between both sides, and the scatter that was counted."""
    error: NotRequired[ErrorDocument]
