"""Installing what is missing: the exact command first, then pip with its log, then the check again."""

from typing import TYPE_CHECKING, ClassVar

from textual.containers import Vertical
from textual.message import Message

from firstlight_core.documents.environment import DoctorDocument, InstallDocument
from firstlight_core.errors import FirstlightError
from firstlight_core.process.events import Stage
from firstlight_tui.modals import ConfirmScreen
from firstlight_tui.modals.cancel_work import cancel_work
from firstlight_tui.state.work import OnEvent, Started, Work, WorkKey
from firstlight_tui.terminal.app import workspace_of
from firstlight_tui.terminal.workers import begin
from firstlight_tui.widgets import WorkView

if TYPE_CHECKING:
    from firstlight_core.environment.install import InstallPlan


class Installed(InstallDocument):
    """The result of the installation, and the check after it."""

    environment: DoctorDocument


class Installation(Vertical):
    """Hidden until something is installed."""

    WORK: ClassVar = WorkKey[Installed]("install")
    DEFAULT_CSS = """
    Installation { display: none; height: auto; }
    Installation.-shown { display: block; }
    """

    class Refused(Message):
        """The installation cannot be planned."""

        def __init__(self, error: FirstlightError) -> None:
            super().__init__()
            self.error = error

    complete = False
    """Whether its parts exist."""
    _work: Work | None = None

    def ask_or_stop(self) -> None:
        """Show the command and ask; while pip runs, stop it."""
        workspace = workspace_of(self)
        if (work := workspace.works.get(self.WORK)) is not None and work.pending:
            cancel_work(self, self.WORK)
            return
        try:
            plan = workspace.services.plan_install()
        except FirstlightError as error:
            self.post_message(self.Refused(error))
            return
        missing = ", ".join(plan.missing) or "nothing; versions may change"
        question = (
            f"Run this in the Python that runs Firstlight?\n\n{plan.line}\n\n"
            f"Missing now: {missing}. pip downloads from the package index that it is set to; with torch "
            "that can be gigabytes. Nothing else leaves this machine."
        )
        self.app.push_screen(
            ConfirmScreen(question, yes="Install", no="Not now"),
            lambda yes: self._install(plan) if yes else None,
        )

    def _install(self, plan: "InstallPlan") -> None:
        workspace = workspace_of(self)

        async def run(on_event: OnEvent, started: Started) -> Installed:
            done = await workspace.services.install(plan, on_event=on_event, started=started)
            on_event(Stage("check", "Checking again"))
            document = await workspace.services.run_checks()
            workspace.session = workspace.session.decide(environment=document)
            return {**done, "environment": document}

        workspace.start(self.WORK, "The installation", run, alone=True)

    def show(self, work: Work) -> None:
        """Paint pip's stages and output; the parts are made for the first work."""
        self._work = work
        self.add_class("-shown")
        if not self.children:
            begin(self, self._make_parts, group="parts")
        elif self.complete:
            self._paint()

    async def _make_parts(self) -> None:
        from firstlight_tui.widgets.log_view import LogView

        await self.mount(WorkView(id="install-work"), LogView(id="install-log"))
        self.complete = True
        self._paint()

    def _paint(self) -> None:
        from firstlight_tui.widgets.log_view import LogView

        if (work := self._work) is None:
            return
        self.query_one(WorkView).show(work)
        self.query_one(LogView).show(work.lines, work.lines_seen)
        if work.running:
            self.scroll_visible(animate=False)
