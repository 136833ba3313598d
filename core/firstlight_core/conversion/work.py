"""The work that several conversions of one source share: the stagings, one child, the gate, the publish."""

import asyncio
import contextlib
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self, cast

from firstlight_core.artifact.manifest import folder_bytes
from firstlight_core.artifact.publishing import (
    Staging,
    open_staging,
    publish,
    tool_versions,
    write_manifest,
)
from firstlight_core.conversion.gate import Gate
from firstlight_core.conversion.inspected_source import InspectedSource
from firstlight_core.conversion.plan import ConversionPlan
from firstlight_core.conversion.preflight import (
    check_room,
    check_unchanged,
    look,
    olive_command,
)
from firstlight_core.conversion.progress import HELD, PEAK
from firstlight_core.conversion.verdict import judge
from firstlight_core.documents.artifact import ManifestValues
from firstlight_core.documents.conversion import ConversionDocument, ConversionFigures, OliveFigures
from firstlight_core.documents.jobs_conversion import ANSWERS, CONVERT, AnswersReply, ConvertStart
from firstlight_core.documents.precision import Expected
from firstlight_core.errors import FirstlightError, JobDied, OutOfMemory
from firstlight_core.estimate.estimates import Room, estimate, remember_conversion
from firstlight_core.model.inspection import inspect_model
from firstlight_core.monitor import PeakMemory
from firstlight_core.process.events import Event, LogPath, Measured, Stage
from firstlight_core.process.operations import Call, Empty, Job, ReplyT
from firstlight_core.process.runner import OpenJob, open_job
from firstlight_core.text import shown_path

_CONVERT: Job[ConvertStart, Empty] = Job("convert")
Listen = Callable[[Event], None] | None
Started = Callable[[int], None] | None
BUILD, CHECK = "build", "check"
"""The two stages with peaks of their own: Olive, and the original together with the artifact."""
_DROP = ("model_config.json",)
"""Olive's own note, full of paths of the work folder."""


@dataclass(frozen=True, slots=True)
class BuiltArtifact:
    """An artifact that Olive has built and the gate has not checked yet."""

    plan: ConversionPlan
    measured: OliveFigures
    gate: Gate
    """Where the check is under way."""
    original: AnswersReply
    """The answers and logits of the original."""
    begun: float
    """`time.perf_counter` when its conversion began."""
    memory: PeakMemory
    """Peak memory of all processes of this conversion together."""


