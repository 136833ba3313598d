"""The template step of a walk."""

from firstlight_core.documents.ledger import SettledStep
from firstlight_core.workflow.plan import Plan, TemplateChoice
from firstlight_core.workflow.walk_state import StepResult, WalkState


async def work(walk: WalkState) -> StepResult:
    """Settle the template that the plan chooses."""
    choice = walk.plan.template or TemplateChoice()
    artifact = walk.in_use()
    name = walk.plan.deploy.name if walk.plan.deploy else _plain_name(walk.plan)
    model = choice.inference_model or walk.services.preset_inference_model(
        artifact, name, choice.preset
    )
    document = await walk.services.settle_template(artifact, model, source=walk.plan.source)
    locked = document["locked"]
    values: SettledStep = {**document, "ok": locked}
    return StepResult(values=values, ok=locked, reason=document.get("fitted", "") if locked else "")


def _plain_name(plan: Plan) -> str:
    return "-".join([plan.subject.name or "model", *([plan.use] if plan.use else [])])
