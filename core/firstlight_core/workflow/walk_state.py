"""State that the steps of a run share: the plan, the record, and the results of earlier steps."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from firstlight_core.documents.ledger import LedgerValues
from firstlight_core.documents.workflow import RunStep, WrittenReport
from firstlight_core.errors import CheckFailed, ErrorDocument
from firstlight_core.ledger import Run
from firstlight_core.process.events import Event
from firstlight_core.workflow.plan import Plan
from firstlight_core.workflow.services import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """The result of a step."""

    values: LedgerValues | None = None
    """The step's document, for the ledger."""
    ok: bool = True
    """False where the step ran to its end and the answer is no."""
    reason: str = ""
    """Why the answer is no, or what should be known of it."""
    error: ErrorDocument | None = None
    """The error that makes the answer no."""


@dataclass(slots=True, kw_only=True)
class WalkState:
    """The state of one walk; the steps read it and write down what they made."""

    plan: Plan
    run: Run
    services: Services
    on_event: Callable[[Event], None] | None
    artifact: Path | None
    """The artifact that the later steps work on."""
    artifacts: dict[str, Path] = field(default_factory=dict)
    """The converted ones, by precision."""
    report: WrittenReport | None = None
    """None while none was written."""
    outcomes: list[RunStep] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)
    """Ids of the steps that failed."""
    finished: frozenset[str] = frozenset()
    """Ids of the steps that were done before the run was interrupted."""
    recorded: set[str] = field(default_factory=set)
    """Ids of the steps that record their success in the ledger themselves."""

    def use_converted(self) -> None:
        """Let the later steps work on the converted artifact that the plan names."""
        if self.plan.precisions:
            self.artifact = self.artifacts.get(self.plan.use or self.plan.precisions[0])

    def in_use(self) -> Path:
        """Return the artifact to work on.

        Raises:
            CheckFailed: there is none.
        """
        if self.artifact is None:
            raise CheckFailed("There is no artifact to work on.")
        return self.artifact

    def subjects(self, precisions: Sequence[str]) -> list[Path]:
        """Return the artifacts of these precisions, or the one in use."""
        artifacts = [self.artifacts[key] for key in precisions if key in self.artifacts]
        return artifacts or [self.in_use()]


def seconds_since(begun: float) -> float:
    """Return the seconds since a reading of `perf_counter`."""
    return round(time.perf_counter() - begun, 3)
