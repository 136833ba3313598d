"""The convert step of a walk."""

import time
from typing import Any

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

    def done(precision: str, document: Any) -> None:
        nonlocal begun
        failed = document["kind"] == "failure"
        values = {"precision": precision, **document} if failed else document
        status = "failed" if failed else "done"
        walk.run.record("convert", status, seconds=seconds_since(begun), values=values)
        begun = time.perf_counter()
        if not failed:
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
        return StepResult(values={"error": error}, ok=False, error=error)
    return StepResult(values={})
