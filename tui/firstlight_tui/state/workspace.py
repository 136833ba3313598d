"""Everything that the wizard knows, whichever step is on the screen: session, work, conversations, drafts, the run."""

import asyncio
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from firstlight_core.conversion.progress import HELD
from firstlight_core.crowding import TreeDemand
from firstlight_core.documents.ledger import LedgerValues, TurnValues
from firstlight_core.documents.template import TemplatePreview
from firstlight_core.documents.workflow import SummaryFiles
from firstlight_core.errors import FirstlightError
from firstlight_core.inference.transcript import Turn
from firstlight_core.ledger import Run as LedgerRun
from firstlight_core.machine import MachineReader
from firstlight_core.monitor import (
    ALERT_THRESHOLDS,
    AlertThresholds,
    History,
    Sample,
    TreeCpu,
    child_pids,
)
from firstlight_core.paths import Paths, find_paths
from firstlight_core.session import Session
from firstlight_core.steps import outdated_steps
from firstlight_core.text import one_line
from firstlight_core.workflow.services import Services
from firstlight_tui.state.chat import Chat
from firstlight_tui.state.conversation import Change
from firstlight_tui.state.jobs import Jobs
from firstlight_tui.state.machine_view import MachineView, MonitorMode, machine_view, rates_now
from firstlight_tui.state.navigation import Navigation
from firstlight_tui.state.run_record import RunRecord
from firstlight_tui.state.service import LocalService, ServiceWish
from firstlight_tui.state.signal import Signal
from firstlight_tui.state.tasks import Tasks
from firstlight_tui.state.work import ResultT, Run, Work, WorkKey, WorkOf, Works, waits_words

REPORT = WorkKey[SummaryFiles]("report")
"""The work that writes the report."""

if TYPE_CHECKING:
    from firstlight_core.exports.vllm_command import Capacity
    from firstlight_tui.state.deployment import Choice
    from firstlight_tui.state.template_draft import TemplateDraft


