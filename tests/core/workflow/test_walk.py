"""A walk: every step once, in order, kept in the ledger; what fails ends what needs it, and nothing else."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from firstlight_core.documents.ledger import LEDGER_VALUES
from firstlight_core.documents.reading import fits
from firstlight_core.errors import CheckFailed, JobFailed, StateProblem, ToolchainMissing
from firstlight_core.ledger import Run
from firstlight_core.measure.benchmark import NEW_TOKENS, REPEATS
from firstlight_core.paths import find_paths
from firstlight_core.process.events import Event, Stage
from firstlight_core.steps import STEPS
from firstlight_core.workflow.plan import (
    BenchChoice,
    ChatChoice,
    DeployChoice,
    Plan,
    QualityChoice,
    TemplateChoice,
)
from firstlight_core.workflow.run_file import read_run_toml
from firstlight_core.workflow.services import Services
from firstlight_core.workflow.walk import walk
from tests.support import documents

PLAN = Plan(
    source=Path("/models/m"),
    precisions=("int4", "int8"),
    use="int8",
    template=TemplateChoice(),
    deploy=DeployChoice(name="mine"),
    chat=ChatChoice(prompts=("Hi?",)),
    benchmark=BenchChoice(lengths=(16,), precisions=("int4", "int8")),
    quality=QualityChoice(reference=Path("/models/m")),
)


TURN = {"prompt": "Hi?", "text": "Ho."}


class Recorder:
    """Stand-ins for the core functions: they note how they were called, and fail when told to."""

    def __init__(self, failing: dict[str, Any] | None = None) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.failing = failing or {}

    def tell(self, name: str, answer: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        options = {k: v for k, v in options.items() if k != "on_event"}
        self.calls.append((name, args, options))
        outcome = self.failing.get(name, answer)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def later(self, name: str, answer: Any) -> Callable[..., Any]:
        async def call(*args: Any, **options: Any) -> Any:
            return self.tell(name, answer, args, options)

        return call

    def now(self, name: str, answer: Any) -> Callable[..., Any]:
        return lambda *args, **options: self.tell(name, answer, args, options)

    async def convert(
        self, source: Path, outputs: dict[str, Path], **options: Any
    ) -> dict[str, Any]:
        done = options.pop("on_done")
        self.tell("convert", {}, (source, outputs), options)
        failures = []
        for precision in outputs:
            if failure := self.failing.get(precision):
                document = {"kind": "failure", "error": failure.to_json()}
                failures.append({"precision": precision, **document})
            else:
                document = documents.converted(precision, str(outputs[precision]))
            done(precision, document)
        return {"ok": not failures, "failures": failures}

    @property
    def services(self) -> Services:
        return Services(
            run_checks=self.later("run_checks", documents.doctor()),
            inspect=self.now("inspect", documents.inspected("/models/m")),
            adopt=self.now("adopt", {"artifact": "/onnx"}),
            convert_many=self.convert,
            preset_inference_model=self.now("preset_inference_model", {"Name": "n"}),
            settle_template=self.later("settle_template", documents.settled()),
            deploy=self.later("deploy", documents.answered("mine")),
            chat=self.later("chat", documents.questions("/m", TURN)["turns"]),
            benchmark=self.later("benchmark", documents.bench()),
            check_quality=self.later("check_quality", documents.quality("/m")),
            write_report=self.now("write_report", {"html": "report.html"}),
            sweep_staging=list,
        )

    def called(self, name: str) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        return [(args, options) for called, args, options in self.calls if called == name]


async def walked(
    tmp_path: Path, plan: Plan = PLAN, **failing: Any
) -> tuple[dict[str, Any], Recorder, Run]:
    recorder = Recorder(failing)
    document = await walk(plan, runs=tmp_path / "runs", services=recorder.services)
    return document, recorder, Run.open(document["run"], runs=tmp_path / "runs")


def statuses(document: dict[str, Any]) -> dict[str, str]:
    return {step["id"]: step["status"] for step in document["steps"]}


async def test_every_step_happens_once_and_in_order(tmp_path: Path) -> None:
    document, recorder, run = await walked(tmp_path)
    assert [step["id"] for step in document["steps"]] == [step.id for step in STEPS]
    assert set(statuses(document).values()) == {"done"}
    assert document["ok"] is True
    assert document["report"] == {"html": "report.html"}
    assert [call[0] for call in recorder.calls] == [
        *("run_checks", "inspect", "convert", "preset_inference_model", "settle_template"),
        *("deploy", "chat", "benchmark", "check_quality", "write_report"),
    ]
    assert [(e.step, e.status) for e in run.entries()] == [
        *(("environment", "done"), ("model", "done"), ("precision", "done"), ("convert", "done")),
        *(("convert", "done"), ("template", "done"), ("deploy", "done"), ("chat", "done")),
        *(("benchmark", "done"), ("quality", "done"), ("summary", "done")),
    ]


async def test_edited_configurations_reach_the_conversion(tmp_path: Path) -> None:
    configs = {"int4": {"passes": {"build": {"type": "ModelBuilder"}}}}
    _, recorder, run = await walked(tmp_path, replace(PLAN, configs=configs))
    ((_, options),) = recorder.called("convert")
    assert options == {"method": "config", "configs": configs, "calibration": None}
    (entry,) = [e for e in run.entries() if e.step == "precision"]
    assert entry.values["edited"] == ["int4"]


async def test_the_calibration_text_reaches_the_conversion(tmp_path: Path) -> None:
    text = tmp_path / "mine.txt"
    text.write_text("The words that this model will meet. " * 20)
    _, recorder, run = await walked(tmp_path, replace(PLAN, calibration=text))
    ((_, options),) = recorder.called("convert")
    assert options["calibration"] == text
    (entry,) = [e for e in run.entries() if e.step == "precision"]
    assert entry.values["calibration"] == str(text)


async def test_each_step_gets_what_the_plan_says(tmp_path: Path) -> None:
    _, recorder, run = await walked(tmp_path)
    artifacts = run.folder / "artifacts"
    outputs = {key: artifacts / key for key in ("int4", "int8")}
    assert recorder.called("convert") == [
        ((Path("/models/m"), outputs), {"method": "config", "configs": None, "calibration": None})
    ]
    used = artifacts / "int8"
    assert recorder.called("settle_template") == [
        ((used, {"Name": "n"}), {"source": Path("/models/m")})
    ]
    assert recorder.called("deploy") == [
        (
            (used, "mine"),
            {"target": "foundry", "replace": True, "cache": "private", "capacity": None},
        )
    ]
    assert recorder.called("chat") == [((used, ("Hi?",)), {"system": "", "max_tokens": 128})]
    both = [str(artifacts / "int4"), str(used)]
    assert recorder.called("benchmark") == [
        ((both,), {"lengths": (16,), "new_tokens": NEW_TOKENS, "repeats": REPEATS})
    ]
    assert recorder.called("check_quality") == [
        (([str(used)],), {"prompts": None, "reference": Path("/models/m"), "text": None})
    ]


async def test_the_run_can_be_repeated_from_its_own_file(tmp_path: Path) -> None:
    _, _, run = await walked(tmp_path)
    assert read_run_toml(run.folder / "run.toml") == PLAN


@pytest.mark.parametrize(
    ("failing", "failed", "skipped"),
    [
        ({"run_checks": {**documents.doctor(), "verdict": "blocked"}}, "environment", 8),
        ({"inspect": ToolchainMissing("no")}, "model", 7),
        ({"convert": JobFailed("no")}, "convert", 5),
        ({"settle_template": CheckFailed("no")}, "template", 1),
        ({"deploy": documents.answered("mine", verified=False)}, "deploy", 0),
        ({"chat": JobFailed("no")}, "chat", 0),
        ({"benchmark": JobFailed("no")}, "benchmark", 0),
        ({"check_quality": documents.quality("/m", ok=False)}, "quality", 0),
    ],
)
async def test_a_failure_ends_only_what_needs_it(
    tmp_path: Path, failing: dict[str, Any], failed: str, skipped: int
) -> None:
    document, recorder, run = await walked(tmp_path, **failing)
    by_step = statuses(document)
    assert by_step[failed] == "failed"
    assert list(by_step.values()).count("failed") == 1
    assert list(by_step.values()).count("skipped") == skipped
    assert by_step["summary"] == "done" and recorder.called("write_report")
    assert document["ok"] is False
    reasons = {s.get("reason") for s in document["steps"] if s["status"] == "skipped"}
    assert reasons <= {f"{failed} failed"}
    assert {e.step: e.status for e in run.entries()} == by_step


async def test_what_failed_is_told_with_its_hint(tmp_path: Path) -> None:
    document, _, run = await walked(tmp_path, convert=JobFailed("It broke.", hint="Mend it."))
    (step,) = [s for s in document["steps"] if s["id"] == "convert"]
    assert step["error"] == {"code": "job-failed", "message": "It broke.", "hint": "Mend it."}
    (entry,) = [e for e in run.entries() if e.step == "convert"]
    assert entry.values["error"]["message"] == "It broke."


async def test_a_precision_that_fails_does_not_lose_the_others(tmp_path: Path) -> None:
    document, recorder, run = await walked(tmp_path, int4=JobFailed("It broke.", hint="Mend it."))
    by_step = statuses(document)
    assert by_step["convert"] == "failed" and "skipped" not in by_step.values()
    (step,) = [s for s in document["steps"] if s["id"] == "convert"]
    assert step["error"]["message"] == "It broke."
    assert [
        (e.status, e.values.get("precision")) for e in run.entries() if e.step == "convert"
    ] == [
        ("failed", "int4"),
        ("done", "int8"),
        ("failed", None),
    ]
    assert recorder.called("benchmark")[0][0] == ([str(run.folder / "artifacts" / "int8")],)


async def test_without_the_precision_in_use_nothing_later_happens(tmp_path: Path) -> None:
    document, recorder, _ = await walked(tmp_path, int8=JobFailed("no"))
    assert list(statuses(document).values()).count("skipped") == 5
    assert not recorder.called("deploy")


async def test_a_short_plan_skips_what_it_does_not_name(tmp_path: Path) -> None:
    document, recorder, _ = await walked(
        tmp_path, Plan(source=Path("/m"), precisions=("int4",), use="int4")
    )
    skipped = [s["id"] for s in document["steps"] if s["status"] == "skipped"]
    assert skipped == ["template", "deploy", "chat", "benchmark", "quality"]
    assert not recorder.called("settle_template")
    assert {s["reason"] for s in document["steps"] if s["status"] == "skipped"} == {
        "not in the plan"
    }
    assert document["ok"] is True


async def test_an_adopted_artifact_is_not_converted(tmp_path: Path) -> None:
    plan = Plan(artifact=Path("/onnx"), chat=ChatChoice(prompts=("Hi?",)))
    document, recorder, _ = await walked(tmp_path, plan)
    assert not recorder.called("convert") and not recorder.called("inspect")
    assert not recorder.called("settle_template")
    assert recorder.called("chat")[0][0][0] == Path("/onnx")
    assert statuses(document)["convert"] == "skipped"


async def test_each_step_is_announced(tmp_path: Path) -> None:
    heard: list[Event] = []
    await walk(PLAN, runs=tmp_path, services=Recorder().services, on_event=heard.append)
    assert [e.name for e in heard if isinstance(e, Stage)] == [step.id for step in STEPS]


async def test_a_cancelled_walk_is_recorded_as_such(tmp_path: Path) -> None:
    reached = asyncio.Event()

    async def hang(*args: Any, **options: Any) -> dict[str, Any]:
        reached.set()
        await asyncio.Event().wait()
        return {}

    services = Recorder().services.replaced(convert_many=hang)
    task = asyncio.create_task(walk(PLAN, runs=tmp_path, services=services))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (folder,) = tmp_path.glob("*/ledger.jsonl")
    last = [*Run(folder.parent).entries()][-1]
    assert (last.step, last.status) == ("convert", "cancelled")


async def test_no_room_for_a_run_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(StateProblem):
        await walk(PLAN, runs=tmp_path / "runs", services=Recorder().services)


async def test_what_a_killed_run_left_half_done_is_swept_first(tmp_path: Path) -> None:
    left = find_paths().runs / "20261129-111111-m" / "artifacts" / ".firstlight-int4-dbffd0f6"
    (left / "work").mkdir(parents=True)
    (left / "lock").write_text("")
    whole = left.with_name("int8")
    whole.mkdir()
    services = Recorder().services.replaced(sweep_staging=Services().sweep_staging)
    await walk(PLAN, runs=tmp_path, services=services)
    assert not left.exists() and whole.is_dir()


async def test_a_length_that_was_shortened_is_told(tmp_path: Path) -> None:
    document, _, _ = await walked(
        tmp_path, settle_template=documents.settled(fitted="max_length is shortened.")
    )
    (step,) = [s for s in document["steps"] if s["id"] == "template"]
    assert (step["status"], step["reason"]) == ("done", "max_length is shortened.")


async def test_what_a_walk_records_has_the_type_of_its_event(tmp_path: Path) -> None:
    _, _, run = await walked(tmp_path)
    recorded = [e for e in run.entries() if e.status == "done" and e.step in LEDGER_VALUES]
    assert len(recorded) == 10
    for entry in recorded:
        kinds = LEDGER_VALUES[entry.step]
        assert any(fits(entry.values, kind) for kind in kinds), entry.step
