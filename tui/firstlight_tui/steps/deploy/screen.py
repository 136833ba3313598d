"""Step 6: publish the artifact, and prove that Foundry Local's own runtime answers with it."""

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Label

from firstlight_core.session import Session
from firstlight_core.text import one_line
from firstlight_tui.modals.preset import PresetScreen
from firstlight_tui.state.deployment import next_commands, suggested_choice
from firstlight_tui.state.work import Work
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.steps.deploy.form import ChoiceForm
from firstlight_tui.steps.deploy.foundry_tools import FoundryTools
from firstlight_tui.steps.deploy.keys import BUTTONS, HELP, KEYS
from firstlight_tui.steps.deploy.outcome import command_rows
from firstlight_tui.steps.deploy.publish_panel import WORK, PublishPanel
from firstlight_tui.steps.deploy.service_panel import ServicePanel
from firstlight_tui.steps.deploy.snippets_panel import SnippetsPanel


class DeployStep(StepScreen):
    """Name it, deploy it, see its answer; serve it; undo takes it away without a trace."""

    STEP_ID = "deploy"
    PURPOSE = "Register with Foundry Local, load it there, ask it one question, compare the answer."
    HELP = HELP
    WORK = WORK
    CSS = """
    DeployStep #deploy-room, DeployStep #deploy-main { height: auto; }
    DeployStep #deploy-main { width: 1fr; }
    DeployStep.-broad SnippetsPanel { display: block; }
    DeployStep #where { text-style: bold; color: $text-accent; }
    DeployStep.-narrow #purpose { display: none; }
    DeployStep.-narrow Outcome #answers.-shown { layout: vertical; }
    DeployStep.-narrow Outcome #answers Vertical { width: 100%; }
    DeployStep.-narrow ChoiceForm #targets { layout: grid; grid-size: 2; grid-rows: 1; height: auto; }
    DeployStep #body #actions Button { min-width: 4; margin-right: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = KEYS

    @classmethod
    def done(cls, session: Session) -> bool:
        return session.deployment is not None and bool(session.deployment.get("ok", True))

    def compose_step(self) -> ComposeResult:
        drafted = self.workspace.drafts.deployment_of(self.session.artifact)
        choice = drafted or suggested_choice(self.session)
        with Horizontal(id="deploy-room"):
            with Vertical(id="deploy-main"):
                yield Label("Where do you want to use it?", id="where")
                yield ChoiceForm(choice, self.workspace.services.deploy_targets(), id="choice")
                yield ServicePanel()
                yield FoundryTools()
                yield PublishPanel()
            yield SnippetsPanel()

    def compose_actions(self) -> ComposeResult:
        for key, label in BUTTONS:
            yield Button(label, id=f"deploy-{key}", compact=True)

    def opened(self) -> None:
        self.query_one(ChoiceForm).look()

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """Back from a screen of the foundry command, which may have moved the cache."""
        for tools in self.query(FoundryTools):
            tools.look()

    # The panels -----------------------------------------------------------------------------------

    @on(ChoiceForm.Changed)
    def _chosen(self) -> None:
        self.refresh_actions()

    @on(PublishPanel.Began)
    def _publishing(self) -> None:
        self.refresh_actions()

    @on(ServicePanel.Changed)
    def _service_changed(self, message: ServicePanel.Changed) -> None:
        self.query_one("#deploy-serve", Button).label = "Stop" if message.serving else "Serve"
        self.query_one(SnippetsPanel).show()

    @on(ServicePanel.Failed)
    @on(FoundryTools.Failed)
    def _failed(self, message: ServicePanel.Failed | FoundryTools.Failed) -> None:
        self.show_problem(message.error)

    def show_work(self, work: Work) -> None:
        self.query_one(PublishPanel).show_work(work)
        if not work.pending:
            self.query_one(ChoiceForm).look()

    def _session_changed(self) -> None:
        super()._session_changed()
        self.query_one(PublishPanel).show_deployment()

    def refresh_actions(self) -> None:
        super().refresh_actions()
        deployed = self.session.deployment is not None
        self.query_one("#deploy-undo", Button).display = deployed
        self.query_one("#deploy-skip", Button).display = not deployed
        self.query_one("#deploy-serve", Button).disabled = self.session.artifact is None

    # The primary button ---------------------------------------------------------------------------

    @property
    def primary_cancels(self) -> bool:
        return self.work is not None and self.work.pending

    def primary_label(self) -> str:
        form = self.query_one(ChoiceForm)
        if self.session.artifact is None:
            return ""
        if self.primary_cancels:
            return "Stop"
        if form.choice.is_deployed(self.session):
            return self.next_label()
        return "Replace" if form.replaces else "Deploy"

    def primary(self) -> None:
        form = self.query_one(ChoiceForm)
        if self.primary_cancels:
            self.action_stop_work()
        elif form.choice.is_deployed(self.session):
            self.action_next()
        elif not form.name_is_valid:
            form.focus_name()
        else:
            self.query_one(PublishPanel).publish(form.choice, replaces=form.replaces)

    # Keys and buttons -----------------------------------------------------------------------------

    @on(Button.Pressed, "#deploy-skip")
    def _skipped(self) -> None:
        self.action_next()

    @on(Button.Pressed, "#deploy-undo")
    def action_undo(self) -> None:
        """Remove the deployment."""
        self.query_one(PublishPanel).undo()

    @on(Button.Pressed, "#deploy-serve")
    def action_serve(self) -> None:
        """Start Foundry Local's service on loopback, or stop it."""
        if self.query_one(ServicePanel).toggle():
            self.clear_problem()

    def action_restart(self) -> None:
        """Stop the service and start it again, at the same port."""
        self.query_one(ServicePanel).restart()

    @on(Button.Pressed, "#deploy-doctor")
    def action_doctor(self) -> None:
        """Look at the chosen cache as Foundry Local's cores do."""
        self.query_one(FoundryTools).examine(self.query_one(ChoiceForm).choice.cache)

    @on(Button.Pressed, "#deploy-cli")
    def action_cli(self) -> None:
        """Show the commands of the foundry command that is installed."""
        choice = self.query_one(ChoiceForm).choice
        self.query_one(FoundryTools).open_cli(choice.name or "NAME", choice.cache)

    def action_put_back(self) -> None:
        """Put the foundry command's cache back to where it was before Firstlight moved it."""
        self.query_one(FoundryTools).put_back()

    def action_copy_next(self) -> None:
        """Copy the command to type next."""
        deployment = self.session.deployment
        first = next_commands(deployment["commands"]).first if deployment is not None else None
        if first is None:
            self.notify("Deploy first; then there is a command to copy.", markup=False)
            return
        self.app.copy_to_clipboard(first["command"])
        self.notify(f"Copied: {one_line(first['command'], 60)}", markup=False)

    @on(Button.Pressed, "#deploy-copy")
    def action_copy(self) -> None:
        """Choose a snippet of the service, or a command of the deployment, and copy it."""
        rows = [
            (f"command:{key}", command, meaning)
            for key, command, meaning in command_rows(self.session.deployment)
        ]
        texts = {key: command for key, command, _ in rows}
        if (served := self.workspace.service.served) is not None:
            snippets = {f"snippet:{key}": str(text) for key, text in served.snippets.items()}
            names = {key: key.partition(":")[2].replace("_", " ") for key in snippets}
            rows = [(key, names[key], text) for key, text in snippets.items()] + rows
            texts |= snippets
        if not rows:
            self.notify("Deploy or serve first; then there is something to copy.", markup=False)
            return

        def copy(key: str | None) -> None:
            if key is not None:
                self.app.copy_to_clipboard(texts[key])
                self.notify(f"Copied: {one_line(texts[key], 60)}", markup=False)

        self.app.push_screen(PresetScreen("Copy what?", rows), copy)
