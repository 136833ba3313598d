"""Step 4: the conversion, live: what is run beside what the course says, progress, log, result."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content

from firstlight_core.conversion_plan import ConversionPlan
from firstlight_core.errors import FirstlightError
from firstlight_core.precisions import find_precision
from firstlight_core.session import Session
from firstlight_core.text import bytes_text, one_line, seconds_text
from firstlight_tui.modals import DetailScreen
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.widgets import LogView, Words, WorkView
from firstlight_tui.widgets.words import part
from firstlight_tui.works import OnEvent, Started, Work


class ConvertStep(StepScreen):
    """One conversion after another; the job belongs to the app and goes on when you look elsewhere."""

    STEP_ID = "convert"
    STEP_TITLE = "Convert"
    PURPOSE = "Microsoft Olive makes the artifact; it counts only once a fresh process has spoken with it."
    HELP = (
        "The course shows two methods: one command, and a configuration file. `m` shows both beside what is really run, "
        "and why they differ. Cancel at any time: nothing half-done stays behind."
    )
    WORK = "convert"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "m",
            "methods",
            "Methods",
            id="convert.methods",
            tooltip="The course's two methods and what is run",
        ),
        Binding("escape", "cancel", "Cancel", id="convert.cancel", tooltip="Stop the conversion"),
    ]

    @classmethod
    def missing(cls, session: Session) -> str | None:
        return (
            None if session.artifact else "Convert first, or choose an artifact in the Model step."
        )

    @classmethod
    def skip(cls, session: Session) -> bool:
        """An adopted ONNX artifact needs no conversion."""
        return session.source is None and session.artifact is not None

    @classmethod
    def done(cls, session: Session) -> bool:
        return session.artifact is not None

    def compose_step(self) -> ComposeResult:
        yield Words(id="plan")
        yield WorkView(id="work")
        yield Words(id="result", classes="card")
        yield LogView(id="log")

    def opened(self) -> None:
        labels = ", ".join(
            find_precision(key).label for key in self._pending() or self.session.precisions
        )
        source = self.wizard.paths.model_name(self.session.source or "")
        self.query_one("#plan", Words).update(
            Content.assemble(
                part(one_line(source, 60), "bold"), part(" → "), part(labels, "bold $text-accent")
            )
        )
        self._show_results()

    def _pending(self) -> list[str]:
        return [key for key in self.session.precisions if self.session.measured(key) is None]

    def _output(self, key: str) -> Path:
        return self.wizard.run_folder() / "artifacts" / key

    def primary_label(self) -> str:
        if self.work is not None and self.work.running:
            return "Cancel"
        pending = self._pending()
        if not pending:
            return self.next_label()
        return "Convert" if len(pending) == 1 else f"Convert {len(pending)} precisions"

    def primary(self) -> None:
        if self.work is not None and self.work.running:
            self.action_cancel()
        elif self._pending():
            self._convert()
        else:
            self.action_next()

    def action_cancel(self) -> None:
        """Stop the conversion; its staging is removed."""
        self.wizard.stop_work(self.WORK)

    def _convert(self) -> None:
        wizard, source = self.wizard, Path(str(self.session.source))
        pending, method = self._pending(), self.session.method
        try:
            wizard.run_folder()
        except FirstlightError as error:
            self.show_problem(error)
            return

        async def run(on_event: OnEvent, started: Started) -> dict[str, Any]:
            made = []
            for key in pending:
                try:
                    document = await wizard.services.convert(
                        source,
                        self._output(key),
                        precision=key,
                        method=method,
                        on_event=on_event,
                        started=started,
                    )
                except FirstlightError as error:
                    wizard.record("convert", "failed", precision=key, error=error.to_json())
                    raise
                made.append(document)
                # Each finished precision counts at once: a later failure must not lose it.
                artifacts = (*wizard.session.artifacts, document)
                first = wizard.session.artifact or str(document["artifact"])
                wizard.session = wizard.session.decide(artifacts=artifacts, artifact=first)
                wizard.record("convert", "done", **document)
            return {"artifacts": made}

        wizard.start(self.WORK, "The conversion", run)
        self.refresh_actions()

    def show_work(self, work: Work) -> None:
        self.query_one("#work", WorkView).show(work)
        self.query_one("#log", LogView).show(work.lines, work.lines_seen)
        self._show_results()

    def _show_results(self) -> None:
        words = self.query_one("#result", Words)
        words.display = bool(self.session.artifacts)
        words.update(
            Content("\n").join(_result_line(document) for document in self.session.artifacts)
        )

    def action_methods(self) -> None:
        """Show the course's two methods beside what is really run."""
        if not self.session.source or not self.session.precisions:
            return
        try:
            plan = self.wizard.services.plan_conversion(
                Path(self.session.source), Path("OUTPUT"), precision=self.session.precisions[0]
            )
        except FirstlightError as error:
            self.show_problem(error)
            return
        self.app.push_screen(
            DetailScreen("What the course says, and what is run", _plan_text(plan))
        )


def _plan_text(plan: ConversionPlan) -> str:
    """The course's two methods and what is run, to read and to copy."""
    return "\n\n".join(
        (
            "Method 1 of the course, one command:\n" + shlex.join(plan.course_command),
            "Method 2 of the course, finetuned_conversion_config.json:\n"
            + json.dumps(plan.course_config, indent=2),
            "What is run here:\n" + json.dumps(plan.run_config, indent=2),
            "Why they differ:\n" + plan.reason,
            "To repeat it without the wizard:\n" + shlex.join(plan.command),
        )
    )


def _result_line(document: Mapping[str, Any]) -> Content:
    smoke = document.get("smoke") or {}
    label = find_precision(str(document["precision"])).label
    peak = document.get("peak_rss_bytes")
    facts = [bytes_text(document["bytes"]), seconds_text(document["seconds"])]
    if peak:
        facts.append(f"peak RAM {bytes_text(peak)}")
    said = one_line(str(smoke.get("text", "")), 60)
    return Content.assemble(
        part("✓ ", "$text-success"),
        part(f"{label:13}", "bold"),
        part("measured  ", "$text-accent"),
        part(", ".join(facts)),
        part(f"  it said: “{said}”" if said else "", "$foreground-muted"),
    )
