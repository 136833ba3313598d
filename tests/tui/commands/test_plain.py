"""`firstlight --plain`: from the first question to the summary, by lines alone."""

import io
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.documents.workflow import RunDocument
from firstlight_core.errors import ToolchainMissing
from firstlight_core.estimate.estimates import inspect_and_estimate
from firstlight_core.ledger import Run, list_runs
from firstlight_core.workflow.run_file import read_run_toml
from firstlight_core.workflow.services import Services
from firstlight_core.workflow.walk import walk
from firstlight_tui.commands.output import run_verb
from firstlight_tui.commands.plain import walk_plainly
from firstlight_tui.commands.run_ import show_run
from tests.support.program import run_firstlight as call
from tests.support.wizard_documents import ENVIRONMENT, INFERENCE_MODEL
from tests.support.wizard_services import Called, fake_services


def services(called: Called, **overrides: Any) -> Services:
    async def run_checks(**_: Any) -> Any:
        return ENVIRONMENT

    async def chat(*arguments: Any, **options: Any) -> Any:
        called.calls.append(("chat", arguments, options))
        return []

    return fake_services(
        called,
        run_checks=run_checks,
        chat=chat,
        inspect=inspect_and_estimate,
        preset_inference_model=lambda *_: INFERENCE_MODEL,
        **overrides,
    )


def walked(called: Called, *answers: str) -> int | str | None:
    with pytest.raises(SystemExit) as left:
        walk_plainly(services=services(called), answers=io.StringIO("\n".join(answers) + "\n"))
    return left.value.code


def test_empty_lines_walk_the_sample_from_start_to_finish(
    capsys: pytest.CaptureFixture[str],
) -> None:
    called = Called()
    code = walked(called, *[""] * 9)
    output = capsys.readouterr()
    assert code == 0, output
    ran = [name for name in called.names() if name != "inspect"]
    assert [name for name in ran if name in ("convert", "deploy", "chat", "benchmark")] == [
        "convert",
        "deploy",
        "chat",
        "benchmark",
    ]
    assert "check_quality" in ran
    assert "\x1b" not in output.out and "\r" not in output.out and output.err == ""
    assert "Building the graph." in output.out
    assert "Summary." in output.out and "failed" not in output.out
    (run,) = list_runs()
    plan = read_run_toml(run.folder / "run.toml")
    assert plan.precisions == ("int4",) and plan.deploy is not None
    assert plan.deploy.name == "sample-int4"


def record_of(run: Run) -> list[tuple[str, str]]:
    return [(entry.step, entry.status) for entry in run.entries()]


@pytest.mark.slow
@pytest.mark.parametrize("deploys", [True, False], ids=["whole", "a failed step"])
def test_it_leaves_the_record_and_the_exit_code_of_the_run_that_repeats_it(
    capsys: pytest.CaptureFixture[str], deploys: bool
) -> None:
    async def refuse(*_: Any, **__: Any) -> Any:
        raise ToolchainMissing("Foundry Local is not here.", hint="Install it.")

    def tools(called: Called) -> Services:
        return services(called) if deploys else services(called, deploy=refuse)

    answers = ["sample", "int8", "by-lines", "folder", "Why?", "yes", "yes", "yes"]
    with pytest.raises(SystemExit) as left:
        walk_plainly(services=tools(Called()), answers=io.StringIO("\n".join(answers) + "\n"))
    assert ("Summary." in capsys.readouterr().out) is deploys
    (by_lines,) = list_runs()
    plan = read_run_toml(by_lines.folder / "run.toml")

    async def repeat() -> RunDocument:
        return await walk(plan, on_event=lambda _: None, services=tools(Called()))

    with pytest.raises(SystemExit) as repeated:
        run_verb("run", repeat, show_run, as_json=False)
    assert left.value.code == repeated.value.code
    assert (left.value.code == 0) is deploys
    (again,) = [run for run in list_runs() if run.folder != by_lines.folder]
    assert record_of(by_lines) == record_of(again)
    assert dict(record_of(again))["deploy"] == ("done" if deploys else "failed")


def test_answers_choose_and_wrong_ones_are_asked_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    called = Called()
    answers = [str(tmp_path / "nowhere"), "sample", "99", "int8", "-", "-", "perhaps", "no", "n"]
    assert walked(called, *answers, "yes") == 0
    output = capsys.readouterr().out
    assert "There is no folder" in output and "Answer yes or no." in output
    assert "Answer with a number" in output
    (run,) = list_runs()
    plan = read_run_toml(run.folder / "run.toml")
    assert plan.precisions == ("int8",)
    assert plan.deploy is None and plan.chat is None
    assert plan.benchmark is None and plan.quality is None


@pytest.mark.parametrize("answers", [["q"], [""], [*[""] * 7, "no"]])
def test_leaving_runs_nothing(answers: list[str]) -> None:
    assert walked(Called(), *answers) == 2
    assert list_runs() == []


def test_a_closed_input_leaves_it() -> None:
    done = call("--plain")
    assert done.returncode == 2 and "nothing was run" in done.stderr
    assert "Model: its folder" in done.stdout
