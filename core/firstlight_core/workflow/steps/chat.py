"""The chat step of a walk."""

from firstlight_core.workflow.walk_state import Document, WalkState


async def work(walk: WalkState) -> Document:
    """Ask the plan's questions in one conversation."""
    choice, artifact = walk.plan.chat, walk.in_use()
    assert choice is not None
    turns = await walk.services.chat(
        artifact, choice.prompts, system=choice.system, max_tokens=choice.max_tokens
    )
    return {"artifact": str(artifact), "system": choice.system, "turns": turns}
