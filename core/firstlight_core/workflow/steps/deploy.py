"""The deploy step of a walk."""

from firstlight_core.workflow.walk_state import Document, WalkState


async def work(walk: WalkState) -> Document:
    """Deploy the artifact in use as the plan says."""
    choice = walk.plan.deploy
    assert choice is not None
    deployed = await walk.services.deploy(
        walk.in_use(),
        choice.name,
        target=choice.target,
        replace=choice.replace,
        cache=choice.cache,
        capacity=choice.capacity,
        on_event=walk.on_event,
    )
    return {**deployed}
