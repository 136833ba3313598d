"""The convert step of a walk."""

import time

from firstlight_core.documents.conversion import ConversionOutcome, FailedPrecision
from firstlight_core.documents.ledger import FailedValues, LedgerValues
from firstlight_core.workflow.walk_state import StepResult, WalkState, seconds_since


async def work(walk: WalkState) -> StepResult:
    """Convert to all precisions; each finished one is recorded at once: a later failure must not lose it."""
    plan = walk.plan
    assert plan.source is not None
    walk.recorded.add("convert")
    outputs = {
        key: walk.run.folder / "artifacts" / key
        for key in plan.precisions
        if key not in walk.artifacts
    }
    begun = time.perf_counter()

    def record(status: str, values: LedgerValues) -> None:
        nonlocal begun
        walk.run.record("convert", status, seconds=seconds_since(begun), values=values)
        begun = time.perf_counter()

    def done(precision: str, document: ConversionOutcome) -> None:
        if document["kind"] == "failure":
            failure: FailedPrecision = {"precision": precision, **document}
            record("failed", failure)
        else:
            record("done", document)
            walk.artifacts[precision] = outputs[precision]

    converted = await walk.services.convert_many(
        plan.source,
        outputs,
        method=plan.method,
        configs=plan.configs or None,
        calibration=plan.calibration,
        on_event=walk.on_event,
        on_done=done,
    )
    walk.use_converted()
    if failures := converted["failures"]:
        error = failures[0]["error"]
        values: FailedValues = {"error": error}
        return StepResult(values=values, ok=False, error=error)
    return StepResult()
