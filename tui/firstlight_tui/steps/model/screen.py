"""Step 2: which model?"""

import asyncio
import os
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, VerticalScroll
from textual.widgets import Button, DataTable, Input

from firstlight_core.documents.model import InspectDocument
from firstlight_core.errors import FirstlightError, InputRefused
from firstlight_core.files import system_problem
from firstlight_core.monitor import Sample
from firstlight_core.session import Session
from firstlight_tui.modals import ConfirmScreen, DetailScreen
from firstlight_tui.modals.cancel_work import ask_to_replace
from firstlight_tui.state.work import Work
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.steps.model.inspection import (
    INSPECT,
    Named,
    download_question,
    find_named,
    start_inspection,
)
from firstlight_tui.steps.model.keys import HELP, KEYS
from firstlight_tui.steps.model.prospects import ProspectsPane, parts_bar
from firstlight_tui.steps.model.table import ModelTable
from firstlight_tui.steps.model.text import (
    WHAT_COMES,
    WHY_ONNX,
    adopted_words,
    facts_words,
    server_words,
)
from firstlight_tui.terminal.workers import begin
from firstlight_tui.widgets import Words, WorkView
from firstlight_tui.widgets.charts.chart import Chart
from firstlight_tui.widgets.charts.paragraphs import HangingText
from firstlight_tui.widgets.path_input import PathInput, looks_like_path, plain_path


