"""The summary step of a walk."""

import asyncio

from firstlight_core.documents.ledger import SummaryResult
from firstlight_core.workflow.walk_state import StepResult, WalkState


async def work(walk: WalkState) -> StepResult:
    """Write the report of all that happened so far."""
    written = await asyncio.to_thread(walk.services.write_report, walk.run)
    walk.report = written
    values: SummaryResult = {"ok": True, **written}
    return StepResult(values=values)