@dataclass(slots=True)
class Drafts:
    """Inputs of the steps that are not part of the session yet; they survive a walk to another step."""

    model: str | None = None
    """A folder or a hub id from the command line, until the Model step has looked into it."""
    by_goal: bool = False
    """Whether somebody has asked for a goal: until then the precision to start with is recommended."""
    template: "TemplateDraft | None" = None
    chat_template: tuple[str, str] | None = None
    """Artifact and Jinja text, as typed."""
    template_preview: tuple[tuple[str | None, dict[str, str]], TemplatePreview] | None = None
    """`(artifact, PromptTemplate)` and the tokens of their preview."""
    deployment: "tuple[str | None, Choice] | None" = None
    """Artifact and choice, unless it is as suggested."""
    capacity: "Capacity | None" = None
    """The last requested size of a vLLM server."""
    service: ServiceWish = field(default_factory=ServiceWish)

    def forget_artifact(self) -> None:
        """Forget what was typed for the artifact of another model: its name, its templates, where it was to go."""
        self.template = self.chat_template = self.template_preview = self.deployment = None

    def deployment_of(self, artifact: str | None) -> "Choice | None":
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
        tell: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        """`tasks` runs long work; `warn` and `tell` show the user a sentence."""
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
        self._job_cpu, self._job_demand = TreeCpu(), TreeDemand()
        self._warn = warn
        self._tell = tell
        self.session_changed: Signal[Session] = Signal()
        self.sampled: Signal[Sample] = Signal()
        self.jobs = Jobs(tasks, warn=warn)
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
        """True if nothing has been decided yet, and nothing was named on the command line."""
        return self._session == Session() and self.drafts.model is None

    @property
    def session(self) -> Session:
        """The session: decisions and results so far."""
        return self._session

    @session.setter
    def session(self, session: Session) -> None:
        before, self._session = self._session, session
        if before != session:
            if before.source != session.source:
                # Its artifact goes into the same folder: what was typed for the model before is not of this one.
                self.drafts.forget_artifact()
            self._forget_stale_work(before, session)
            self.session_changed.publish(session)

    def _forget_stale_work(self, before: Session, after: Session) -> None:
        """Forget ended work of another model or choice: its failure says nothing about this one."""
        outdated = outdated_steps(after.changed_since(before))
        for step in self.navigation.steps:
            work = self.works.get(step.WORK) if step.STEP_ID in outdated else None
            if work is not None and not work.pending:
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
        tree = child_pids(os.getpid())
        cpu, wanted = self._job_cpu.take(tree), self._job_demand.take(tree)
        # A conversion is several processes; the core adds up their memory.
        held = work.measured.get(HELD)
        return replace(
            sample, job_cpu=cpu, job_wanted=wanted, job_rss=int(held) if held else sample.job_rss
        )

    async def take_sample(self, *, publish: bool = True) -> None:
        """Add a sample to the history, and publish it unless nobody needs to paint it."""
        await asyncio.to_thread(self.history.take)
        if publish:
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
    def works(self) -> Works:
        """The newest work of each kind."""
        return self.jobs.works

    @property
    def worked(self) -> Signal[Work]:
        """News of work: it begins, gets on, or ends."""
        return self.jobs.changed

    @property
    def busy(self) -> list[Work]:
        """The work that is running now."""
        return self.jobs.running

    def leave_question(self) -> str:
        """Return what must be asked before the wizard is left; empty when nothing would be lost."""
        running = [work.label for work in self.jobs.to_lose if work.running]
        if self.chat.answering:
            running.append("The answer in Chat")
        waiting = [work.label for work in self.jobs.waiting]
        facts = [
            f"{' and '.join(labels)} {single if len(labels) == 1 else several}"
            for labels, single, several in (
                (running, "is still running", "are still running"),
                (waiting, "waits for its turn", "wait for their turn"),
            )
            if labels
        ]
        if not facts:
            return ""
        return f"{'. '.join(facts)}. Stop and quit? No partial files will be left."

    def start(
        self,
        key: WorkKey[ResultT],
        label: str,
        run: Run[ResultT],
        *,
        done: "Callable[[Workspace, ResultT, float], None] | None" = None,
        stopped: "Callable[[Workspace, ResultT, float], None] | None" = None,
        only_looks: bool = False,
        alone: bool = False,
        quiet: bool = False,
        keeps: str = "",
    ) -> WorkOf[ResultT]:
        """Begin long work and return it; while work of that name is pending, that one is returned instead.

        `done` gets the result and the seconds that it took, whichever step is on the screen then; `stopped` gets what
        was finished when it was cancelled. Nothing is lost when work that `only_looks` is ended, so nobody is asked. Work
        that runs `alone` waits for other such work; `quiet` says that whatever computes beside it spoils its figures.
        `keeps` is a sentence for the question before it is cancelled.
        """
        work = self.jobs.start(
            WorkOf(key, label, only_looks, alone, quiet, keeps),
            key,
            run,
            done=partial(done, self) if done is not None else None,
            stopped=partial(stopped, self) if stopped is not None else None,
        )
        if work.waiting:
            self._tell(f"{label} begins {waits_words(work)}. F3 shows the jobs.")
        return work

    def stop_work(self, name: str) -> None:
        """Cancel long work; its process group is ended."""
        self.jobs.stop(name)

    def publish_works(self) -> None:
        """Publish the work that runs or has changed since the last time."""
        self.jobs.publish()

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
        self._warn(error.with_hint)

    def _chat_changed(self, change: Change) -> None:
        """Keep the conversation in the session, and each new answer in the ledger, whichever step is on the screen."""
        document = self.chat.document() if change == "status" else None
        if document is None:
            return
        if self.session.chat != document:
            self.session = self.session.decide(chat=document)
        for conversation in self.chat.conversations:
            answer = conversation.answers[-1] if conversation.answers else None
            # By identity: the same question can get the same answer twice.
            if (
                answer is None
                or not answer.stats
                or any(answer is a for a in self._recorded_answers)
            ):
                continue
            self._recorded_answers.append(answer)
            values: TurnValues = {
                "kind": "turn",
                "prompt": self.chat.newest_question,
                "text": answer.text,
                "stats": answer.stats,
            }
            if conversation is not self.chat.first:
                values["by"] = one_line(conversation.name, 60)
            self.ledger.append("chat", "done", values)
