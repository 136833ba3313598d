"""The whole plan of a queue of conversions, its pending stages included, and how far it is by their expected seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from firstlight_core.conversion.progress import seconds_left
from firstlight_core.documents.estimate import Estimates
from firstlight_core.estimate.estimates import BASE_SECONDS
from firstlight_core.precision.table import Precision, find_precision
from firstlight_tui.state.precision_choice import form_of_estimate
from firstlight_tui.state.work import Work
from firstlight_tui.state.work_rows import QueueRow

StageStatus = Literal["pending", "running", "done", "failed"]
_UNKNOWN_SECONDS = 10.0
"""Weight of a precision that has no estimate."""
_CHECK_SHARE = 0.3
"""Share of the check where nothing is estimated."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One box of the pipeline: the stages that the core announces in it, and its weight among Olive's own phases."""

    label: str
    stages: tuple[str, ...]
    weight: float = 0.0


LOAD = Phase("Load", ("start", "load-olive"))
CALIBRATE = Phase(
    "Calibrate", ("load-original", "calibration", "calibration-answers", "calibrate"), 60.0
)
BUILD = Phase("Build", ("range", "merge", "olive", "build"), 4.0)
QUANTISE = Phase("Quantise", ("quantise",), 5.0)
HALVE = Phase("Halve", ("half",), 3.0)
SAVE = ("save",)
"""Belongs to the phase before it: it is short, and where it comes depends on the precision."""
COMPARE = Phase("Compare", ("original",))
CHECK = Phase("Check", ("check",))
PUBLISH = Phase("Publish", ("publish",))


@dataclass(frozen=True, slots=True, kw_only=True)
class StageProgress:
    """One stage of the plan; `share` is what is done of a running one, None when nobody can say."""

    label: str
    status: StageStatus = "pending"
    seconds: float | None = None
    weight: float = 1.0
    share: float | None = None

    @property
    def done(self) -> float:
        """The part of the weight that is done; a running stage without a share counts as not begun."""
        if self.status == "done":
            return self.weight
        return self.weight * min(1.0, self.share or 0.0) if self.status == "running" else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionPlanProgress:
    """Every stage of the queue, and what is known of its time."""

    stages: tuple[StageProgress, ...]
    expected: float
    """Seconds of the whole by the estimates."""
    left: float | None
    """Seconds that are left; None before Olive is loaded and when nothing runs."""


def phases_of(precision: Precision) -> tuple[Phase, ...]:
    """Return the phases of one precision, in their order."""
    own: tuple[Phase, ...] = (CALIBRATE,) if precision.calibrated else ()
    own += (BUILD, QUANTISE) if precision.bits is not None else (BUILD,)
    if precision.half_pass:
        own += (HALVE,)
    return (LOAD, *own, COMPARE, CHECK, PUBLISH)


def phase_seconds(phases: Sequence[Phase], seconds: float, check: float) -> list[float]:
    """Expected seconds of each phase; `seconds` is the estimate of all, `check` its part after Olive."""
    load = min(BASE_SECONDS, 0.8 * (seconds - check))
    rest = seconds - check - load
    whole = sum(phase.weight for phase in phases) or 1.0
    after = {COMPARE: 0.8 * check, CHECK: 0.18 * check, PUBLISH: 0.02 * check}
    return [
        load if phase is LOAD else after.get(phase) or rest * phase.weight / whole
        for phase in phases
    ]


def current_row(work: Work) -> QueueRow | None:
    """Return the row that is being converted, or the last one that was begun; None before the first."""
    begun = [row for row in work.queue if "begun" in row]
    running = [row for row in begun if row["state"] == "running"]
    return (running or begun)[-1] if begun else None


def predicted_peak(keys: Sequence[str], estimates: Estimates) -> float | None:
    """Return the largest peak predicted for a precision of the queue: one process makes them all."""
    peaks = [estimates.get(key, {}).get("peak_ram_bytes") for key in keys]
    known = [float(peak) for peak in peaks if peak]
    return max(known) if known else None


def planned(keys: Sequence[str], estimates: Estimates) -> ConversionPlanProgress:
    """Return the plan of a queue that has not begun: the stages of its first precision, then the others."""
    return _progress(None, [{"precision": key, "state": "waiting"} for key in keys], estimates)


def converted(keys: Sequence[str], estimates: Estimates) -> ConversionPlanProgress:
    """Return the plan of a queue that was carried out before this wizard began."""
    return _progress(None, [{"precision": key, "state": "done"} for key in keys], estimates)


