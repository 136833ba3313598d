"""Step 4: the conversion, live: what is run beside what the course says, progress, log, result."""

from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical, VerticalScroll
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from firstlight_core.conversion.calibration_choice import text_for
from firstlight_core.crowding import crowding
from firstlight_core.documents.conversion import OliveConfig
from firstlight_core.errors import FirstlightError
from firstlight_core.precision.table import find_precision
from firstlight_core.session import Session
from firstlight_tui.modals import ConfirmScreen
from firstlight_tui.state.precision_choice import configured, estimates_of
from firstlight_tui.state.work import Work
from firstlight_tui.steps.base import BROAD, StepScreen
from firstlight_tui.steps.convert.board import ConversionBoard
from firstlight_tui.steps.convert.measured import MeasuredBars
from firstlight_tui.steps.convert.method_screen import MethodAnswer, MethodScreen, MethodTexts
from firstlight_tui.steps.convert.queue import WORK, ConversionJob
from firstlight_tui.steps.convert.text import how_words, method_texts, plan_words, result_words
from firstlight_tui.widgets import Words
from firstlight_tui.widgets.log_view import LogView
from firstlight_tui.widgets.work_view import waiting_words


class ConvertStep(StepScreen):
    """The queue of marked precisions; the job belongs to the app and goes on when you look elsewhere."""

    STEP_ID = "convert"
    PURPOSE = "Olive converts the model. It counts as done only after a separate process has loaded it and got an answer."
    HELP = (
        "The course shows two methods: one command, and a configuration file. `m` shows both next to what is really run, "
        "and why they differ; method 2 can be edited there. Several marked precisions share one Olive. Cancel at any "
        "time: no partial files are left. Enter on a result makes it the artifact that the next steps use."
    )
    WORK = WORK
    CSS = """
    ConvertStep #plan { height: auto; }
    ConvertStep #results { height: auto; max-height: 8; border: none; background: transparent; padding: 0; }
    ConvertStep #log-path { color: $foreground-muted; height: auto; }
    ConvertStep.-narrow ConversionBoard #work { margin: 0; }
    ConvertStep #panes { height: 1fr; min-height: 18; }
    ConvertStep #board-pane { height: 1fr; min-height: 16; }
    ConvertStep.-broad #panes { layout: horizontal; }
    ConvertStep.-broad #board-pane { width: 3fr; height: 100%; }
    ConvertStep.-broad #log { width: 2fr; height: 100%; margin-left: 1; padding: 0 1; border: round $border-blurred; border-title-color: $text-accent; }
    ConvertStep #how { display: none; }
    ConvertStep.-broad #how { display: block; width: 2fr; height: 100%; margin-left: 1; padding: 0 1; border: round $border-blurred; border-title-color: $text-accent; scrollbar-size-vertical: 2; }
    ConvertStep.-broad.-logged #how, ConvertStep.-broad #log { display: none; }
    ConvertStep.-broad.-logged #log { display: block; }
    ConvertStep MeasuredBars { display: none; }
    ConvertStep.-rested.-wide MeasuredBars, ConvertStep.-rested.-broad MeasuredBars { display: block; }
    ConvertStep.-rested #board { height: auto; min-height: 3; }
    ConvertStep.-rested #memory { display: none; }
    ConvertStep.-broad #log CollapsibleTitle { display: none; }
    ConvertStep.-broad #log Collapsible { height: 1fr; }
    ConvertStep.-broad #log Contents { height: 1fr; display: block; padding: 0; }
    ConvertStep.-broad #log RichLog { height: 1fr; background: transparent; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "m",
            "methods",
            "Methods",
            id="convert.methods",
            tooltip="The course's two methods and what is run: see, switch, edit",
        ),
    ]

    @classmethod
    def missing(cls, session: Session) -> str | None:
        return (
            None if session.artifact else "Convert first, or choose an artifact in the Model step."
        )

    @classmethod
    def done(cls, session: Session) -> bool:
        return bool(session.artifacts)

    def compose_step(self) -> ComposeResult:
        yield Words(id="plan")
        with Container(id="panes"):
            with Vertical(id="board-pane"):
                yield ConversionBoard(id="board")
                yield OptionList(id="results", markup=False, compact=True)
                yield MeasuredBars()
            with VerticalScroll(id="how", can_focus=False) as how:
                how.border_title = "what is run"
                yield Words(id="how-words")
            yield LogView(id="log")
        yield Words(id="log-path")

    def opened(self) -> None:
        self._paint()

    def _session_changed(self) -> None:
        super()._session_changed()
        self._paint()

    def _paint(self) -> None:
        if not self.is_attached:
            return
        source = self.workspace.paths.model_name(self.session.source or "")
        words = plan_words(self.session, source, self._pending())
        self.query_one("#plan", Words).update(words)
        rested = bool(self.session.artifacts) and self.work is None and not self._pending()
        self.set_class(rested, "-rested")
        if self.work is None:
            self._show_plan()
        self._show_results()
        self.query_one(MeasuredBars).show(self.session.artifacts, estimates_of(self.session))
        if self.has_class("-broad"):
            self._show_how()

    def on_resize(self) -> None:
        """Fill the panel that a wider terminal shows; Textual calls the handler of the base class, too."""
        if self.complete and self.size.width >= BROAD:
            self._show_how()

    def _show_how(self) -> None:
        """Show the command of the course and the configuration that is run, where the panel has room."""
        try:
            texts = self._method_texts()
        except FirstlightError:
            return
        if texts is not None:
            self.query_one("#how-words", Words).update(how_words(texts, self.session.method))

    def _show_plan(self) -> None:
        board, estimates = self.query_one(ConversionBoard), estimates_of(self.session)
        if pending := self._pending():
            board.show_plan(pending, estimates)
        else:
            board.show_converted(self.session.precisions, estimates)

    def _pending(self) -> list[str]:
        return [key for key in self.session.precisions if self.session.measured(key) is None]

    @property
    def primary_cancels(self) -> bool:
        return self.work is not None and self.work.pending

    def primary_label(self) -> str:
        if self.primary_cancels:
            return "Stop"
        pending = self._pending()
        if not pending:
            return self.next_label()
        again = "Retry" if self.work is not None and self.work.status == "failed" else "Convert"
        return again if len(pending) == 1 else f"{again} {len(pending)} precisions"

    def primary(self) -> None:
        if self.primary_cancels:
            self.action_stop_work()
        elif self._pending():
            self._convert()
        else:
            self.action_next()

    def _convert(self) -> None:
        session = self.session
        job = ConversionJob(
            self.workspace,
            str(session.source),
            self._pending(),
            method=session.method,
            configs=session.configs or {},
            calibration=session.calibration,
            estimates=estimates_of(session),
            ask_to_stop=self._ask_to_stop,
        )
        self.clear_problem()
        keeps = "Precisions that are finished are kept." if len(self._pending()) > 1 else ""
        self.workspace.start(WORK, "The conversion", job.run, alone=True, keeps=keeps)
        self.refresh_actions()

    def _ask_to_stop(self, question: str) -> None:
        # The conversion may ask when another step is on the screen.
        workspace = self.workspace
        self.app.push_screen(
            ConfirmScreen(question, yes="Stop now", no="Let it go on"),
            lambda yes: workspace.stop_work(self.WORK) if yes else None,
        )

    def show_work(self, work: Work) -> None:
        if work.waiting:
            self._show_plan()
            self.query_one(ConversionBoard).say(waiting_words(work))
            return
        estimates = estimates_of(self.session)
        crowded = crowding(self.workspace.history.samples)
        self.query_one(ConversionBoard).show_work(work, estimates, crowded)
        self.query_one("#log", LogView).show(work.lines, work.lines_seen)
        self.set_class(work.lines_seen > 0, "-logged")
        self.remove_class("-rested")
        if work.log_path:
            self.query_one("#log-path", Words).update(f"Log file: {work.log_path}")

    # Results --------------------------------------------------------------------------------------

    def _show_results(self) -> None:
        results = self.query_one("#results", OptionList)
        results.display = bool(self.session.artifacts)
        at = results.highlighted
        results.clear_options()
        names = [find_precision(made["precision"]).label for made in self.session.artifacts]
        labels = max(map(len, names), default=0)
        for document in self.session.artifacts:
            used = str(document["artifact"]) == self.session.artifact
            words = result_words(document, used=used, labels=labels)
            results.add_option(Option(words, id=str(document["precision"])))
        results.highlighted = at if at is not None and at < results.option_count else None

    @on(OptionList.OptionSelected, "#results")
    def _use(self, event: OptionList.OptionSelected) -> None:
        """Make one result the artifact that the next steps use."""
        document = self.session.measured(str(event.option_id))
        if document is None or str(document["artifact"]) == self.session.artifact:
            return
        self.workspace.session = self.session.decide(
            artifact=str(document["artifact"]), artifact_chosen=True
        )
        label = find_precision(str(event.option_id)).label
        words = f"The next steps use {label}; what was answered after this step is open again."
        self.notify(words, markup=False)

    # Methods --------------------------------------------------------------------------------------

    def action_methods(self) -> None:
        """Show the course's two methods beside what is really run; switch and edit."""
        session, plan = self.session, self.workspace.services.plan_conversion
        try:
            texts = self._method_texts()
        except FirstlightError as error:
            self.show_problem(error)
            return
        if texts is None or session.source is None:
            self.say_why_not("Choose a model and a precision first.")
            return
        source, key = Path(session.source), self._method_key()

        def check(config: OliveConfig) -> None:
            plan(source, Path("OUTPUT"), precision=key, config=config)

        def use(answer: MethodAnswer | None) -> None:
            if answer is None:
                return
            changed = self.session
            if answer.method == "config":
                changed = configured(changed, key, answer.config)
            self.workspace.session = changed.decide(method=answer.method)

        self.app.push_screen(MethodScreen(texts, method=session.method, check=check), use)

    def _method_key(self) -> str:
        """The precision whose methods are shown."""
        return (self._pending() or list(self.session.precisions))[0]

    def _method_texts(self) -> MethodTexts | None:
        """Texts of both methods; None before a model and a precision are chosen."""
        session, plan = self.session, self.workspace.services.plan_conversion
        if not session.source or not session.precisions:
            return None
        key, source = self._method_key(), Path(session.source)
        edited = (session.configs or {}).get(key)
        own = text_for(find_precision(key), session.calibration)
        return method_texts(partial(plan, source, Path("OUTPUT"), precision=key), key, edited, own)
