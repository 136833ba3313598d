"""The precision step of a walk."""

from firstlight_core.workflow.walk_state import Document, WalkState


async def work(walk: WalkState) -> Document:
    """Say which precisions the plan asks for."""
    plan = walk.plan
    edited = {"edited": sorted(plan.configs)} if plan.configs else {}
    return {
        "precisions": list(plan.precisions),
        "use": plan.use,
        "method": plan.method,
        **edited,
    }
