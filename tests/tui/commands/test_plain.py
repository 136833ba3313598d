"""`firstlight --plain`: from the first question to the summary, by lines alone."""

import io
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.estimate.estimates import inspect_and_estimate
from firstlight_core.ledger import list_runs
from firstlight_core.process.events import Stage
from firstlight_core.workflow.run_file import read_run_toml
from firstlight_core.workflow.services import Services
from firstlight_tui.commands.plain import walk_plainly
from tests.support.wizard_documents import ENVIRONMENT, INFERENCE_MODEL, conversion
from tests.support.wizard_services import Called, fake_services
from tests.tui.commands.test_run_verbs import call


def services(called: Called) -> Services:
    async def run_checks(**_: Any) -> Any:
        return ENVIRONMENT

    async def chat(*arguments: Any, **options: Any) -> Any:
        called.calls.append(("chat", arguments, options))
        return []

    async def convert_many(source: Path, outputs: dict[str, Path], **options: Any) -> Any:
        called.calls.append(("convert", (source, outputs), {}))
        for precision in outputs:
            options["on_event"](Stage("build", "Building the graph"))
            options["on_done"](precision, conversion(precision))
        return {"failures": []}

    return fake_services(
        called,
        run_checks=run_checks,
        chat=chat,
        inspect=inspect_and_estimate,
        convert_many=convert_many,
        preset_inference_model=lambda *_: INFERENCE_MODEL,
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
    shown = capsys.readouterr()
    assert code == 0, shown
    ran = [name for name in called.names() if name != "inspect"]
    assert [name for name in ran if name in ("convert", "deploy", "chat", "benchmark")] == [
        "convert",
        "deploy",
        "chat",
        "benchmark",
    ]
    assert "check_quality" in ran
    assert "\x1b" not in shown.out and "\r" not in shown.out and shown.err == ""
    assert "Building the graph." in shown.out
    assert "Summary." in shown.out and "failed" not in shown.out
    (run,) = list_runs()
    plan = read_run_toml(run.folder / "run.toml")
    assert plan.precisions == ("int4",) and plan.deploy is not None
    assert plan.deploy.name == "sample-int4"


def test_answers_choose_and_wrong_ones_are_asked_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    called = Called()
    answers = [str(tmp_path / "nowhere"), "sample", "99", "int8", "-", "-", "perhaps", "no", "n"]
    assert walked(called, *answers, "yes") == 0
    shown = capsys.readouterr().out
    assert "There is no folder" in shown and "Answer yes or no." in shown
    assert "Answer with a number" in shown
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
