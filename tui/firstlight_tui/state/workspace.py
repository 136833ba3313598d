"""Everything that the wizard knows, whichever step is on the screen: session, work, conversations, drafts, the run."""

import asyncio
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from firstlight_core.conversion.progress import HELD
from firstlight_core.documents.ledger import LedgerValues, TurnValues
from firstlight_core.documents.template import TemplatePreview
from firstlight_core.documents.workflow import SummaryFiles
from firstlight_core.errors import FirstlightError
from firstlight_core.exports.vllm_command import Capacity
from firstlight_core.inference.transcript import Turn
from firstlight_core.ledger import Run as LedgerRun
from firstlight_core.machine import MachineReader
from firstlight_core.monitor import (
    ALERT_THRESHOLDS,
    AlertThresholds,
    History,
    Sample,
    TreeCpu,
)
from firstlight_core.paths import Paths, find_paths
from firstlight_core.session import Session
from firstlight_core.steps import outdated_steps
from firstlight_core.workflow.services import Services
from firstlight_tui.state.chat import Chat
from firstlight_tui.state.conversation import Change
from firstlight_tui.state.deployment import Choice, ServiceWish
from firstlight_tui.state.machine_view import MachineView, MonitorMode, machine_view, rates_now
from firstlight_tui.state.navigation import Navigation
from firstlight_tui.state.run_record import RunRecord
from firstlight_tui.state.service import LocalService
from firstlight_tui.state.signal import Signal
from firstlight_tui.state.tasks import Tasks
from firstlight_tui.state.template_draft import TemplateDraft
from firstlight_tui.state.work import ResultT, Run, Work, WorkKey, WorkOf, Works

REPORT = WorkKey[SummaryFiles]("report")
"""The work that writes the report."""


@dataclass(slots=True)
class Drafts:
    """Inputs of the steps that are not part of the session yet; they survive a walk to another step."""

    model: str | None = None
    """A folder or a hub id from the command line, until the Model step has looked into it."""
    template: TemplateDraft | None = None
    chat_template: tuple[str, str] | None = None
    """Artifact and Jinja text, as typed."""
    template_preview: tuple[tuple[str | None, dict[str, str]], TemplatePreview] | None = None
    """`(artifact, PromptTemplate)` and the tokens of their preview."""
    deployment: tuple[str | None, Choice] | None = None
    """Artifact and choice, unless it is as suggested."""
    capacity: Capacity | None = None
    """The last requested size of a vLLM server."""
    service: ServiceWish = field(default_factory=ServiceWish)

    def deployment_of(self, artifact: str | None) -> Choice | None:
        """Return what was chosen for this artifact, None when nothing was."""
        if self.deployment is None or self.deployment[0] != artifact:
            return None
        return self.deployment[1]


