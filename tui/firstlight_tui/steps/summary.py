"""Step 10: what was done, where it is, and how to do it again."""

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content

from firstlight_core.session import Session
from firstlight_core.text import bytes_text, one_line, shown_path
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.widgets import Words, WorkView
from firstlight_tui.widgets.words import part
from firstlight_tui.works import OnEvent, Started, Work


class SummaryStep(StepScreen):
    """The closing list, the report and the script that repeats the run."""

    STEP_ID = "summary"
    STEP_TITLE = "Summary"
    PURPOSE = "What was really done, the report, and the command that repeats it."
    HELP = "The report is written as Markdown, JSON and one HTML file. run.toml repeats the walk: firstlight run run.toml --yes."
    WORK = "report"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "write", "Write again", id="summary.write", tooltip="Write the report again"),
        Binding(
            "c",
            "copy",
            "Copy command",
            id="summary.copy",
            tooltip="Copy the command that repeats the run",
        ),
    ]

    def compose_step(self) -> ComposeResult:
        yield Words(id="closing")
        yield WorkView(id="work")
        yield Words(id="files", classes="card")

    def opened(self) -> None:
        self.query_one("#closing", Words).update(Content("\n").join(_closing(self.session)))
        self.query_one("#files").display = False
        self.action_write()

    def action_write(self) -> None:
        """Write run.toml and the report of this run."""
        if self.session.target is None:
            return
        self.wizard.record("summary", "done", session=self.session.to_json())
        run_record, session, services = self.wizard.run_record, self.session, self.wizard.services
        if run_record is None:
            return

        async def run(on_event: OnEvent, started: Started) -> dict[str, Any]:
            made: dict[str, Any] = {}
            if session.artifact is not None:
                # A walk converts and deploys; of a server there is nothing of that to repeat.
                path = await asyncio.to_thread(services.write_run_toml, run_record, session)
                made["run_toml"] = str(path)
            return made | await asyncio.to_thread(services.write_report, run_record)

        self.wizard.start(self.WORK, "The report", run)

    def show_work(self, work: Work) -> None:
        self.query_one("#work", WorkView).show(work if work.error is not None else None)
        if work.result is None:
            return
        names = (
            ("run_toml", "repeat"),
            ("markdown", "Markdown"),
            ("json", "JSON"),
            ("html", "HTML"),
        )
        lines = [
            Content.assemble(
                part(f"{label:9}", "$text-accent"), part(shown_path(str(work.result[key])))
            )
            for key, label in names
            if work.result.get(key)
        ]
        if work.result.get("run_toml"):
            lines.append(
                Content.assemble(
                    part("again    ", "$text-accent"), part(self._command(work), "bold")
                )
            )
        files = self.query_one("#files", Words)
        files.display = True
        files.update(Content("\n").join(lines))

    def _command(self, work: Work) -> str:
        return f"firstlight run {(work.result or {}).get('run_toml', 'run.toml')} --yes"

    def action_copy(self) -> None:
        """Copy the command that repeats the run."""
        if self.work is not None and (self.work.result or {}).get("run_toml"):
            self.app.copy_to_clipboard(self._command(self.work))
            self.notify("Copied.", markup=False)

    def primary_label(self) -> str:
        return "Finish"

    def primary(self) -> None:
        self.app.call_later(self.app.action_quit)

    def action_next(self) -> None:
        """There is no next step; a key that was pressed once too often must not end the wizard."""
        self.notify("This is the last step: Finish, or Ctrl+Q, leaves.", markup=False)


def _closing(session: Session) -> list[Content]:
    """The course's closing items, each done or not, with what was found."""
    lines = []
    if session.endpoint is not None:
        lines.append(_item(True, "Connected to a running server", str(session.endpoint["target"])))
    made = session.artifacts
    sizes = ", ".join(f"{d['precision']} {bytes_text(d['bytes'])}" for d in made)
    lines.append(
        _item(
            bool(made or session.artifact),
            "Model converted to ONNX",
            sizes or str(session.artifact or ""),
        )
    )
    template = session.template or {}
    locked = "locked, token by token" if template.get("locked") else "saved, with known differences"
    lines.append(
        _item(
            session.template is not None,
            "Prompt template settled",
            locked if session.template else "",
        )
    )
    deployment = session.deployment or {}
    lines.append(
        _item(
            bool(deployment.get("verified")),
            "Deployed to Foundry Local",
            str(deployment.get("id") or ""),
        )
    )
    lines.append(_item(session.chat is not None, "Tested in a conversation", ""))
    lines.append(
        _item(session.benchmark is not None, "Measured on this machine", _speed(session.benchmark))
    )
    lines.append(
        _item(
            session.quality is not None,
            # Only an artifact has an original beside it.
            "Validated against the original" if session.endpoint is None else "Quality checked",
            _verdict(session.quality),
        )
    )
    verdicts = [str(one.get("verdict") or "") for one in _judged(session.quality)]
    lines += [
        Content.styled(f"  {one_line(words, 300)}", "$foreground-muted")
        for words in verdicts
        if words
    ]
    return lines


def _item(done: bool, title: str, found: str) -> Content:
    mark = part("✓ ", "$text-success") if done else part("· ", "$foreground-muted")
    return Content.assemble(
        mark,
        part(f"{title:32}", "bold" if done else "$foreground-muted"),
        part(one_line(found if done else "skipped", 120), "$foreground-muted"),
    )


def _speed(benchmark: Mapping[str, Any] | None) -> str:
    for result in (benchmark or {}).get("results") or ():
        for case in result.get("cases") or ():
            if (rate := (case.get("decode_tps") or {}).get("median")) is not None:
                void = " but void: measure again" if (benchmark or {}).get("void") else ""
                return f"decode {rate:.0f} tok/s (median){void}"
    return ""


def _judged(quality: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """The results of the artifacts that were checked, together or one alone."""
    return list((quality or {}).get("artifacts") or [quality or {}])


def _verdict(quality: Mapping[str, Any] | None) -> str:
    said = []
    for one in _judged(quality):
        checks = one.get("checks") or ()
        passed = sum(1 for check in checks if check.get("status") == "pass")
        if checks:
            said.append(f"{passed} of {len(checks)} checks passed")
    return ", ".join(said)
