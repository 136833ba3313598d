"""The table of steps: the wizard, the walk, the session and the report are all derived from it.

Adding a step is one row here, a module of its name in `firstlight_core/workflow/steps/` (what a walk does) and a package
of its name in `firstlight_tui/steps/` (the screen).
"""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One row."""

    id: str
    """Name of the step in the ledger, in JSON documents, and of its modules."""
    title: str
    """Its name in the rail, the report and the rest of the wizard."""
    stage: str
    """Label of the step while a run without a screen works on it."""
    result: str = ""
    """Answer of the session that holds the step's document; empty when it leaves none."""
    answers: tuple[str, ...] = ()
    """Further answers of the session that the step gives."""
    cleared_by: tuple[str, ...] = ()
    """Answers whose change clears `result` and `answers`."""
    outdated_by: tuple[str, ...] = ()
    """Answers whose change makes the ended work of this step and of every later one outdated."""
    needs: tuple[str, ...] = ("environment", "model", "convert")
    """Steps that must not have failed when a walk comes to this one."""
    optional: bool = False
    """Whether a walk does the step only when its run.toml has a section for it."""
    converts: bool = False
    """Whether a walk does the step only for a source; an adopted artifact passes it by."""
    about_a_model: bool = False
    """Whether the step works on a model of the user's own; with a connected server it is passed by."""
    answered_no: tuple[str, ...] = ()
    """Keys of the step's document that show that it ran to its end although it is recorded as failed."""


_OF_THE_ARTIFACT = ("source", "artifact")
_OF_THE_ANSWERS = (*_OF_THE_ARTIFACT, "endpoint", "template")
"""The answers that chat, benchmark and quality depend on; none of each other, and not the deployment."""

STEPS: tuple[Step, ...] = (
    Step(
        id="environment",
        title="Environment",
        stage="Checking the environment",
        result="environment",
    ),
    Step(
        id="model",
        title="Model",
        stage="Inspecting the model",
        result="model",
        answers=("endpoint",),
        cleared_by=("source",),
    ),
    Step(
        id="precision",
        title="Precision",
        stage="Choosing the precisions",
        answers=("precisions", "configs", "calibration"),
        cleared_by=("source",),
        converts=True,
        about_a_model=True,
    ),
    Step(
        id="convert",
        title="Convert",
        stage="Converting",
        answers=("artifacts", "artifact", "artifact_chosen"),
        cleared_by=("source",),
        outdated_by=("source", "precisions"),
        converts=True,
        about_a_model=True,
    ),
    Step(
        id="template",
        title="Template",
        stage="Settling the template",
        result="template",
        cleared_by=_OF_THE_ARTIFACT,
        outdated_by=("artifact",),
        optional=True,
        about_a_model=True,
    ),
    Step(
        id="deploy",
        title="Deploy",
        stage="Deploying",
        result="deployment",
        cleared_by=(*_OF_THE_ARTIFACT, "template"),
        needs=("environment", "model", "convert", "template"),
        optional=True,
        about_a_model=True,
        answered_no=("answer",),
    ),
    Step(
        id="chat",
        title="Chat",
        stage="Chatting",
        result="chat",
        cleared_by=_OF_THE_ANSWERS,
        optional=True,
    ),
    Step(
        id="benchmark",
        title="Benchmark",
        stage="Measuring",
        result="benchmark",
        cleared_by=_OF_THE_ANSWERS,
        outdated_by=("endpoint",),
        optional=True,
    ),
    Step(
        id="quality",
        title="Quality",
        stage="Checking the quality",
        result="quality",
        cleared_by=_OF_THE_ANSWERS,
        optional=True,
        answered_no=("checks", "artifacts"),
    ),
    Step(
        id="summary",
        title="Summary",
        stage="Writing the report",
        needs=(),
    ),
)
"""The steps in the order of the wizard."""


def find_step(id: str) -> Step | None:
    """Return the row of this id, if there is one."""
    return next((step for step in STEPS if step.id == id), None)


def cleared_answers(changed: Collection[str]) -> set[str]:
    """Return the answers that say nothing any more once these have changed."""
    return {
        answer
        for step in STEPS
        if any(name in changed for name in step.cleared_by)
        for answer in (step.result, *step.answers)
        if answer
    }


def results_of(answer: str) -> tuple[str, ...]:
    """Return the documents of the session that a change of this answer clears, in step order."""
    return tuple(step.result for step in STEPS if step.result and answer in step.cleared_by)


def outdated_steps(changed: Collection[str]) -> frozenset[str]:
    """Return the ids of the steps whose ended work belongs to the answers before these changed."""
    for number, step in enumerate(STEPS):
        if any(name in changed for name in step.outdated_by):
            return frozenset(later.id for later in STEPS[number:])
    return frozenset()
