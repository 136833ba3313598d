"""The deploy step of a walk."""

from firstlight_core.workflow.walk_state import StepResult, WalkState


async def work(walk: WalkState) -> StepResult:
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
    ok = deployed["ok"] if deployed["kind"] == "answered" else True
    return StepResult(values=deployed, ok=ok)
