"""The environment step of a walk."""

from firstlight_core.documents.ledger import CheckedEnvironment
from firstlight_core.workflow.walk_state import StepResult, WalkState


async def work(walk: WalkState) -> StepResult:
    """Check the machine; the step fails where nothing could be converted."""
    document = await walk.services.run_checks()
    ok = document["verdict"] != "blocked"
    values: CheckedEnvironment = {**document, "ok": ok}
    return StepResult(values=values, ok=ok)
