"""Step 9: the course's five checks as real tests, and the drift against the original."""

from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from firstlight_core.documents.measure import QualitiesDocument, QualityDocument
from firstlight_core.paths import expanded
from firstlight_core.precision.table import find_precision
from firstlight_core.session import Session
from firstlight_tui.modals import DetailScreen
from firstlight_tui.state.work import OnEvent, Started, Work, WorkKey
from firstlight_tui.state.workspace import Workspace
from firstlight_tui.steps.measuring import MeasuringStep
from firstlight_tui.steps.quality.ahead import checks_ahead
from firstlight_tui.steps.quality.results import QualityResults
from firstlight_tui.steps.quality.text import evidence_text
from firstlight_tui.steps.quality.worst_screen import WorstScreen
from firstlight_tui.widgets import Words, WorkView
from firstlight_tui.widgets.charts.chart import Chart

KEEPS = "The targets that are checked by now are kept."
KEEPS_ANSWERS = "The questions that are answered by now are kept."
QUALITY = WorkKey[QualityDocument | QualitiesDocument]("quality")


class QualityStep(MeasuringStep):
    """Each check with its status and evidence; drift in figures and words."""

    STEP_ID = "quality"
    PURPOSE = "The course's five checks, run for real, and how far the artifact has drifted from the original."
    HELP = 'Prompts: one JSON object a line, {"prompt": ..., "keys": [...]}, or "text", "regex", "schema". The reference is computed once per source.'
    WORK = QUALITY
    RUN_LABEL = "Run the checks"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f5", "again", "Run again", id="quality.again", tooltip="Run all checks once more"),
        Binding(
            "f4",
            "all",
            "All",
            id="quality.all",
            tooltip="Check every precision that was converted, one after another",
        ),
        Binding(
            "f6",
            "worst",
            "Worst",
            id="quality.worst",
            tooltip="The examples that drifted most, side by side",
        ),
    ]

    @classmethod
    def done(cls, session: Session) -> bool:
        document = session.quality
        return document is not None and not (
            document["kind"] == "quality" and document.get("stopped")
        )

    DEFAULT_CSS = """
    QualityStep #ahead { margin-top: 1; max-width: 100; display: none; }
    QualityStep.-roomy #ahead { display: block; }
    QualityStep.-checked #ahead { display: none; }
    QualityStep.-tall #histogram, QualityStep.-tall #further.-some { display: block; }
    """

    def compose_step(self) -> ComposeResult:
        yield WorkView(id="work")
        yield QualityResults()
        yield Words(
            "Test questions (JSONL file). Leave empty for the built-in ones of the sample model.",
            classes="heading",
        )
        yield Input(placeholder="prompts.jsonl", id="prompts", compact=True)
        yield Words("Your own text, to measure the drift on it too (optional)", classes="heading")
        yield Input(placeholder="text.txt", id="text", compact=True)
        yield Chart(checks_ahead(), id="ahead")

    def opened(self) -> None:
        if self.work is None:
            self.query_one("#work").display = False
        if self.session.quality is not None:
            self._show_document(self.session.quality)

    def action_again(self) -> None:
        """Run all checks."""
        if self.session.target is not None:
            self._check([self.session.target])
        else:
            self.say_why_not(
                "There is nothing to check yet: convert a model, or connect with Ctrl+G."
            )

    def action_all(self) -> None:
        """Check every artifact that was converted in this run, one after another."""
        made = [str(document["artifact"]) for document in self.session.artifacts]
        if len(made) < 2:
            self.notify("There is only one artifact to check.", markup=False)
        else:
            self._check(made)

    def _check(self, targets: list[str]) -> None:
        session = self.session
        text = self.query_one("#prompts", Input).value.strip()
        on_sample = session.source == str(self.workspace.paths.sample)
        prompts = (
            expanded(text) if text else (self.workspace.paths.sample_prompts if on_sample else None)
        )
        own = self.query_one("#text", Input).value.strip()
        served = targets == [session.target] and session.endpoint is not None
        # A server does not tell its probabilities, so there is no drift to measure.
        reference = Path(session.source) if session.source and not served else None
        # The chat rated the one target that it talked to.
        ratings = session.chat["ratings"] if session.chat and len(targets) == 1 else []

        def keep(part: QualityDocument | QualitiesDocument) -> None:
            work.finished_part = part

        async def run(on_event: OnEvent, started: Started) -> QualityDocument | QualitiesDocument:
            await self.quiet_the_chat()
            return await self.workspace.services.check_quality(
                targets,
                prompts=prompts,
                reference=reference,
                text=expanded(own) if own and reference else None,
                ratings=ratings,
                network=session.network,
                on_event=on_event,
                started=started,
                on_stopped=keep,
            )

        work = self.workspace.start(
            QUALITY,
            "The quality check",
            run,
            done=_checked,
            stopped=keep_stopped,
            alone=True,
            quiet=True,
            keeps=KEEPS if len(targets) > 1 else KEEPS_ANSWERS,
        )
        self.refresh_actions()

    def show_work(self, work: Work) -> None:
        view = self.query_one("#work", WorkView)
        # Once there is a result it deserves the room.
        view.display = work.status != "done"
        view.show(work)
        document = self.workspace.works.result(QUALITY)
        if document is None and not work.pending:
            document = self.session.quality
        if document is not None:
            self._show_document(document)

    def _show_document(self, document: QualityDocument | QualitiesDocument) -> None:
        labels = {
            str(made["artifact"]): find_precision(str(made["precision"])).label
            for made in self.session.artifacts
        }
        self.query_one(QualityResults).show(document, labels, self.session.target)
        self.set_class(self.query_one(QualityResults).display, "-checked")

    @on(QualityResults.EvidenceWanted)
    def _evidence(self, event: QualityResults.EvidenceWanted) -> None:
        self.app.push_screen(DetailScreen(event.check["title"], evidence_text(event.check)))

    def action_worst(self) -> None:
        """Show the examples that drifted most."""
        self.app.push_screen(WorstScreen(self.session.quality))


def _checked(
    workspace: Workspace, document: QualityDocument | QualitiesDocument, seconds: float
) -> None:
    """Write the result of a quality check into the session and the ledger."""
    workspace.session = workspace.session.decide(quality=document)
    workspace.record("quality", "done" if document["ok"] else "failed", document, seconds=seconds)


def keep_stopped(
    workspace: Workspace, part: QualityDocument | QualitiesDocument, seconds: float
) -> None:
    """Keep what a stopped check has finished: whole targets, or the first one's answers unless there is a whole one."""
    if part["kind"] == "qualities" or not part.get("stopped"):
        _checked(workspace, part, seconds)
    elif not QualityStep.done(workspace.session):
        workspace.session = workspace.session.decide(quality=part)
        workspace.record("quality", "cancelled", part, seconds=seconds)
