"""The model step of a walk."""

import asyncio

from firstlight_core.documents.ledger import InspectedModel
from firstlight_core.workflow.walk_state import StepResult, WalkState


async def work(walk: WalkState) -> StepResult:
    """Inspect the source, or adopt the artifact."""
    if walk.plan.source is not None:
        document = await asyncio.to_thread(walk.services.inspect, walk.plan.source)
        values: InspectedModel = {"path": str(walk.plan.source), **document}
        return StepResult(values=values)
    return StepResult(values=await asyncio.to_thread(walk.services.adopt, walk.plan.subject))
