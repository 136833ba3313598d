"""The chat step of a walk."""

from firstlight_core.documents.ledger import QuestionsValues
from firstlight_core.workflow.walk_state import StepResult, WalkState


async def work(walk: WalkState) -> StepResult:
    """Ask the plan's questions in one conversation."""
    choice, artifact = walk.plan.chat, walk.in_use()
    assert choice is not None
    turns = await walk.services.chat(
        artifact, choice.prompts, system=choice.system, max_tokens=choice.max_tokens
    )
    values: QuestionsValues = {
        "kind": "questions",
        "artifact": str(artifact),
        "system": choice.system,
        "turns": turns,
    }
    return StepResult(values=values)
