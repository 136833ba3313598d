"""A whole walk without a screen: the steps of the wizard, one after another, kept in the ledger.

The environment, the model and the conversion are needed by whatever comes later: the first of them that fails ends the
walk, and the later steps are `skipped`. Any other step that fails is told and the walk goes on; only the deployment needs
a settled template. The report is written in any case.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from firstlight_core.documents.workflow import ReportPaths, RunDocument, RunStep
from firstlight_core.errors import CheckFailed, FirstlightError
from firstlight_core.ledger import Run
from firstlight_core.measure.benchmark import LENGTHS, NEW_TOKENS, REPEATS
from firstlight_core.paths import RUN_FILE
from firstlight_core.process.events import Event, Stage
from firstlight_core.report.facts import verdict_of
from firstlight_core.steps import find_step
from firstlight_core.workflow.plan import (
    BenchChoice,
    ChatChoice,
    DeployChoice,
    Plan,
    QualityChoice,
    TemplateChoice,
)
from firstlight_core.workflow.run_file import write_plan
from firstlight_core.workflow.services import SERVICES, Services

Document = Mapping[str, Any]

_NOT_PLANNED = "not in the plan"
_NO = "everything ran, and the answer is no"


async def walk(
    plan: Plan,
    *,
    on_event: Callable[[Event], None] | None = None,
    runs: Path | None = None,
    services: Services = SERVICES,
) -> RunDocument:
    """Do what `plan` says in a new run.

    A step that did not happen has a `reason`, a failed one an `error`. Artifacts go to
    `runs/<id>/artifacts/<precision>`.

    Raises:
        StateProblem: the run's folder or ledger cannot be written.
    """
    await asyncio.to_thread(services.sweep_staging)
    run = Run.create(str(plan.subject), runs=runs)
    write_plan(run.folder / RUN_FILE, plan)
    return await _Walk(plan, run, services, on_event).go()


class _Walk:
    """The state of one walk."""

    def __init__(
        self, plan: Plan, run: Run, services: Services, on_event: Callable[[Event], None] | None
    ) -> None:
        self.plan = plan
        self.run = run
        self.services = services
        self.on_event = on_event
        self.steps: list[RunStep] = []
        self.failed: set[str] = set()
        self.artifacts: dict[str, Path] = {}
        self.artifact: Path | None = plan.artifact
        self.report: ReportPaths = {}

    async def go(self) -> RunDocument:
        plan = self.plan
        await self._step("environment", self._environment)
        await self._step("model", self._model)
        adopted = "an adopted artifact is not converted" if plan.source is None else None
        await self._step("precision", self._precision, skip=adopted)
        await self._step("convert", self._convert, skip=adopted, record_done=False)
        choices: tuple[tuple[str, Any, Callable[[Any], Awaitable[Document]]], ...] = (
            ("template", plan.template, self._template),
            ("deploy", plan.deploy, self._deploy),
            ("chat", plan.chat, self._chat),
            ("benchmark", plan.benchmark, self._benchmark),
            ("quality", plan.quality, self._quality),
        )
        for step, choice, work in choices:
            await self._step(
                step,
                lambda work=work, choice=choice: work(choice),  # type: ignore[misc]
                skip=_NOT_PLANNED if choice is None else None,
            )
        await self._step("summary", self._summary)
        return {
            "ok": all(step["status"] != "failed" for step in self.steps),
            "run": self.run.id,
            "folder": str(self.run.folder),
            "steps": self.steps,
            "report": self.report,
        }

    async def _step(
        self,
        step: str,
        work: Callable[[], Awaitable[Document]],
        *,
        skip: str | None = None,
        record_done: bool = True,
    ) -> None:
        row = find_step(step)
        assert row is not None
        for needed in row.needs:
            if needed in self.failed:
                skip = f"{needed} failed"
        if skip is not None:
            self.run.record(step, "skipped", values={"reason": skip})
            self.steps.append({"id": step, "status": "skipped", "seconds": 0.0, "reason": skip})
            return
        if self.on_event is not None:
            self.on_event(Stage(step, row.stage))
        begun = time.perf_counter()
        outcome: RunStep = {"id": step, "status": "done", "seconds": 0.0}
        try:
            values = await work()
            if values.get("ok", True):
                if fitted := values.get("fitted"):
                    outcome["reason"] = str(fitted)
            else:
                outcome["status"] = "failed"
                if "error" in values:
                    outcome["error"] = values["error"]
                else:
                    outcome["reason"] = verdict_of(step, values) or _NO
        except FirstlightError as error:
            outcome["status"], outcome["error"] = "failed", error.to_json()
            values = {"error": outcome["error"]}
        except asyncio.CancelledError:
            self.run.record(step, "cancelled", seconds=_since(begun))
            raise
        if outcome["status"] == "failed" or record_done:
            self.run.record(step, outcome["status"], seconds=_since(begun), values=values)
        outcome["seconds"] = _since(begun)
        self.steps.append(outcome)
        # Where only another precision failed, the one in use can still be deployed, asked and measured.
        if outcome["status"] == "failed" and not (step == "convert" and self.artifact is not None):
            self.failed.add(step)

    async def _environment(self) -> Document:
        document = await self.services.run_checks()
        return {**document, "ok": document.get("verdict") != "blocked"}

    async def _model(self) -> Document:
        if self.plan.source is not None:
            document = await asyncio.to_thread(self.services.inspect, self.plan.source)
            return {"path": str(self.plan.source), **document}
        return await asyncio.to_thread(self.services.adopt, self.plan.subject)

    async def _precision(self) -> Document:
        edited = {"edited": sorted(self.plan.configs)} if self.plan.configs else {}
        return {
            "precisions": list(self.plan.precisions),
            "use": self.plan.use,
            "method": self.plan.method,
            **edited,
        }

    async def _convert(self) -> Document:
        """Each finished precision is recorded at once: a later failure must not lose it."""
        assert self.plan.source is not None
        outputs = {key: self.run.folder / "artifacts" / key for key in self.plan.precisions}
        begun = time.perf_counter()

        def done(precision: str, document: Document) -> None:
            nonlocal begun
            failed = "error" in document
            values = {"precision": precision, **document} if failed else document
            status = "failed" if failed else "done"
            self.run.record("convert", status, seconds=_since(begun), values=values)
            begun = time.perf_counter()
            if not failed:
                self.artifacts[precision] = outputs[precision]

        converted = await self.services.convert_many(
            self.plan.source,
            outputs,
            method=self.plan.method,
            configs=self.plan.configs or None,
            on_event=self.on_event,
            on_done=done,
        )
        self.artifact = self.artifacts.get(self.plan.use or self.plan.precisions[0])
        failures = converted.get("failures") or ()
        return {"ok": not failures} | ({"error": failures[0]["error"]} if failures else {})

    async def _template(self, choice: TemplateChoice) -> Document:
        artifact = self._in_use()
        name = self.plan.deploy.name if self.plan.deploy else _plain_name(self.plan)
        model = choice.inference_model or self.services.preset_inference_model(
            artifact, name, choice.preset
        )
        document = await self.services.settle_template(artifact, model, source=self.plan.source)
        return {**document, "ok": bool(document.get("locked", True))}

    async def _deploy(self, choice: DeployChoice) -> Document:
        deployed = await self.services.deploy(
            self._in_use(),
            choice.name,
            target=choice.target,
            replace=choice.replace,
            cache=choice.cache,
            capacity=choice.capacity,
            on_event=self.on_event,
        )
        return {**deployed}

    async def _chat(self, choice: ChatChoice) -> Document:
        turns = await self.services.chat(
            self._in_use(), choice.prompts, system=choice.system, max_tokens=choice.max_tokens
        )
        return {"artifact": str(self._in_use()), "system": choice.system, "turns": turns}

    async def _benchmark(self, choice: BenchChoice) -> Document:
        return await self.services.benchmark(
            [str(folder) for folder in self._subjects(choice.precisions)],
            lengths=choice.lengths or LENGTHS,
            new_tokens=choice.new_tokens or NEW_TOKENS,
            repeats=choice.repeats or REPEATS,
            on_event=self.on_event,
        )

    async def _quality(self, choice: QualityChoice) -> Document:
        return await self.services.check_quality(
            [str(folder) for folder in self._subjects(choice.precisions)],
            prompts=choice.prompts,
            reference=choice.reference,
            text=choice.text,
            on_event=self.on_event,
        )

    async def _summary(self) -> Document:
        self.report = await asyncio.to_thread(self.services.write_report, self.run)
        return {"ok": True, **self.report}

    def _in_use(self) -> Path:
        if self.artifact is None:
            raise CheckFailed("There is no artifact to work on.")
        return self.artifact

    def _subjects(self, precisions: Sequence[str]) -> list[Path]:
        artifacts = [self.artifacts[key] for key in precisions if key in self.artifacts]
        return artifacts or [self._in_use()]


def _since(begun: float) -> float:
    return round(time.perf_counter() - begun, 3)


def _plain_name(plan: Plan) -> str:
    return "-".join([plan.subject.name or "model", *([plan.use] if plan.use else [])])
