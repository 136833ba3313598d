"""Step 10: what was done, where it is, and how to do it again."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button

from firstlight_core.documents.ledger import SummaryValues
from firstlight_core.documents.workflow import SummaryFiles
from firstlight_core.ledger import Entry, Run
from firstlight_core.report.achieved import Achievement, Outcome, achievements
from firstlight_core.report.facts import RunFacts, current_facts
from firstlight_core.session import Session
from firstlight_core.shells import as_typed_here, command_line
from firstlight_core.text import one_line, shown_path, visible
from firstlight_tui.state.work import OnEvent, Started, Work
from firstlight_tui.state.workspace import REPORT
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.steps.summary.pictures import RunPictures, answer_words
from firstlight_tui.steps.summary.result_panel import ResultPanel
from firstlight_tui.steps.summary.still_open import KEYS, StillOpen, open_steps
from firstlight_tui.terminal.workers import begin
from firstlight_tui.widgets import StepChosen, Words, WorkView
from firstlight_tui.widgets.charts.paragraphs import HangingText, Paragraph
from firstlight_tui.widgets.words import part

TITLES = 32
"""Cells of the titles of the closing list."""
LABELS = 11
"""Cells of the names of the files, and of `Run again`."""


class SummaryStep(StepScreen):
    """The closing list, the report and the script that repeats the run."""

    STEP_ID = "summary"
    PURPOSE = "What was really done, the report, and the command that repeats it."
    HELP = "The report is written as Markdown, JSON and one HTML file. run.toml repeats the run: firstlight run run.toml --yes."
    WORK = REPORT
    CSS = """
    SummaryStep #achieved { height: auto; }
    SummaryStep #closing { width: 1fr; height: auto; max-width: 100; }
    SummaryStep #answer { width: 1fr; height: auto; max-width: 100; margin-left: 2; display: none; }
    SummaryStep.-broad #answer { display: block; }
    SummaryStep.-tall RunPictures { display: block; }
    SummaryStep.-tall RunPictures.-none { display: none; }
    SummaryStep.-tall StillOpen.-some { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "write", "Write again", id="summary.write", tooltip="Write the report again"),
        Binding(
            "o",
            "open_report",
            "Open report",
            id="summary.open",
            tooltip="Open the report in the browser",
        ),
        Binding(
            "c",
            "copy",
            "Copy command",
            id="summary.copy",
            tooltip="Copy the command that repeats the run",
        ),
        *(
            Binding(
                key,
                f"to_step('{step}')",
                f"To {step}",
                id=f"summary.{step}",
                tooltip=f"Go to the step that is still open: {step}",
            )
            for step, key in KEYS.items()
        ),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._leaving = False
        """Whether the wizard ends as soon as the report is written."""
        self._open: list[str] = []
        """Ids of the steps that are not done, or void."""

    def compose_step(self) -> ComposeResult:
        yield ResultPanel()
        with Horizontal(id="achieved"):
            yield Words(id="closing")
            yield Words(id="answer")
        yield StillOpen()
        yield RunPictures()
        yield WorkView(id="work")
        yield Words(id="files", classes="card")

    def compose_actions(self) -> ComposeResult:
        yield Button("Talk to it", id="talk", compact=True)
        yield Button("Open report", id="open-report", compact=True)

    @on(Button.Pressed, "#talk")
    def _talk(self) -> None:
        self.action_to_step("chat")

    def action_to_step(self, id: str) -> None:
        """Go to a step."""
        steps = self.workspace.navigation.steps
        index = next(i for i, step in enumerate(steps) if id == step.STEP_ID)
        self.post_message(StepChosen(index))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer to go to the steps that are still open."""
        if action == "to_step" and parameters[0] not in self._open:
            return False
        return super().check_action(action, parameters)

    @on(Button.Pressed, "#open-report")
    def action_open_report(self) -> None:
        """Open the HTML report in the browser of this machine, and say where it lies."""
        written = self.workspace.works.result(REPORT)
        if written is not None:
            self.app.open_url(Path(written["html"]).absolute().as_uri())
            self.notify(f"Report: {shown_path(written['html'])}", markup=False)

    def opened(self) -> None:
        self.query_one("#files").display = self.query_one("#work").display = False
        self.action_write()

    def _session_changed(self) -> None:
        """Work of an earlier step has ended: the summary and the report include it."""
        super()._session_changed()
        self.action_write()

    def _show_closing(self, facts: RunFacts, entries: Sequence[Entry]) -> None:
        """Show what the ledger and the session prove together: a failed step leaves nothing in the session."""
        name = self.workspace.paths.model_name(self.session.source or self.session.target or "")
        self.query_one(ResultPanel).show(name, self.session, entries, facts)
        achieved = achievements(facts)
        self._open = open_steps(achieved)
        self.query_one("#closing", Words).update(_closing(achieved, facts))
        self.query_one(StillOpen).show(self.session, entries, achieved)
        self.refresh_bindings()
        self.query_one("#answer", Words).update(answer_words(self.session))
        self.query_one(RunPictures).show(self.session)

    def action_write(self) -> None:
        """Write run.toml and the report of this run."""
        if self.session.target is not None:
            values: SummaryValues = {"session": self.session.to_json()}
            self.workspace.record("summary", "done", values)
        begin(self, self._write, group="summary")

    async def _write(self) -> None:
        """Show what the run has proven, and write its report; the ledger is read beside the UI loop."""
        session, services = self.session, self.workspace.services
        run_record = await self.workspace.ledger.written()
        facts, entries = await asyncio.to_thread(_read, session, run_record)
        if self.gone:
            return
        self._show_closing(facts, entries)
        if session.target is None or run_record is None:
            return

        async def run(on_event: OnEvent, started: Started) -> SummaryFiles:
            plan = None
            if session.artifact is not None:
                # A walk converts and deploys; of a server there is nothing of that to repeat.
                plan = await asyncio.to_thread(services.write_run_toml, run_record, session)
            report = await asyncio.to_thread(services.write_report, run_record)
            written: SummaryFiles = {
                "markdown": report["markdown"],
                "json": report["json"],
                "html": report["html"],
            }
            if plan is not None:
                written["run_toml"] = str(plan)
            return written

        self.workspace.start(REPORT, "The report", run)

    def show_work(self, work: Work) -> None:
        failed = self.query_one("#work", WorkView)
        failed.display = work.error is not None
        failed.show(work if work.error is not None else None)
        if self._leaving and not work.running:
            self._leaving = False
            if work.error is None:
                self.app.call_later(self.app.action_quit)
        written = self.workspace.works.result(REPORT)
        if written is None:
            return
        paths = (
            (written.get("run_toml"), "Recipe"),
            (written["markdown"], "Markdown"),
            (written["json"], "JSON"),
            (written["html"], "HTML"),
        )
        lines = [
            Content.assemble(part(f"{label:{LABELS}}", "$text-accent"), part(shown_path(path)))
            for path, label in paths
            if path
        ]
        if command := self._command(written):
            again = part(f"{'Run again':{LABELS}}", "$text-accent")
            lines.append(Content.assemble(again, part(command, "bold")))
        files = self.query_one("#files", Words)
        files.display = True
        files.update(Content("\n").join(lines))

    def _command(self, written: SummaryFiles | None) -> str:
        """Return the command that repeats the run; empty when there is none."""
        plan = written.get("run_toml") if written is not None else None
        if not plan:
            return ""
        return as_typed_here(command_line(["firstlight", "run", plan, "--yes"]))

    def action_copy(self) -> None:
        """Copy the command that repeats the run."""
        if command := self._command(self.workspace.works.result(REPORT)):
            self.app.copy_to_clipboard(command)
            self.notify("Copied.", markup=False)

    def primary_label(self) -> str:
        return "Finish"

    def primary(self) -> None:
        """Leave; a report that is being written is waited for, it takes a second."""
        if self.work is not None and self.work.running:
            self._leaving = True
            self.notify("Leaving when the report is written.", markup=False)
            return
        self.app.call_later(self.app.action_quit)

    def action_next(self) -> None:
        """There is no next step; a key that was pressed once too often must not end the wizard."""
        self.notify("This is the last step: Finish, or Ctrl+Q, leaves.", markup=False)


MARKS: Mapping[Outcome, tuple[str, str]] = {
    "done": ("✓ ", "$text-success"),
    "failed": ("✗ ", "$text-error"),
    "void": ("? ", "$text-warning"),
    "skipped": ("· ", "$foreground-muted"),
}
MARK_CELLS = 2
"""Cells of a mark and the blank behind it; the verdicts begin below the titles."""


def _read(session: Session, run_record: Run | None) -> tuple[RunFacts, list[Entry]]:
    """Return the facts and the entries of a run."""
    entries = list(run_record.entries()) if run_record is not None else []
    return current_facts(session, run_record), entries


def _closing(achieved: Sequence[Achievement], facts: RunFacts) -> HangingText:
    """Return the achievements line by line, and the verdicts on the quality."""
    verdicts = [str(quality.get("verdict") or "") for quality in facts.qualities]
    below = [
        Paragraph(
            head=[(" " * MARK_CELLS, "")],
            text=Content.styled(one_line(words, 800), "$foreground-muted"),
        )
        for words in verdicts
        if words
    ]
    return HangingText(*map(_item, achieved), *below)


def _item(achievement: Achievement) -> Paragraph:
    mark, style = MARKS[achievement.outcome]
    note, skipped = achievement.note, achievement.outcome == "skipped"
    if achievement.outcome != "done":
        key = KEYS.get(achievement.step, "")
        note = "; ".join(filter(None, (note or "not yet", key and f"{key} goes there")))
    title = f"{visible(achievement.title):{TITLES}}"
    return Paragraph(
        head=[(mark, style), (title, "$foreground-muted" if skipped else "bold")],
        text=Content.styled(visible(one_line(note, 160)), "$foreground-muted"),
    )
