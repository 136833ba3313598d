"""The quality step of a walk."""

from firstlight_core.report.facts import verdict_of
from firstlight_core.workflow.plan import QualityChoice
from firstlight_core.workflow.walk_state import StepResult, WalkState


async def work(walk: WalkState) -> StepResult:
    """Check the plan's precisions, or the artifact in use."""
    choice = walk.plan.quality or QualityChoice()
    document = await walk.services.check_quality(
        [str(folder) for folder in walk.subjects(choice.precisions)],
        prompts=choice.prompts,
        reference=choice.reference,
        text=choice.text,
        on_event=walk.on_event,
    )
    ok = document["ok"]
    return StepResult(values=document, ok=ok, reason="" if ok else verdict_of(document))
