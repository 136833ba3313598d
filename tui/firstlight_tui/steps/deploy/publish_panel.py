"""Publishing and undoing from the deploy step: one long work, and what it means for the session."""

from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import Button, Input

from firstlight_core.artifact.manifest import forced_reason
from firstlight_core.deploy.targets import asks_capacity
from firstlight_core.exports.vllm_command import Capacity
from firstlight_core.session import Session
from firstlight_tui.modals import ConfirmScreen
from firstlight_tui.modals.cancel_work import cancel_work
from firstlight_tui.state.work import OnEvent, Started, Work
from firstlight_tui.state.workspace import Workspace
from firstlight_tui.steps.deploy.capacity_screen import CapacityScreen
from firstlight_tui.steps.deploy.form import CACHED, name_words
from firstlight_tui.steps.deploy.foundry_panel import FoundryStep
from firstlight_tui.steps.deploy.outcome import Outcome
from firstlight_tui.steps.deploy.service_panel import SERVE
from firstlight_tui.terminal.workers import begin
from firstlight_tui.widgets import LogView, WorkView

CAPACITY = "deploy-capacity"


class PublishStep(FoundryStep):
    """A step that deploys what is chosen, replaces after a question, and undoes."""

    WORK = "deploy"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "f8",
            "undo",
            "Undo",
            id="deploy.undo",
            show=False,
            tooltip="Remove the deployment: registration and files",
        ),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.taken: dict[str, str] = {}
        """Names that are deployed on this machine, in lower case, and their targets."""

    @property
    def is_deployed(self) -> bool:
        """Whether what is chosen is what is deployed; override me."""
        raise NotImplementedError

    async def look(self) -> None:
        """Find out which names are taken; override me."""
        raise NotImplementedError

    @classmethod
    def done(cls, session: Session) -> bool:
        return session.deployment is not None and bool(session.deployment.get("ok", True))

    @classmethod
    def finished(cls, workspace: Workspace, result: dict[str, Any], seconds: float) -> None:
        if "undone" in result:
            workspace.session = workspace.session.decide(deployment=None)
            workspace.record("deploy", "undone", seconds=seconds, name=result["undone"])
        else:
            workspace.session = workspace.session.decide(deployment=result)
            good = result.get("verified") or "answer" not in result
            values = {"seconds": seconds, **result}
            workspace.record("deploy", "done" if good else "failed", **values)

    @property
    def primary_cancels(self) -> bool:
        return self.work is not None and self.work.running

    def primary_label(self) -> str:
        if self.session.artifact is None:
            return ""
        if self.primary_cancels:
            return "Cancel"
        if self.is_deployed:
            return self.next_label()
        return "Replace" if self._is_taken else "Deploy"

    @property
    def _is_taken(self) -> bool:
        """Whether a deployment of this name would have to give way; exports have names of their own."""
        choice = self.choice
        return choice.target in CACHED and choice.name.lower() in self.taken

    def primary(self) -> None:
        if self.primary_cancels:
            cancel_work(self, self.WORK)
        elif self.is_deployed:
            self.action_next()
        elif not name_words(self.choice.name, self.taken, None)[0]:
            self.query_one("#deploy-name", Input).focus()
        elif reason := forced_reason(Path(str(self.session.artifact))):
            question = f"This artifact was published by force. {reason} Deploy it all the same?"
            self.app.push_screen(ConfirmScreen(question, yes="Deploy", no="Cancel"), self._insist)
        else:
            self._begin(force=False)

    def _insist(self, yes: bool | None) -> None:
        if yes:
            self._begin(force=True)

    def _begin(self, *, force: bool) -> None:
        def replace(yes: bool | None) -> None:
            if yes:
                self._deploy(replace=True, force=force)

        if self._is_taken:
            question = f"Replace the deployment {self.choice.name}? Until the new one is proven, the old one stays."
            self.app.push_screen(ConfirmScreen(question, yes="Replace", no="Keep"), replace)
        else:
            self._deploy(replace=False, force=force)

    def _deploy(self, *, replace: bool, force: bool) -> None:
        artifact, choice = Path(str(self.session.artifact)), self.choice
        options: dict[str, Any] = {"target": choice.target}
        options |= {"cache": choice.cache} if choice.target in CACHED else {}
        options |= {"replace": True} if replace else {}
        options |= {"force": True} if force else {}
        if not asks_capacity(choice.target):
            self._publish(artifact, choice.name, options)
            return

        def sized(capacity: Capacity | None) -> None:
            if capacity is not None:
                self.workspace.kept[CAPACITY] = capacity
                self._publish(artifact, choice.name, {**options, "capacity": capacity})

        self.app.push_screen(CapacityScreen(self.workspace.kept.get(CAPACITY, Capacity())), sized)

    def _publish(self, artifact: Path, name: str, options: dict[str, Any]) -> None:
        async def run(on_event: OnEvent, started: Started) -> dict[str, Any]:
            document = await self.workspace.services.deploy(
                artifact, name, on_event=on_event, started=started, **options
            )
            return {"target": options["target"], **document}

        self.workspace.start(self.WORK, "The deployment", run)
        self.refresh_actions()

    @on(Button.Pressed, "#deploy-undo")
    def action_undo(self) -> None:
        """Remove the deployment."""
        if self.session.deployment is None:
            self.notify("There is nothing to undo.", markup=False)
            return
        name = str(self.session.deployment["name"])
        target = str(self.session.deployment.get("target") or "foundry")
        self.workspace.stop_work(SERVE)

        async def run(on_event: OnEvent, started: Started) -> dict[str, Any]:
            return {"undone": name, **await self.workspace.services.undo(name, target=target)}

        self.workspace.start(self.WORK, "The undo", run)
        self.refresh_actions()

    def show_work(self, work: Work) -> None:
        view = self.query_one("#work", WorkView)
        # Once it is done, the outcome says it all.
        view.display = work.status != "done"
        view.show(work)
        self.query_one("#log", LogView).show(work.lines, work.lines_seen)
        if work.running:
            return
        if work.result is not None and self.session.deployment is None and "undone" in work.result:
            self.query_one(Outcome).say("Undone: its files and its registration are gone.")
        begin(self, self.look, group="deployments")

    def refresh_actions(self) -> None:
        super().refresh_actions()
        deployed = self.session.deployment is not None
        self.query_one("#deploy-undo", Button).display = deployed
        self.query_one("#deploy-skip", Button).display = not deployed
