"""Everything that the wizard knows, whichever step is on the screen: session, work, conversations, drafts, the run."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from firstlight_core.conversion.progress import HELD
from firstlight_core.documents.template import TemplatePreview
from firstlight_core.errors import FirstlightError
from firstlight_core.ledger import Run as LedgerRun
from firstlight_core.monitor import History, Sample, read_sample
from firstlight_core.paths import Paths, find_paths
from firstlight_core.session import Session
from firstlight_core.steps import outdated_steps
from firstlight_core.workflow.services import Services
from firstlight_tui.state.chat import Chat
from firstlight_tui.state.navigation import Navigation
from firstlight_tui.state.signal import Signal
from firstlight_tui.state.tasks import Tasks
from firstlight_tui.state.template_draft import TemplateDraft
from firstlight_tui.state.work import Run, Work


@dataclass(slots=True)
class Drafts:
    """What was typed in a step and is not part of the session yet; it survives a walk to another step."""

    template: TemplateDraft | None = None
    chat_template: tuple[str, str] | None = None
    """Artifact and Jinja text, as typed."""
    template_preview: tuple[tuple[str | None, dict[str, str]], TemplatePreview] | None = None
    """`(artifact, PromptTemplate)` and the tokens of their preview."""


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
        self.history = history or History(read=self.read_machine)
        self._session = session or Session()
        self._warn = warn
        self.session_changed: Signal[Session] = Signal()
        self.sampled: Signal[Sample] = Signal()
        self.worked: Signal[Work] = Signal()
        self.works: dict[str, Work] = {}
        self.chat = Chat(self.services.open_target, tasks)
        self.run_record: LedgerRun | None = None
        self.drafts = Drafts()
        self.kept: dict[str, Any] = {}

    # Session --------------------------------------------------------------------------------------

    @property
    def session(self) -> Session:
        """What has been decided so far."""
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
                del self.works[step.WORK]

    # The machine ----------------------------------------------------------------------------------

    def read_machine(self) -> Sample:
        """Read the load of the machine, and the memory of the job that runs or of the chat's engine."""
        work = next((w for w in self.works.values() if w.running and w.pid), None)
        # A conversion is several processes; the core adds them up.
        if work is not None and (held := work.measured.get(HELD)):
            return replace(read_sample(None, Path.home()), job_rss=int(held))
        return read_sample(work.pid if work else self.chat.first.pid, Path.home())

    async def take_sample(self) -> None:
        """Add a sample to the history and publish it."""
        await asyncio.to_thread(self.history.take)
        self.sampled.publish(self.history.last)

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
        return [work for work in self.works.values() if work.running]

    def start(self, name: str, label: str, run: Run, *, only_looks: bool = False) -> Work:
        """Begin long work; while work of that name runs, it is returned instead (idempotent).

        Nothing is lost when work that `only_looks` is ended, so nobody is asked.
        """
        if (running := self.works.get(name)) is not None and running.running:
            return running
        work = self.works[name] = Work(name, label, only_looks)
        self.tasks.begin(partial(self._carry_out, work, run), name=name, group=name)
        return work

    async def _carry_out(self, work: Work, run: Run) -> None:
        def started(pid: int) -> None:
            work.pid = pid

        work.entered = True
        try:
            work.result = await run(work.take, started)
            work.end("done")
            # The step that began it may not be on the screen any more; its result counts all the same.
            for step in self.navigation.steps:
                if work.name == step.WORK:
                    step.finished(self, work.result, work.seconds)
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
        for work in list(self.works.values()):
            if work.dirty or work.running:
                work.dirty = False
                self.worked.publish(work)

    # The run --------------------------------------------------------------------------------------

    def run_folder(self) -> Path:
        """Return the folder of this run, made when the first step has something to write.

        Raises:
            StateProblem: it cannot be made.
        """
        if self.run_record is None:
            name = self.session.source or self.session.artifact or "model"
            self.run_record = LedgerRun.create(self.paths.model_name(name), runs=self.paths.runs)
        return self.run_record.folder

    def record(self, step: str, status: str, **values: Any) -> None:
        """Append a step's result to the run's ledger; a full disk is reported, never fatal."""
        try:
            self.run_folder()
            assert self.run_record is not None
            seconds = float(values.get("seconds", 0.0))
            self.run_record.record(step, status, seconds=seconds, values=values)
        except FirstlightError as error:
            self._warn(f"{error} {error.hint}")
