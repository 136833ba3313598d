"""The search for the fastest setting: what is tried, how it goes, what won, and keeping it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Input

from firstlight_core.documents.conversion import ConversionDocument
from firstlight_core.documents.tuning import StoppedTuningDocument, TunedDocument
from firstlight_core.errors import FirstlightError, UsageError
from firstlight_core.text import seconds_text, shown_path
from firstlight_core.tuning.budget import ALLOWANCE
from firstlight_core.tuning.search import PROMPT_TOKENS, read_lengths
from firstlight_core.tuning.summary import (
    allowance,
    lengths_text,
    peer_verdict,
    setting,
    taken_over,
    verdict,
)
from firstlight_tui.modals.cancel_work import cancel_work
from firstlight_tui.state.work import OnEvent, Run, Started, Work, WorkKey, WorkOf
from firstlight_tui.state.workspace import Workspace
from firstlight_tui.terminal.app import workspace_of
from firstlight_tui.terminal.workers import begin
from firstlight_tui.widgets import ProblemPanel, Words, WorkView, cell
from firstlight_tui.widgets.fitted_table import Cells, Column, FittedTable
from firstlight_tui.widgets.screens import Page

TuneResult = TunedDocument | StoppedTuningDocument
TUNE = WorkKey[TuneResult]("tune")
KEEPS = "Its builds and measurements are kept: the next tuning goes on with them."
COLUMNS = (
    Column(key="setting", label="Setting"),
    Column(key="answer", label="Answer", width=8, right=True),
    Column(key="prefill", label="Prefill", width=7, right=True),
    Column(key="decode", label="Decode", width=7, right=True),
    Column(key="rounds", label="Rounds", width=6, right=True),
)
INTRODUCTION = (
    "Tries several settings on the same prompt, drops the slower half again and again, then compares the winner with the "
    "default once more. One that is stopped goes on where it was. "
    "Threads: nothing is converted. Build: the model is also converted with other block sizes and algorithms; builds that "
    "drift too far from the original are left out."
)


class TuneScreen(Page[str | None]):
    """Returns the folder of the artifact that was tuned and kept, or None."""

    CSS = """
    TuneScreen DataTable { height: auto; margin-top: 1; }
    TuneScreen #verdict { margin-top: 1; }
    TuneScreen #options { height: auto; margin-top: 1; }
    TuneScreen #options Words { width: auto; margin-right: 1; }
    TuneScreen #options Input { width: 14; margin-right: 3; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape",
            "close",
            "Close",
            id="tune.close",
            tooltip="Back to the step; what runs goes on",
        ),
    ]

    @property
    def workspace(self) -> Workspace:
        """Session, work and services."""
        return workspace_of(self)

    @property
    def work(self) -> WorkOf[TuneResult] | None:
        """The tuning of the artifact in use, running or ended."""
        return self.workspace.works.of(TUNE)

    @property
    def artifact(self) -> str:
        """The artifact in use."""
        return str(self.workspace.session.artifact)

    @property
    def found(self) -> TunedDocument | None:
        """The document of a tuning of this artifact or its source, once there is one."""
        document = self.workspace.works.result(TUNE)
        if document is None or document["kind"] == "stopped":
            return None
        if document["kind"] == "artifact":
            return document if document["artifact"] == self.artifact else None
        return document if document["source"] == self.workspace.session.source else None

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content("Tune")
            box.border_subtitle = Content("Esc closes; what runs goes on")
            with VerticalScroll():
                yield Words(INTRODUCTION, id="introduction", classes="muted")
                with Horizontal(id="options"):
                    yield Words("Prompt tokens")
                    yield Input(placeholder=str(PROMPT_TOKENS), id="lengths", compact=True)
                    yield Words("Drift budget")
                    yield Input(placeholder=f"{ALLOWANCE:g}x", id="budget", compact=True)
                yield WorkView(id="tune-work")
                yield FittedTable(COLUMNS, id="trials")
                yield Words(id="verdict")
                yield ProblemPanel()
            with Horizontal(classes="dialog-buttons"):
                yield Button("Close", id="close", compact=True)
                yield Button("Threads", id="threads", compact=True)
                yield Button("Threads and build", id="build", compact=True)
                yield Button("Keep it", id="keep", variant="primary", compact=True)

    def on_mount(self) -> None:
        self.workspace.worked.subscribe(self, self._worked)
        self._show()
        self.query_one("#threads" if self.found is None else "#keep", Button).focus()

    def _worked(self, work: Work) -> None:
        if work.name == TUNE and not self.gone:
            self._show()

    def _show(self) -> None:
        work, outcome = self.work, self.found
        running = work is not None and work.pending
        view, table = self.query_one("#tune-work", WorkView), self.query_one("#trials", FittedTable)
        self.query_one("#introduction").display = outcome is None
        self.query_one("#options").display = not running
        view.display = work is not None and (running or outcome is None)
        view.show(work)
        table.show_rows(_rows(outcome) if outcome is not None else ())
        table.display = outcome is not None
        self.query_one("#verdict", Words).update(_verdict(outcome) if outcome is not None else "")
        panel = self.query_one(ProblemPanel)
        if work is not None and work.error is not None:
            panel.show(work.error)
        else:
            panel.clear()
        self.query_one("#close", Button).label = "Stop" if running else "Close"
        self.query_one("#threads").disabled = running
        self.query_one("#build").disabled = running or self._row() is None
        self.query_one("#keep").disabled = running or outcome is None or outcome["void"]

    def _row(self) -> ConversionDocument | None:
        """Return how the artifact in use was made; None when it was not converted here."""
        session = self.workspace.session
        made = (a for a in session.artifacts if str(a.get("artifact")) == self.artifact)
        return next(made, None) if session.source is not None else None

    @on(Button.Pressed, "#threads")
    def _tune_threads(self) -> None:
        tune, artifact = self.workspace.services.tune, self.artifact
        if (lengths := self._lengths()) is None:
            return
        self._begin(
            lambda on_event, started: tune(
                artifact,
                prompt_tokens=lengths,
                on_event=on_event,
                started=started,
                on_stopped=self._keep_part,
            )
        )

    @on(Button.Pressed, "#build")
    def _tune_build(self) -> None:
        if (made := self._row()) is None:
            return
        folder, tune = Path(self.artifact), self.workspace.services.tune
        source, precision = str(self.workspace.session.source), made["precision"]
        budget = self.query_one("#budget", Input).value.strip() or None
        if (lengths := self._lengths()) is None:
            return
        output = folder.with_name(f"{folder.name.removesuffix('-tuned')}-tuned")
        self._begin(
            lambda on_event, started: tune(
                source,
                precision=precision,
                drift_budget=budget,
                prompt_tokens=lengths,
                output=output,
                on_event=on_event,
                started=started,
                on_stopped=self._keep_part,
            )
        )

    def _lengths(self) -> list[int] | None:
        """Return the prompt lengths that were typed; None after the problem is shown."""
        text = self.query_one("#lengths", Input).value.strip()
        try:
            return read_lengths([text]) if text else [PROMPT_TOKENS]
        except UsageError as error:
            self.query_one(ProblemPanel).show(error)
            return None

    def _keep_part(self, part: StoppedTuningDocument) -> None:
        # What is done lies on the disk; a tuning that had done nothing keeps nothing.
        work = self.workspace.works.of(TUNE)
        if work is not None and any(part["kept"].values()):
            work.finished_part = part

    def _begin(self, tuning: Run[TuneResult]) -> None:
        chat = self.workspace.chat

        async def run(on_event: OnEvent, started: Started) -> TuneResult:
            await chat.rest()
            chat.close()
            return await tuning(on_event, started)

        self.workspace.start(TUNE, "The tuning", run, alone=True, quiet=True, keeps=KEEPS)
        self._show()

    @on(Button.Pressed, "#keep")
    def _keep(self) -> None:
        if (outcome := self.found) is None:
            return
        if outcome["kind"] == "published":
            self.dismiss(outcome["artifact"])
        else:
            begin(self, self._write, group="keep")

    async def _write(self) -> None:
        assert self.found is not None
        try:
            keep = self.workspace.services.keep_tuned
            await asyncio.to_thread(keep, Path(self.artifact), self.found)
        except FirstlightError as error:
            self.query_one(ProblemPanel).show(error)
        else:
            self.dismiss(self.artifact)

    @on(Button.Pressed, "#close")
    def _stop_or_close(self) -> None:
        if self.work is not None and self.work.pending:
            cancel_work(self, TUNE)
        else:
            self.action_close()

    def action_close(self) -> None:
        """Back to the step."""
        self.dismiss(None)


