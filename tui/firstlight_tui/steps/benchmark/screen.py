"""Step 8: how fast, how large, on this machine."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Button

from firstlight_core.documents.measure import BenchDocument
from firstlight_core.monitor import AlertThresholds
from firstlight_core.session import Session
from firstlight_tui.state.work import OnEvent, Started, Work, WorkKey
from firstlight_tui.state.workspace import Workspace
from firstlight_tui.steps.benchmark.results import BenchResults
from firstlight_tui.steps.benchmark.tune_screen import TuneScreen
from firstlight_tui.steps.benchmark.waiting import quiet_wait
from firstlight_tui.steps.measuring import MeasuringStep
from firstlight_tui.widgets import WorkView

BENCHMARK = WorkKey[BenchDocument]("benchmark")
KEEPS = "What has been measured by then is kept."
LEVELS = (1, 2, 4, 8)
"""Clients at once."""
LONGEST_WAIT = 3600.0
"""Seconds that a quiet machine is waited for."""
TargetsOf = Callable[[Session], list[str]]


class BenchmarkStep(MeasuringStep):
    """The course's metrics as tiles, bars and curves, then the table with median and spread."""

    STEP_ID = "benchmark"
    PURPOSE = "Response time, memory, CPU: measured in the engine's process, warm-up excluded, median and spread."
    HELP = (
        "Several converted precisions, and a connected server (Ctrl+G), are measured in turns, so that a busy minute hits "
        "all of them alike. A server is timed from outside: its memory and load are its own."
    )
    WORK = BENCHMARK
    CSS = """
    BenchmarkStep.-roomy BenchResults.-empty #ahead { display: block; }
    BenchmarkStep.-tall BenchResults.-void-plots #plots { display: block; }
    BenchmarkStep.-tall BenchResults.-bare.-plots #plots { display: block; }
    BenchmarkStep.-tall BenchResults.-bare.-void #ahead { display: block; }
    BenchmarkStep.-roomy BenchResults.-bare #answers, BenchmarkStep.-roomy BenchResults.-bare #more { display: block; }
    """
    _judged_by: AlertThresholds | None = None
    """Thresholds of the limits that are shown."""
    RUN_LABEL = "Measure"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "again", "Measure again", id="benchmark.again", tooltip="Measure once more"),
        Binding(
            "w",
            "when_quiet",
            "When quiet",
            id="benchmark.when-quiet",
            tooltip="Wait until other programs leave the processor alone, then measure",
        ),
        Binding(
            "o",
            "overhead",
            "Through Foundry",
            id="benchmark.overhead",
            tooltip="The artifact directly and through Foundry Local's service: what the service costs",
        ),
        Binding(
            "c",
            "clients",
            "Clients",
            id="benchmark.clients",
            tooltip="Ask by 1, 2, 4 and 8 clients at once: the connected server, or the artifact through Foundry Local",
        ),
        Binding(
            "t",
            "tune",
            "Tune",
            id="benchmark.tune",
            tooltip="Find the fastest threads and build of this model on this machine",
        ),
    ]

    @classmethod
    def done(cls, session: Session) -> bool:
        document = session.benchmark
        return document is not None and not document["void"] and not document.get("stopped")

    def primary_label(self) -> str:
        label = super().primary_label()
        measured = self.session.benchmark is not None
        return "Measure again" if measured and label == self.RUN_LABEL else label

    def compose_step(self) -> ComposeResult:
        yield WorkView(id="work")
        yield BenchResults()

    def opened(self) -> None:
        if self.work is None:
            self.query_one("#work").display = False
        self._show_document()

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """Back from another screen, perhaps the settings, where the limits can be changed."""
        if (
            self.complete
            and self._judged_by != self.workspace.thresholds
            and not self.primary_cancels
        ):
            self._show_document()

    def _show_document(self) -> None:
        self._judged_by = self.workspace.thresholds
        if self.session.benchmark is not None:
            self._results.show(
                self.session.benchmark, self.session.target, self.workspace.thresholds
            )

    @property
    def _results(self) -> BenchResults:
        return self.query_one(BenchResults)

    def compose_actions(self) -> ComposeResult:
        yield Button("When quiet", id="when-quiet", compact=True)
        yield from super().compose_actions()

    def refresh_actions(self) -> None:
        """Offer to wait for a quiet machine while nothing is measured."""
        super().refresh_actions()
        self.query_one("#when-quiet").display = not self.primary_cancels

    def action_again(self) -> None:
        """Measure, or measure once more."""
        self._measure(all_targets)

    @on(Button.Pressed, "#when-quiet")
    def action_when_quiet(self) -> None:
        """Wait until the machine is quiet, then measure."""
        self._measure(all_targets, wait_quiet=LONGEST_WAIT)

    def action_overhead(self) -> None:
        """Measure the artifact directly and through Foundry Local's service."""
        if self.session.artifact is None:
            self.notify(
                "First convert a model, or choose an artifact in the Model step.", markup=False
            )
        else:
            self._measure(_artifact_in_use, through_foundry=True)

    def action_clients(self) -> None:
        """Ask the connected server by several clients at once, or the artifact through Foundry Local's service."""
        self._measure(
            _server if self.session.endpoint is not None else _artifact_in_use, clients=LEVELS
        )

    def action_tune(self) -> None:
        """Open the tuning of the artifact in use."""
        if self.session.artifact is None:
            self.notify(
                "First convert a model, or choose an artifact in the Model step.", markup=False
            )
            return
        self.app.push_screen(TuneScreen(), self._tuned)

    def _tuned(self, artifact: str | None) -> None:
        if artifact is not None:
            # Its figures are those of before, of another artifact everything is.
            self.workspace.session = self.session.decide(benchmark=None, artifact=artifact)
            self._results.clear()
            self.notify(f"{Path(artifact).name} is tuned: measure it again.", markup=False)

    def _measure(
        self,
        targets_of: TargetsOf,
        *,
        through_foundry: bool = False,
        clients: Sequence[int] = (),
        wait_quiet: float | None = None,
    ) -> None:
        if not targets_of(self.session):
            self.say_why_not(
                "There is nothing to measure yet: convert a model, or connect with Ctrl+G."
            )
            return
        workspace = self.workspace

        async def run(on_event: OnEvent, started: Started) -> BenchDocument:
            await self.quiet_the_chat()
            # Work that waited for its turn measures what there is now.
            session = workspace.session
            return await workspace.services.benchmark(
                targets_of(session),
                network=session.network,
                through_foundry=through_foundry,
                clients=clients,
                wait_quiet=wait_quiet,
                on_event=on_event,
                started=started,
                on_stopped=keep,
            )

        def keep(part: BenchDocument) -> None:
            work.finished_part = part

        work = self.workspace.start(
            BENCHMARK,
            "The benchmark",
            run,
            done=_measured,
            stopped=keep_stopped,
            alone=True,
            quiet=True,
            keeps=KEEPS,
        )
        self.refresh_actions()

    def show_work(self, work: Work) -> None:
        view = self.query_one("#work", WorkView)
        # Once there are figures they deserve the room.
        wait = quiet_wait(work)
        view.display = work.status != "done" and wait is None
        view.show(work)
        self._results.show_wait(wait)
        if work.running:
            memory = self.workspace.history.last.job_rss
            self._results.show_live(work.measured, work.repetitions, memory)
        else:
            self._show_document()


def all_targets(session: Session) -> list[str]:
    """Return what a benchmark of this session measures: each artifact, and a connected server."""
    made = [str(document["artifact"]) for document in session.artifacts]
    adopted = [session.artifact] if session.artifact is not None and not made else []
    return made + adopted + _server(session)


def _artifact_in_use(session: Session) -> list[str]:
    return [session.artifact] if session.artifact is not None else []


def _server(session: Session) -> list[str]:
    return [str(session.target)] if session.endpoint is not None else []


def _measured(workspace: Workspace, document: BenchDocument, seconds: float) -> None:
    """Write the result of a benchmark into the session and the ledger."""
    workspace.session = workspace.session.decide(benchmark=document)
    workspace.record("benchmark", "done", document, seconds=seconds)


def keep_stopped(workspace: Workspace, part: BenchDocument, seconds: float) -> None:
    """Keep what a stopped benchmark has measured, unless there is a whole one of before, which says more."""
    if not BenchmarkStep.done(workspace.session):
        workspace.session = workspace.session.decide(benchmark=part)
        workspace.record("benchmark", "cancelled", part, seconds=seconds)
