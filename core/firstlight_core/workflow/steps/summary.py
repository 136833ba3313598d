"""The summary step of a walk."""

import asyncio

from firstlight_core.workflow.walk_state import StepResult, WalkState


async def work(walk: WalkState) -> StepResult:
    """Write the report of all that happened so far."""
    written = await asyncio.to_thread(walk.services.write_report, walk.run)
    walk.report = written
    return StepResult(values={"ok": True, **written})
