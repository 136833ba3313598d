"""The benchmark step of a walk."""

from firstlight_core.measure.benchmark import LENGTHS, NEW_TOKENS, REPEATS
from firstlight_core.workflow.plan import BenchChoice
from firstlight_core.workflow.walk_state import StepResult, WalkState


async def work(walk: WalkState) -> StepResult:
    """Measure the plan's precisions, or the artifact in use."""
    choice = walk.plan.benchmark or BenchChoice()
    document = await walk.services.benchmark(
        [str(folder) for folder in walk.subjects(choice.precisions)],
        lengths=choice.lengths or LENGTHS,
        new_tokens=choice.new_tokens or NEW_TOKENS,
        repeats=choice.repeats or REPEATS,
        on_event=walk.on_event,
    )
    return StepResult(values=document)
