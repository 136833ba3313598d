"""The table of steps: its names are those of the session, and what is derived from it."""

from dataclasses import fields

from firstlight_core.session import Session
from firstlight_core.steps import STEPS, find_step, outdated_steps, results_of

IDS = [step.id for step in STEPS]


def test_a_row_names_answers_of_the_session_and_steps_before_it() -> None:
    names = {field.name for field in fields(Session)}
    for number, step in enumerate(STEPS):
        results = {step.result} - {""}
        assert {*results, *step.answers, *step.cleared_by, *step.outdated_by} <= names, step.id
        assert set(step.needs) <= set(IDS[:number]) | {"environment", "model", "convert"}, step.id
    assert len(set(IDS)) == len(IDS) and find_step("nothing") is None


def test_the_results_of_an_artifact() -> None:
    assert results_of("artifact") == ("template", "deployment", "chat", "benchmark", "quality")
    assert results_of("quality") == ()


def test_ended_work_is_outdated_from_the_first_step_that_says_so() -> None:
    assert outdated_steps({"goal", "chat"}) == set()
    assert outdated_steps({"endpoint"}) == {"benchmark", "quality", "summary"}
    assert outdated_steps({"endpoint", "artifact"}) == set(IDS[IDS.index("template") :])
    assert outdated_steps({"precisions"}) == outdated_steps({"source"}) >= {"convert", "summary"}