def _rows(document: TunedDocument) -> Iterator[tuple[str, Cells]]:
    ends = [("Baseline: ", document["baseline"]), ("Best: ", document["best"])]
    for number, (head, row) in enumerate([*(("", trial) for trial in document["trials"]), *ends]):
        rates = {"prefill": row.get("prefill_tps"), "decode": row.get("decode_tps")}
        style = "bold" if head else "dim" if row.get("dropped") else ""
        yield (
            str(number),
            {
                "setting": cell(head + setting(row), style),
                "answer": cell(seconds_text(row["total_s"]["median"]), style, right=True),
                "rounds": cell(str(row["rounds"]), style, right=True),
                **{
                    key: cell(
                        f"{rate['median']:.0f}" if rate is not None else "–", style, right=True
                    )
                    for key, rate in rates.items()
                },
            },
        )


def _verdict(document: TunedDocument) -> str:
    builds = document["builds"] if document["kind"] != "artifact" else []
    where = (
        f"Keeping it takes the new artifact {shown_path(document['artifact'])}."
        if document["kind"] == "published"
        else "Keeping it writes the threads into genai_config.json, which every runtime reads."
    )
    sentences = [
        f"Medians, measured here: {lengths_text(document)}, rates in tokens/s. Settings with few rounds were slower and "
        "left early.",
        verdict(document),
        peer_verdict(document["peer"]) if "peer" in document else "",
        allowance(document),
        taken_over(document),
        *(f"Left out: {b['label']}, {b['excluded']}." for b in builds if "excluded" in b),
        *document["notes"],
        where,
    ]
    return "\n".join(filter(None, sentences))
