"""Publishing and undoing on the deploy step: the questions before, how far it is, and what came of it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message

from firstlight_core.artifact.manifest import forced_reason
from firstlight_core.deploy.targets import asks_capacity
from firstlight_core.documents.deploy import Deployed
from firstlight_core.documents.ledger import UndoneValues
from firstlight_core.exports.vllm_command import Capacity
from firstlight_tui.modals import ConfirmScreen
from firstlight_tui.state.deployment import Choice, Publication, Undone
from firstlight_tui.state.service import SERVE
from firstlight_tui.state.work import OnEvent, Started, Work, WorkKey
from firstlight_tui.state.workspace import Workspace
from firstlight_tui.steps.deploy.capacity_screen import CapacityScreen
from firstlight_tui.steps.deploy.outcome import Outcome
from firstlight_tui.terminal.app import workspace_of
from firstlight_tui.widgets import WorkView
from firstlight_tui.widgets.log_view import LogView

WORK = WorkKey[Deployed | Undone]("deploy")
"""The name of the work that publishes or undoes."""


class PublishPanel(Vertical):
    """Publishes a choice after its questions, undoes a deployment, and shows both."""

    DEFAULT_CSS = """
    PublishPanel { height: auto; }
    PublishPanel #work { margin: 0; }
    """

    class Began(Message):
        """A deployment or an undo has begun."""

    def compose(self) -> ComposeResult:
        yield WorkView(id="work")
        yield Outcome(id="outcome")
        yield LogView(id="log")

    def on_mount(self) -> None:
        """Show what is deployed, and the work unless it is done."""
        work = self._workspace.works.get(WORK)
        self.query_one(WorkView).display = work is not None and work.status != "done"
        self.show_deployment()

    @property
    def _workspace(self) -> Workspace:
        return workspace_of(self)

    def show_deployment(self) -> None:
        """Show the session's deployment, when there is one."""
        if (deployment := self._workspace.session.deployment) is not None:
            self.query_one(Outcome).show(deployment)

    def show_work(self, work: Work) -> None:
        """Show how far the work is, or how it ended."""
        view = self.query_one(WorkView)
        # Once it is done, the outcome says it all.
        view.display = work.status != "done"
        view.show(work)
        self.query_one(LogView).show(work.lines, work.lines_seen)
        result = self._workspace.works.result(WORK)
        if isinstance(result, Undone) and self._workspace.session.deployment is None:
            self.query_one(Outcome).say("Undone: its files and its registration are gone.")

    # Publishing -----------------------------------------------------------------------------------

    def publish(self, choice: Choice, *, replaces: bool) -> None:
        """Publish the artifact in use as chosen, after the questions that this needs."""
        publication = Publication(choice)
        if reason := forced_reason(Path(str(self._workspace.session.artifact))):
            question = f"This artifact was published by force. {reason} Deploy it all the same?"
            dialog = ConfirmScreen(question, yes="Deploy", no="Cancel")
            forced = replace(publication, force=True)
            self._ask(dialog, lambda: self._ask_replace(forced, replaces))
        else:
            self._ask_replace(publication, replaces)

    def _ask(self, dialog: ConfirmScreen, use: Callable[[], None]) -> None:
        self.app.push_screen(dialog, lambda yes: use() if yes else None)

    def _ask_replace(self, publication: Publication, replaces: bool) -> None:
        if replaces:
            name = publication.choice.name
            question = (
                f"Replace the deployment {name}? Until the new one is proven, the old one stays."
            )
            dialog = ConfirmScreen(question, yes="Replace", no="Keep")
            self._ask(dialog, lambda: self._ask_capacity(replace(publication, replace=True)))
        else:
            self._ask_capacity(publication)

    def _ask_capacity(self, publication: Publication) -> None:
        if not asks_capacity(publication.choice.target):
            self._start(publication)
            return
        drafts = self._workspace.drafts

        def use(capacity: Capacity | None) -> None:
            if capacity is not None:
                drafts.capacity = capacity
                self._start(replace(publication, capacity=capacity))

        self.app.push_screen(CapacityScreen(drafts.capacity or Capacity()), use)

    def _start(self, publication: Publication) -> None:
        workspace, choice = self._workspace, publication.choice
        artifact = Path(str(workspace.session.artifact))

        async def run(on_event: OnEvent, started: Started) -> Deployed | Undone:
            return await workspace.services.deploy(
                artifact,
                choice.name,
                target=choice.target,
                cache=choice.cache if choice.cached else "private",
                replace=publication.replace,
                force=publication.force,
                capacity=publication.capacity,
                on_event=on_event,
                started=started,
            )

        workspace.start(WORK, "The deployment", run, done=_deployed, alone=True)
        self.post_message(self.Began())

    def undo(self) -> None:
        """Remove the deployment: registration and files."""
        workspace = self._workspace
        if workspace.session.deployment is None:
            self.notify("There is nothing to undo.", markup=False)
            return
        name = str(workspace.session.deployment["name"])
        target = str(workspace.session.deployment.get("target") or "foundry")
        workspace.stop_work(SERVE)

        async def run(on_event: OnEvent, started: Started) -> Deployed | Undone:
            await workspace.services.undo(name, target=target)
            return Undone(name)

        workspace.start(WORK, "The undo", run, done=_deployed, alone=True)
        self.post_message(self.Began())


def _deployed(workspace: Workspace, result: Deployed | Undone, seconds: float) -> None:
    """Write a deployment, or its undo, into the session and the ledger."""
    if isinstance(result, Undone):
        workspace.session = workspace.session.decide(deployment=None)
        undone: UndoneValues = {"name": result.name}
        workspace.record("deploy", "undone", undone, seconds=seconds)
    else:
        workspace.session = workspace.session.decide(deployment=result)
        good = result["kind"] != "answered" or result["verified"]
        workspace.record("deploy", "done" if good else "failed", result, seconds=seconds)