def progress_of(work: Work, estimates: Estimates) -> ConversionPlanProgress:
    """Return how far a queue is, or was when it ended."""
    return _progress(work, work.queue, estimates)


def _progress(
    work: Work | None, rows: Sequence[QueueRow], estimates: Estimates
) -> ConversionPlanProgress:
    current = (current_row(work) if work is not None else None) or (rows[0] if rows else None)
    stages: list[StageProgress] = []
    for index, row in enumerate(rows):
        phases = phases_of(form_of_estimate(row["precision"], estimates))
        guess = estimates.get(row["precision"], {})
        seconds = float(guess.get("seconds") or _UNKNOWN_SECONDS)
        check = float(guess.get("check_seconds") or _CHECK_SHARE * seconds)
        weights = phase_seconds(phases, seconds, check)
        if index:
            # One Olive serves them all.
            phases, weights = phases[1:], weights[1:]
        if row is current:
            stages += _stages_of(work, row, phases, weights)
        else:
            stages.append(_folded(work, row, rows, weights))
    expected = sum(stage.weight for stage in stages)
    left = None
    if work is not None and work.running and _loaded(work):
        left = seconds_left(expected, sum(stage.done for stage in stages), work.seconds)
    return ConversionPlanProgress(stages=tuple(stages), expected=expected, left=left)


def _loaded(work: Work) -> bool:
    return any(stage.name not in LOAD.stages for stage, _ in work.stages)


def _ended_badly(work: Work | None, row: QueueRow) -> bool:
    ended = work is not None and not work.running and row["state"] == "running"
    return ended or row["state"] in ("failed", "cancelled")


def _folded(
    work: Work | None, row: QueueRow, rows: Sequence[QueueRow], weights: Sequence[float]
) -> StageProgress:
    """Return one stage for a precision that is not the one in work."""
    label, whole = find_precision(row["precision"]).label, sum(weights)
    status: StageStatus = "pending"
    share = None
    if row["state"] == "done":
        status = "done"
    elif _ended_badly(work, row):
        status = "failed"
    elif row["state"] == "running":
        # Built, and checked beside the build of the next one.
        status, share = "running", 1 - sum(weights[-2:]) / whole
    return StageProgress(
        label=label, status=status, seconds=_row_seconds(work, row, rows), weight=whole, share=share
    )


def _row_seconds(work: Work | None, row: QueueRow, rows: Sequence[QueueRow]) -> float | None:
    if work is None or "begun" not in row or row["state"] == "running":
        return None
    later = [other["begun"] for other in rows if other.get("begun", 0.0) > row["begun"]]
    return min(later, default=work.seconds) - row["begun"]


def _stages_of(
    work: Work | None, row: QueueRow, phases: Sequence[Phase], weights: Sequence[float]
) -> list[StageProgress]:
    """Return the stages of the precision in work."""
    spent, at = _spent(work, row, phases)
    stages = []
    for index, (phase, weight) in enumerate(zip(phases, weights, strict=True)):
        status: StageStatus = "pending"
        share = None
        if row["state"] == "done" or index < at:
            status = "done"
        elif index == at and _ended_badly(work, row):
            status = "failed"
        elif index == at and work is not None and work.running:
            status = "running"
            progress = work.progress
            if progress is not None and progress.total:
                share = min(1.0, progress.done / progress.total)
        seconds = spent.get(phase.label) if status != "pending" else None
        stages.append(
            StageProgress(
                label=phase.label, status=status, seconds=seconds, weight=weight, share=share
            )
        )
    return stages


def _spent(
    work: Work | None, row: QueueRow, phases: Sequence[Phase]
) -> tuple[dict[str, float], int]:
    """Seconds in each phase so far by its label, and the index of the phase in work; -1 before the first."""
    if work is None or "begun" not in row:
        return {}, -1
    begun = row["begun"]
    heard = [(stage.name, at) for stage, at in work.stages if at >= begun]
    spent: dict[str, float] = {}
    index = 0
    for number, (name, at) in enumerate(heard):
        until = heard[number + 1][1] if number + 1 < len(heard) else work.seconds
        index = next((i for i, phase in enumerate(phases) if name in phase.stages), index)
        label = phases[index].label
        spent[label] = spent.get(label, 0.0) + until - at
    return spent, index
