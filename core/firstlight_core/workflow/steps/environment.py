"""The environment step of a walk."""

from firstlight_core.workflow.walk_state import Document, WalkState


async def work(walk: WalkState) -> Document:
    """Check the machine; the step fails where nothing could be converted."""
    document = await walk.services.run_checks()
    return {**document, "ok": document.get("verdict") != "blocked"}
