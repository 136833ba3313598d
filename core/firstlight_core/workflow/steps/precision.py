"""The precision step of a walk."""

from firstlight_core.conversion.calibration_choice import calibration_name
from firstlight_core.documents.ledger import PrecisionValues
from firstlight_core.workflow.walk_state import StepResult, WalkState


async def work(walk: WalkState) -> StepResult:
    """Say which precisions the plan asks for."""
    plan = walk.plan
    values: PrecisionValues = {
        "precisions": list(plan.precisions),
        "use": plan.use,
        "method": plan.method,
    }
    if plan.configs:
        values["edited"] = sorted(plan.configs)
    if plan.calibration is not None:
        values["calibration"] = calibration_name(plan.calibration)
    return StepResult(values=values)