class Workspace:
    """The state of one wizard. What cannot be controlled is an argument with a real default."""

    def __init__(
        self,
        tasks: Tasks,
        *,
        navigation: Navigation | None = None,
        session: Session | None = None,
        services: Services | None = None,
        history: History | None = None,
        paths: Paths | None = None,
        warn: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        """`tasks` runs long work; `warn` tells the user a sentence."""
        self.tasks = tasks
        self.navigation = navigation or Navigation(())
        self.services = services or Services()
        self.paths = paths or find_paths()
        self._machine = MachineReader()
        self.monitor = MonitorMode()
        self.thresholds: AlertThresholds = ALERT_THRESHOLDS
        """The figures above which the monitor warns."""
        self.history = history or History(read=self.read_machine)
        self._session = session or Session()
        self._job_cpu = TreeCpu()
        self._warn = warn
        self.session_changed: Signal[Session] = Signal()
        self.sampled: Signal[Sample] = Signal()
        self.worked: Signal[Work] = Signal()
        self.works = Works()
        self.chat = Chat(self.services.open_target, tasks)
        self.ledger = RunRecord(self._create_run, tasks, self._warn_of)
        self.chat.changed.listen(self._chat_changed)
        self._recorded_answers: list[Turn] = []
        self.drafts = Drafts()
        self.model_named: Signal[str] = Signal()
        self.service = LocalService(self.services)

    # Session --------------------------------------------------------------------------------------

    @property
    def is_new(self) -> bool:
        """Whether nothing has been decided yet, and nothing was named on the command line."""
        return self._session == Session() and self.drafts.model is None

    @property
    def session(self) -> Session:
        """The session: decisions and results so far."""
        return self._session

    @session.setter
    def session(self, session: Session) -> None:
        before, self._session = self._session, session
        if before != session:
            self._forget_stale_work(before, session)
            self.session_changed.publish(session)

    def _forget_stale_work(self, before: Session, after: Session) -> None:
        """Forget ended work of another model or choice: its failure says nothing about this one."""
        outdated = outdated_steps(after.changed_since(before))
        for step in self.navigation.steps:
            work = self.works.get(step.WORK) if step.STEP_ID in outdated else None
            if work is not None and not work.running:
                self.works.forget(step.WORK)

    def name_model(self, name: str) -> None:
        """Open the Model step and look into a folder or a hub id."""
        self.drafts.model = name
        for step in self.navigation.steps:
            if step.STEP_ID == "model":
                self.navigation.open(step)
        self.model_named.publish(name)

    # The machine ----------------------------------------------------------------------------------

    def read_machine(self) -> Sample:
        """Read the load of the machine, and the memory of the job that runs or of the chat's engine."""
        work = next((w for w in self.works if w.running and w.pid), None)
        sample = self._machine.read(work.pid if work else self.chat.first.pid, Path.home())
        decode, prefill = rates_now(self.busy, self.chat)
        sample = replace(sample, decode_rate=decode, prefill_rate=prefill)
        if work is None:
            return replace(sample, chat_cpu=sample.job_cpu, job_cpu=None)
        # A job may be several processes, all of them below the wizard.
        cpu = self._job_cpu.take(os.getpid())
        # A conversion is several processes; the core adds up their memory.
        held = work.measured.get(HELD)
        return replace(sample, job_cpu=cpu, job_rss=int(held) if held else sample.job_rss)

    async def take_sample(self) -> None:
        """Add a sample to the history and publish it."""
        await asyncio.to_thread(self.history.take)
        self.sampled.publish(self.history.last)

    def machine_view(self, samples: Iterable[Sample]) -> MachineView:
        """Return what the monitor shows of these samples and of what runs now."""
        return machine_view(samples, self.busy, self.chat, self.decode_rate, self.thresholds)

    @property
    def decode_rate(self) -> float | None:
        """Tokens a second of the measurement that decodes now, else of the chat while its model is loaded."""
        for work in self.busy:
            if rate := work.measured.get("decode_tps"):
                return rate
        return self.chat.first.decode_rate if self.chat.first.available else None

    # Work -----------------------------------------------------------------------------------------

    @property
    def busy(self) -> list[Work]:
        """The work that is running now."""
        return [work for work in self.works if work.running]

    def leave_question(self) -> str:
        """Return what must be asked before the wizard is left; empty when nothing would be lost."""
        lost = [work.label for work in self.busy if not work.only_looks]
        if not lost:
            return ""
        verb = "is" if len(lost) == 1 else "are"
        return f"{' and '.join(lost)} {verb} still running. Stop and quit? No partial files will be left."

    def start(
        self,
        key: WorkKey[ResultT],
        label: str,
        run: Run[ResultT],
        *,
        done: "Callable[[Workspace, ResultT, float], None] | None" = None,
        only_looks: bool = False,
    ) -> WorkOf[ResultT]:
        """Begin long work and return it; while work of that name runs, that one is returned instead.

        `done` gets the result and the seconds that it took, whichever step is on the screen then.
        Nothing is lost when work that `only_looks` is ended, so nobody is asked.
        """
        if (running := self.works.of(key)) is not None and running.running:
            return running
        work: WorkOf[ResultT] = WorkOf(key, label, only_looks)
        self.works.put(key, work)
        self.tasks.begin(partial(self._carry_out, work, run, done), name=key, group=key)
        return work

    async def _carry_out(
        self,
        work: WorkOf[ResultT],
        run: Run[ResultT],
        done: "Callable[[Workspace, ResultT, float], None] | None",
    ) -> None:
        def started(pid: int) -> None:
            work.pid = pid

        work.entered = True
        try:
            result = work.result = await run(work.take, started)
            work.end("done")
            for sentence in work.notices:
                self._warn(sentence)
            # The step that began it may not be on the screen any more; its result counts all the same.
            if done is not None:
                done(self, result, work.seconds)
        except FirstlightError as error:
            work.error = error
            work.end("failed")
        except asyncio.CancelledError:
            work.end("cancelled")
            raise
        finally:
            self.publish_works()

    def stop_work(self, name: str) -> None:
        """Cancel long work; its process group is ended."""
        if (work := self.works.get(name)) is not None and work.running:
            self.tasks.cancel(name)
            if not work.entered:
                # Cancelled before its first step: nothing of it runs that could say so.
                work.end("cancelled")
                self.publish_works()

    def publish_works(self) -> None:
        """Publish the work that runs or has changed since the last time."""
        for work in self.works:
            if work.dirty or work.running:
                work.dirty = False
                self.worked.publish(work)

    # The run --------------------------------------------------------------------------------------

    @property
    def run_record(self) -> LedgerRun | None:
        """The run on disk; None before anything was written."""
        return self.ledger.run

    def run_folder(self) -> Path:
        """Return the folder of this run, made when the first step has something to write.

        Raises:
            StateProblem: it cannot be made.
        """
        return self.ledger.folder()

    def record(self, step: str, status: str, values: LedgerValues, *, seconds: float = 0.0) -> None:
        """Append an entry to the run's ledger in the background; a full disk is reported, never fatal."""
        self.ledger.append(step, status, values, seconds=seconds)

    def _create_run(self) -> LedgerRun:
        name = self.session.source or self.session.artifact or "model"
        return LedgerRun.create(self.paths.model_name(name), runs=self.paths.runs)

    def _warn_of(self, error: FirstlightError) -> None:
        self._warn(f"{error} {error.hint}")

    def _chat_changed(self, change: Change) -> None:
        """Keep the conversation in the session, and each new answer in the ledger, whichever step is on the screen."""
        document = self.chat.document() if change == "status" else None
        if document is None:
            return
        if self.session.chat != document:
            self.session = self.session.decide(chat=document)
        answer = self.chat.newest_answer
        if answer is None or not answer.stats:
            return
        # By identity: the same question can get the same answer twice.
        if not any(answer is recorded for recorded in self._recorded_answers):
            self._recorded_answers.append(answer)
            values: TurnValues = {
                "kind": "turn",
                "prompt": self.chat.newest_question,
                "text": answer.text,
                "stats": answer.stats,
            }
            self.ledger.append("chat", "done", values)