class ModelStep(StepScreen):
    """A table of models and a path field; choosing one inspects its headers."""

    STEP_ID = "model"
    PURPOSE = (
        "Choose a model. Nothing is loaded yet; Firstlight only reads its config and file headers."
    )
    HELP = HELP
    WORK = INSPECT
    CSS = """
    ModelStep #models { height: auto; min-height: 4; max-height: 40%; margin-top: 1; }
    ModelStep #work, ModelStep #base, ModelStep #facts-card, ModelStep #prospects { display: none; }
    ModelStep #cards { height: 1fr; min-height: 9; layout: horizontal; margin-top: 1; }
    ModelStep #facts-card { width: 1fr; height: 100%; margin: 0 1 0 0; scrollbar-size-vertical: 2; }
    ModelStep #parts { margin-top: 1; }
    ModelStep #what-comes { width: 100%; max-width: 100; height: auto; color: $foreground-muted; }
    ModelStep #prospects { width: 1fr; height: 100%; }
    ModelStep #peaks, ModelStep #times, ModelStep.-tall #peaks-and-times { display: none; }
    ModelStep.-tall #peaks, ModelStep.-tall #times { display: block; }
    ModelStep.-narrow #models { margin-top: 0; }
    ModelStep.-narrow #cards { layout: vertical; height: auto; margin-top: 0; }
    ModelStep.-narrow #facts-card { width: 100%; height: auto; margin: 0; }
    ModelStep.-narrow #prospects { width: 100%; height: auto; }
    ModelStep PathInput { background: $panel; }
    ModelStep #base { border-left: thick $warning; }
    ModelStep.-narrow #actions Button { margin-right: 1; min-width: 6; }
    """
    BINDINGS: ClassVar[list[BindingType]] = KEYS

    def __init__(self) -> None:
        super().__init__()
        self._refused = ""
        """The adapter folder whose base is asked for."""

    @classmethod
    def missing(cls, session: Session) -> str | None:
        if session.target is not None or session.model is not None:
            return None
        return (
            "Choose a model first: Enter on a row, or a path in the field; or connect with Ctrl+G."
        )

    @classmethod
    def done(cls, session: Session) -> bool:
        return session.model is not None or (session.source is None and session.target is not None)

    def compose_step(self) -> ComposeResult:
        yield PathInput("Search, or type a folder or a Hub id, owner/name: Enter", id="path")
        yield ModelTable(id="models")
        yield WorkView(id="work")
        with Container(id="cards"):
            with VerticalScroll(id="facts-card", classes="card"):
                yield Words(id="facts")
                yield Chart(id="parts")
            yield ProspectsPane(id="prospects")
            yield Words(WHAT_COMES, id="what-comes")
        yield PathInput("the base model: its folder, or owner/name; Enter", id="base")

    def compose_actions(self) -> ComposeResult:
        yield Button("From: all", id="filter", compact=True)
        yield Button("Sort", id="sort", compact=True)
        yield Button("Why ONNX", id="why", compact=True)

    def opened(self) -> None:
        self.workspace.sampled.subscribe(self, self._while_here(self._sampled))
        begin(self, self._list_models, group="models")
        self.workspace.model_named.subscribe(self, self._while_here(lambda _: self._take_named()))
        if self.workspace.drafts.model is not None:
            self._take_named()
        elif self.session.endpoint is not None:
            self._show_card(server_words(self.session.endpoint))
        elif self.session.model is not None:
            # An inspection of this run has shown itself.
            if self.workspace.works.result(INSPECT) is None:
                self._show_model(str(self.session.source), self.session.model)
        elif self.session.source is not None and self.work is None:
            self._inspect(Named(Path(self.session.source)))

    def _take_named(self) -> None:
        """Look into the model that was named elsewhere: on the command line, or in the palette."""
        drafts = self.workspace.drafts
        if drafts.model is not None:
            named, drafts.model = drafts.model, None
            self.run_worker(self._resolve(named, ""), group="resolve", exclusive=True)

    def _session_changed(self) -> None:
        super()._session_changed()
        if self.session.endpoint is not None:
            self._show_card(server_words(self.session.endpoint))
            self.query_one("#primary").focus()
        elif self.session.target is None and self.session.model is None:
            self._show_card(None)

    def first_focus(self) -> None:
        if self.missing(self.session) and self.work is None:
            self.set_focus(self._table, scroll_visible=False)
        else:
            super().first_focus()

    # The table ------------------------------------------------------------------------------------

    async def _list_models(self) -> None:
        models = list(await asyncio.to_thread(self.workspace.services.find_models))
        self._table.fill(models)
        self._sampled(self.workspace.history.last)
        if self.session.source is not None:
            self._table.select(self.session.source)

    def _sampled(self, sample: Sample) -> None:
        # Before the first sample the machine has one byte.
        self._table.set_memory(sample.memory_total if sample.memory_total > 1 else 0)

    @property
    def _table(self) -> ModelTable:
        return self.query_one(ModelTable)

    @on(DataTable.RowSelected, "#models")
    def _row_chosen(self, event: DataTable.RowSelected) -> None:
        self._inspect(Named(Path(str(event.row_key.value))))

    @on(Button.Pressed, "#sort")
    def action_sort(self) -> None:
        """The next order."""
        self._table.next_order()

    @on(Button.Pressed, "#filter")
    def action_filter(self) -> None:
        """Show the models of one place only."""
        self._table.next_origin()
        button = self.query_one("#filter", Button)
        button.label = f"From: {self._table.origin or 'all'}"
        button.refresh(layout=True)

    # The fields -----------------------------------------------------------------------------------

    def on_paste(self, event: events.Paste) -> None:
        """A folder dragged onto the terminal lands in the field, wherever the focus is."""
        event.stop()
        self.query_one("#path", PathInput).take(event.text)

    @on(Input.Changed, "#path")
    def _typed(self, event: Input.Changed) -> None:
        self._table.search("" if looks_like_path(event.value) else event.value.strip())

    @on(Input.Submitted, "#path,#base")
    def _given(self, event: Input.Submitted) -> None:
        text = plain_path(event.value)
        if not text:
            return
        if event.input.id == "path" and self._table.row_count == 1 and not looks_like_path(text):
            text = str(self._table.current)
        base_for = self._refused if event.input.id == "base" else ""
        self.run_worker(self._resolve(text, base_for), group="resolve", exclusive=True)

    async def _resolve(self, text: str, base_for: str) -> None:
        """Say at once what a text means; a hub id that is not here is asked about first."""
        try:
            named = await asyncio.to_thread(
                find_named, text, self.workspace.services, sample=self.workspace.paths.sample
            )
        except FirstlightError as error:
            self._refuse(error)
            return
        except OSError as error:
            self._refuse(system_problem(error))
            return
        except (ValueError, RuntimeError):
            self._refuse(InputRefused("That cannot be a folder.", hint="Name another one."))
            return
        first, base = (Named(Path(base_for)), named) if base_for else (named, None)
        if not named.hub_id:
            self._inspect(first, base)
            return
        from firstlight_core.model.download import is_offline

        if is_offline():
            self._refuse(
                InputRefused(
                    f"{named.hub_id} is not in the Hugging Face cache, and HF_HUB_OFFLINE forbids to download it.",
                    hint="Unset HF_HUB_OFFLINE, or copy the model folder onto this machine.",
                )
            )
            return
        self.app.push_screen(
            ConfirmScreen(download_question(named.hub_id), yes="Download", no="No"),
            lambda yes: self._inspect(first, base) if yes else None,
        )

    # Inspection -----------------------------------------------------------------------------------

    def _refuse(self, error: FirstlightError) -> None:
        self._show_card(None)
        self.show_problem(error)

    def _inspect(self, named: Named, base: Named | None = None) -> None:
        ask_to_replace(self, self.WORK, partial(self._begin_inspection, named, base))

    def _begin_inspection(self, named: Named, base: Named | None) -> None:
        self._refused = str(named.folder or "")
        self.clear_problem()
        start_inspection(self.workspace, named, base)
        self.refresh_actions()

    def show_work(self, work: Work) -> None:
        view = self.query_one("#work", WorkView)
        view.display = bool(work.stages) and work.status in ("running", "cancelled")
        view.show(work)
        if work.error is not None:
            self._show_card(None)
            if work.error.code == "base-missing":
                base = self.query_one("#base", PathInput)
                base.display = True
                base.focus()
        elif (result := self.workspace.works.result(INSPECT)) is not None:
            self.query_one("#base").display = False
            if result["kind"] == "adopted":
                self._show_card(adopted_words(result["adopted"], result["facts"]))
            else:
                self._show_model(result["source"], result["model"])
            self.call_after_refresh(self.query_one("#primary").focus)

    def _show_model(self, source: str, model: InspectDocument) -> None:
        """Show an inspected model: its card, its estimates, and its row in the table."""
        self._show_card(facts_words(source, model))
        self.query_one("#parts", Chart).show(parts_bar(model))
        prospects = self.query_one(ProspectsPane)
        prospects.display = bool(model.get("estimates"))
        prospects.show_model(model)
        self._table.choose(
            source,
            architecture=str(model.get("architecture") or ""),
            weight_bytes=model.get("weight_bytes") or 0,
        )

    def _show_card(self, words: HangingText | None) -> None:
        self.query_one("#what-comes").display = words is None
        self.query_one(ProspectsPane).display = False
        self.query_one("#parts", Chart).show(None)
        self.query_one("#facts-card").display = words is not None
        self.query_one("#facts", Words).update(words or "")

    # Actions --------------------------------------------------------------------------------------

    def action_search(self) -> None:
        """Go to the field; from the table the slash is the first character of a path."""
        box = self.query_one("#path", PathInput)
        if self.focused is self._table and os.name != "nt":
            box.value = "/"
            box.cursor_position = 1
        # At once, not at the next turn: what is typed right after the key belongs in the field.
        self.set_focus(box)

    @on(Button.Pressed, "#why")
    def action_why(self) -> None:
        """Show why ONNX."""
        self.app.push_screen(DetailScreen("Why ONNX, and when not", WHY_ONNX))

    @property
    def primary_cancels(self) -> bool:
        return self.work is not None and self.work.running and bool(self.work.stages)

    def primary_label(self) -> str:
        if self.primary_cancels:
            return "Stop"
        return "" if self.missing(self.session) else self.next_label()

    def primary(self) -> None:
        if self.primary_cancels:
            self.action_stop_work()
        else:
            self.action_next()