class ConversionWork:
    """The stagings and the one child that several conversions of one source share."""

    def __init__(
        self,
        plans: list[ConversionPlan],
        *,
        force: bool,
        on_event: Listen,
        started: Started,
        olive: str | None,
    ) -> None:
        self._plans = plans
        self._force = force
        self._on_event = on_event
        self._started = started
        self._olive = olive_command(olive)
        self._before: InspectedSource | None = None
        self._stagings: dict[str, Staging] = {}
        self._folders = contextlib.ExitStack()
        self._children = contextlib.AsyncExitStack()
        self._job: OpenJob | None = None
        self._memories: list[PeakMemory] = []

    async def __aenter__(self) -> Self:
        for plan in self._plans:
            self._before = await asyncio.to_thread(look, plan, self._before)
        try:
            for plan in self._plans:
                staging = self._folders.enter_context(open_staging(plan.output))
                self._stagings[str(plan.output)] = staging
        except BaseException:
            self._folders.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._children.aclose()
        finally:
            self._folders.close()

    async def build(self, plan: ConversionPlan) -> BuiltArtifact:
        """Build one plan with Olive into its staging; the first call also runs the original.

        Raises:
            FirstlightError: there is no room, or Olive failed.
        """
        assert self._before is not None
        staging = self._staging(plan)
        if not self._olive:
            check_room(plan, self._before, staging.folder, force=self._force)
        self._say(Stage("start", f"Converting to {plan.precision.label}"))
        begun = time.perf_counter()
        gate = Gate()
        memory = PeakMemory()
        try:
            memory.begin(BUILD)
            await gate.open(staging.folder)
            memory.add(gate.pid)
            self._watch(memory)
            measured = await self._ask(plan, staging, memory)
            memory.begin(CHECK)
            for name in _DROP:
                (staging.artifact / name).unlink(missing_ok=True)
            gate.begin(staging.artifact, Expected() if self._olive else plan.expected)
            original = await self._ask_original(plan, staging)
            return BuiltArtifact(plan, measured, gate, original, begun, memory)
        except BaseException:
            await gate.close()
            await self._unwatch(memory)
            raise

    async def _ask_original(self, plan: ConversionPlan, staging: Staging) -> AnswersReply:
        """Return what the original computes; without it an artifact is published as what nothing was proven of."""
        if self._olive:
            return _unasked("FIRSTLIGHT_OLIVE made it: the original was not asked.")
        try:
            return await self._request(
                ANSWERS({"config": plan.run_config, "artifact": str(staging.artifact)})
            )
        except (OutOfMemory, JobDied):
            return _unasked("The memory did not suffice to ask the original.")
        except FirstlightError as error:
            if self._force:
                return _unasked(str(error))
            raise

    async def settle(self, built: BuiltArtifact, *, quiet: bool = False) -> ConversionDocument:
        """Check and publish; `quiet` while the next one is being built, whose events count.

        Raises:
            FirstlightError: the gate is closed, or the disk refuses; an earlier output is untouched.
        """
        try:
            return await self._settle(built, quiet=quiet)
        finally:
            await built.gate.close()
            await self._unwatch(built.memory)

    async def _settle(self, built: BuiltArtifact, *, quiet: bool) -> ConversionDocument:
        assert self._before is not None
        plan, measured, memory = built.plan, built.measured, built.memory
        staging = self._staging(plan)
        if quiet and self._job is not None:
            # The child builds the next one meanwhile; to this one belongs what it still held.
            memory.fix(self._job.pid)
        listen = None if quiet else self._on_event
        if listen is not None:
            listen(Stage("check", "Loading the result in a fresh process"))
        passed = await built.gate.result(staging.artifact, built.original)
        memory.take()
        peak = max(memory.peak, measured["olive_peak_rss_bytes"])
        passed["calibrated"] = "calibration" in measured
        passed["precision"] = plan.precision.key
        numbers = judge(passed, built.original, force=self._force)
        check_unchanged(self._before)
        fingerprint = inspect_model(plan.source).fingerprint
        if listen is not None:
            listen(Stage("publish", "Publishing"))
        figures: ConversionFigures = {
            "artifact": str(plan.output),
            "precision": plan.precision.key,
            "bytes": folder_bytes(staging.artifact),
            "seconds": round(time.perf_counter() - built.begun, 3),
            **measured,
            "peak_rss_bytes": peak,
            "peak_rss_by_stage": dict(memory.peaks),
            "command": plan.command,
            "smoke": passed["smoke"],
            "method": plan.method,
            "built": passed["built"],
            **numbers,
            "source": {"path": str(plan.source), "fingerprint": fingerprint},
        }
        await _publish(plan, staging, figures)
        if "olive_load_seconds" in measured and not plan.edited:
            remember_conversion(
                self._before.inspection,
                plan.precision,
                answers=plan.answers,
                # Beside the next build it takes longer than alone.
                seconds=None if quiet else figures["seconds"],
                peak_rss_bytes=peak,
            )
        return cast(ConversionDocument, {"kind": "conversion", **figures})

    def roomy(self, plan: ConversionPlan) -> bool:
        """Return whether a gate may run beside the build of `plan`: the memory is twice what the build needs."""
        assert self._before is not None
        room = Room.here(self._staging(plan).folder)
        cost = estimate(self._before.inspection, plan.precision, room=room)
        return room.memory > 2 * cost["peak_ram_bytes"]

    def _staging(self, plan: ConversionPlan) -> Staging:
        return self._stagings[str(plan.output)]

    def _watch(self, memory: PeakMemory) -> None:
        self._memories.append(memory)

        def tell(sampled: PeakMemory) -> None:
            if sampled is self._memories[-1]:
                held = sum(other.live for other in self._memories)
                self._say(Measured(HELD, float(held), "B"))
                self._say(Measured(PEAK, float(sampled.peak), "B"))

        memory.start(tell)

    async def _unwatch(self, memory: PeakMemory) -> None:
        await memory.stop()
        if memory in self._memories:
            self._memories.remove(memory)

    def _say(self, event: Event) -> None:
        if self._on_event is not None:
            self._on_event(event)

    async def _ask(
        self, plan: ConversionPlan, staging: Staging, memory: PeakMemory
    ) -> OliveFigures:
        """Have the child run Olive once; a child that died before is replaced."""
        if self._job is None or not self._job.alive:
            await self._children.aclose()
            request: ConvertStart = {"work": str(staging.work), "olive": self._olive}
            self._job = await self._children.enter_async_context(
                open_job(_CONVERT, request, cwd=staging.work)
            )
            if self._started is not None:
                self._started(self._job.pid)
            if self._job.log_path is not None:
                self._say(LogPath(shown_path(self._job.log_path)))
        memory.add(self._job.pid)
        assert self._before is not None
        text = plan.calibration.to_json() if plan.calibration is not None else None
        return await self._request(
            CONVERT(
                {
                    "config": plan.run_config,
                    "folder": str(staging.folder),
                    "layers": self._before.inspection.shape.layers,
                    "calibration": text,
                    "force": self._force,
                }
            )
        )

    async def _request(self, call: Call[ReplyT]) -> ReplyT:
        assert self._job is not None
        try:
            return await self._job.call(call, on_event=self._say)
        except OutOfMemory:
            # What a dying run holds must not be in the way of the next one.
            await self._children.aclose()
            raise


def _unasked(reason: str) -> AnswersReply:
    return {"reference": None, "proof": None, "reason": reason}


async def _publish(plan: ConversionPlan, staging: Staging, figures: ConversionFigures) -> None:
    """Hash, describe and publish in a thread that a cancel waits for: it is done, or it is not."""
    stop = threading.Event()

    def finish() -> None:
        shutil.rmtree(staging.work / "cache", ignore_errors=True)
        values = cast(ManifestValues, {**figures})
        values["artifact"] = plan.output.name
        values["run_config"] = plan.run_config
        values["tools"] = tool_versions()
        values["made_at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        write_manifest(staging.artifact, values, stop=stop)
        publish(staging.artifact, plan.output, keep_previous=True)

    task = asyncio.ensure_future(asyncio.to_thread(finish))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait({task})
        raise
