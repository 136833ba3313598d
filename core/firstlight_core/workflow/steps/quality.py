"""The quality step of a walk."""

from firstlight_core.workflow.plan import QualityChoice
from firstlight_core.workflow.walk_state import Document, WalkState


async def work(walk: WalkState) -> Document:
    """Check the plan's precisions, or the artifact in use."""
    choice = walk.plan.quality or QualityChoice()
    return await walk.services.check_quality(
        [str(folder) for folder in walk.subjects(choice.precisions)],
        prompts=choice.prompts,
        reference=choice.reference,
        text=choice.text,
        on_event=walk.on_event,
    )
