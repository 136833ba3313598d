"""A whole walk without a screen: the steps of the wizard, one after another, kept in the ledger.

The environment, the model and the conversion are needed by whatever comes later: the first of them that fails ends the
walk, and the later steps are `skipped`. Any other step that fails is told and the walk goes on; only the deployment needs
a settled template. The report is written in any case.
"""

import asyncio
import contextlib
import importlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from firstlight_core.documents.ledger import FailedValues, LedgerValues, SkippedValues
from firstlight_core.documents.workflow import RunDocument, RunStep
from firstlight_core.errors import FirstlightError
from firstlight_core.ledger import LOCK, Run
from firstlight_core.locks import try_lock
from firstlight_core.paths import RUN_FILE
from firstlight_core.process.events import Event, Stage
from firstlight_core.steps import STEPS, Step
from firstlight_core.workflow import steps as step_modules
from firstlight_core.workflow.interrupted import Interrupted
from firstlight_core.workflow.plan import Plan
from firstlight_core.workflow.run_file import write_plan
from firstlight_core.workflow.services import SERVICES, Services
from firstlight_core.workflow.walk_state import StepResult, WalkState, seconds_since

Work = Callable[[WalkState], Awaitable[StepResult]]

_ADOPTED = "an adopted artifact is not converted"
_NOT_PLANNED = "not in the plan"
_BEFORE = "done before the interruption"
_NO = "everything ran, and the answer is no"


async def walk(
    plan: Plan,
    *,
    on_event: Callable[[Event], None] | None = None,
    runs: Path | None = None,
    services: Services = SERVICES,
    interrupted: Interrupted | None = None,
) -> RunDocument:
    """Do what `plan` says in a new run, or go on with one that was interrupted.

    A step that did not happen has a `reason`, a failed one an `error`. Artifacts go to
    `runs/<id>/artifacts/<precision>`.

    Raises:
        StateProblem: the run's folder or ledger cannot be written.
    """
    await asyncio.to_thread(services.sweep_staging)
    if interrupted is None:
        run = Run.create(str(plan.subject), runs=runs)
        write_plan(run.folder / RUN_FILE, plan)
    else:
        run = interrupted.run
    state = WalkState(
        plan=plan, run=run, services=services, on_event=on_event, artifact=plan.artifact
    )
    if interrupted is not None:
        state.finished = interrupted.steps
        state.artifacts.update(interrupted.artifacts)
    guard = None
    # Without a lock the run might be continued by two processes, no more.
    with contextlib.suppress(OSError):
        guard = try_lock(run.folder / LOCK)
    try:
        for step in STEPS:
            await _walk_step(step, state)
    finally:
        if guard is not None:
            guard.release(unlink=True)
    return {
        "ok": all(outcome["status"] != "failed" for outcome in state.outcomes),
        "run": run.id,
        "folder": str(run.folder),
        "steps": state.outcomes,
        "report": state.report or {},
    }


def step_work(id: str) -> Work:
    """Return the function `work` of `firstlight_core/workflow/steps/<id>.py`."""
    work: Work = importlib.import_module(f"{step_modules.__name__}.{id}").work
    return work


def _skip_reason(step: Step, state: WalkState) -> str | None:
    failed = [needed for needed in step.needs if needed in state.failed]
    if failed:
        return f"{failed[-1]} failed"
    if step.converts and state.plan.source is None:
        return _ADOPTED
    if step.optional and getattr(state.plan, step.id, None) is None:
        return _NOT_PLANNED
    return None


async def _walk_step(step: Step, state: WalkState) -> None:
    run = state.run
    if (reason := _skip_reason(step, state)) is not None:
        skipped: SkippedValues = {"reason": reason}
        run.record(step.id, "skipped", values=skipped)
        state.outcomes.append(
            {"id": step.id, "status": "skipped", "seconds": 0.0, "reason": reason}
        )
        return
    if step.id in state.finished:
        if step.converts:
            state.use_converted()
        state.outcomes.append({"id": step.id, "status": "done", "seconds": 0.0, "reason": _BEFORE})
        return
    if state.on_event is not None:
        state.on_event(Stage(step.id, step.stage))
    begun = time.perf_counter()
    values: LedgerValues | None
    outcome: RunStep = {"id": step.id, "status": "done", "seconds": 0.0}
    try:
        result = await step_work(step.id)(state)
        values = result.values
        if result.error is not None:
            outcome["error"] = result.error
        elif result.reason or not result.ok:
            outcome["reason"] = result.reason or _NO
        if not result.ok:
            outcome["status"] = "failed"
    except FirstlightError as error:
        outcome["status"], outcome["error"] = "failed", error.to_json()
        failure: FailedValues = {"error": outcome["error"]}
        values = failure
    except asyncio.CancelledError:
        run.record(step.id, "cancelled", seconds=seconds_since(begun))
        raise
    if outcome["status"] == "failed" or step.id not in state.recorded:
        run.record(step.id, outcome["status"], seconds=seconds_since(begun), values=values)
    outcome["seconds"] = seconds_since(begun)
    state.outcomes.append(outcome)
    # Where only another precision failed, the one in use can still be deployed, asked and measured.
    if outcome["status"] == "failed" and not (step.converts and state.artifact is not None):
        state.failed.add(step.id)
