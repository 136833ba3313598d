"""Step 6: publish the artifact, and prove that Foundry Local's own runtime answers with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Button, Input, Label

from firstlight_core.session import Session
from firstlight_core.text import one_line, shown_path
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.widgets import LogView, Words, WorkView
from firstlight_tui.widgets.words import part
from firstlight_tui.works import OnEvent, Started, Work


class DeployStep(StepScreen):
    """Name it, deploy it, see its answer; undo takes it away without a trace."""

    STEP_ID = "deploy"
    STEP_TITLE = "Deploy"
    PURPOSE = "Register with Foundry Local, load it there, ask it one question, compare the answer."
    HELP = "This step is optional: chat, benchmark and quality work on the artifact itself. Undo removes registration and files."
    WORK = "deploy"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "f8",
            "undo",
            "Undo",
            id="deploy.undo",
            tooltip="Remove the deployment: registration and files",
        ),
    ]

    @classmethod
    def done(cls, session: Session) -> bool:
        return bool((session.deployment or {}).get("verified"))

    def compose_step(self) -> ComposeResult:
        yield Label("Name")
        yield Input(id="deploy-name", compact=True)
        yield WorkView(id="work")
        yield Words(id="outcome", classes="card")
        yield LogView(id="log")

    def opened(self) -> None:
        self.query_one("#outcome").display = False
        model = (self.session.template or {}).get("inference_model") or {}
        name = (self.session.deployment or {}).get("name") or model.get("Name") or ""
        self.query_one("#deploy-name", Input).value = str(name)
        if self.session.deployment is not None:
            self._show_deployment(self.session.deployment)

    def compose_actions(self) -> ComposeResult:
        yield Button("Skip", id="skip", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "skip":
            self.action_next()

    def primary_label(self) -> str:
        if self.session.artifact is None:
            return ""
        if self.work is not None and self.work.running:
            return "Cancel"
        return self.next_label() if self.session.deployment is not None else "Deploy"

    def primary(self) -> None:
        if self.work is not None and self.work.running:
            self.wizard.stop_work(self.WORK)
        elif self.session.deployment is not None:
            self.action_next()
        else:
            self._deploy()

    def _deploy(self) -> None:
        artifact, name = (
            Path(str(self.session.artifact)),
            self.query_one("#deploy-name", Input).value.strip(),
        )

        async def run(on_event: OnEvent, started: Started) -> dict[str, Any]:
            return dict(
                await self.wizard.services.deploy(
                    artifact, name, on_event=on_event, started=started
                )
            )

        self.wizard.start(self.WORK, "The deployment", run)
        self.refresh_actions()

    def action_undo(self) -> None:
        """Remove the deployment."""
        deployment = self.session.deployment
        if deployment is None:
            self.notify("There is nothing to undo.", markup=False)
            return
        name = str(deployment["name"])

        async def run(on_event: OnEvent, started: Started) -> dict[str, Any]:
            return {"undone": name, **await self.wizard.services.undo(name)}

        self.wizard.start(self.WORK, "The undo", run)
        self.refresh_actions()

    def show_work(self, work: Work) -> None:
        self.query_one("#work", WorkView).show(work)
        self.query_one("#log", LogView).show(work.lines, work.lines_seen)
        if work.result is None:
            return
        if "undone" in work.result:
            self._forget()
        elif self.session.deployment != work.result:
            self.wizard.session = self.session.decide(deployment=work.result)
            status = "done" if work.result.get("verified") else "failed"
            self.wizard.record("deploy", status, seconds=work.seconds, **work.result)
            self._show_deployment(work.result)
        else:
            self._show_deployment(work.result)

    def _forget(self) -> None:
        if self.session.deployment is not None:
            self.wizard.session = self.session.decide(deployment=None)
            self.wizard.record("deploy", "undone")
        outcome = self.query_one("#outcome", Words)
        outcome.display = True
        outcome.update("Undone: the registration and the files are gone.")

    def _show_deployment(self, document: Mapping[str, Any]) -> None:
        good = bool(document.get("verified"))
        head = (
            ("✓ Verified: Foundry Local answered. ", "bold $text-success")
            if good
            else ("! Published, but not verified. ", "bold $text-warning")
        )
        lines = [Content.assemble(head, part(str(document.get("id") or ""), "bold"))]
        for label, key in (
            ("Foundry", "answer"),
            ("artifact", "artifact_answer"),
            ("reason", "reason"),
        ):
            if document.get(key):
                lines.append(
                    Content.assemble(
                        part(f"{label:9}", "$text-accent"), part(one_line(str(document[key]), 300))
                    )
                )
        if document.get("path"):
            lines.append(
                Content.assemble(
                    part("folder   ", "$text-accent"), part(shown_path(str(document["path"])))
                )
            )
        for command in document.get("commands") or ():
            lines.append(
                Content.assemble(
                    part(one_line(str(command["command"]), 100), "bold"),
                    part(f"  {one_line(str(command['does']), 100)}", "$foreground-muted"),
                )
            )
        outcome = self.query_one("#outcome", Words)
        outcome.display = True
        outcome.update(Content("\n").join(lines))
