"""The summary step of a walk."""

import asyncio

from firstlight_core.workflow.walk_state import Document, WalkState


async def work(walk: WalkState) -> Document:
    """Write the report of all that happened so far."""
    walk.report = await asyncio.to_thread(walk.services.write_report, walk.run)
    return {"ok": True, **walk.report}
