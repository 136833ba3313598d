"""Installing what is missing: the exact command first, then pip with its log, then the check again."""

from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.containers import Vertical

from firstlight_core.documents.environment import DoctorDocument, InstallDocument
from firstlight_core.environment.install import InstallPlan
from firstlight_core.errors import FirstlightError
from firstlight_core.process.events import Stage
from firstlight_tui.modals import ConfirmScreen
from firstlight_tui.modals.cancel_work import cancel_work
from firstlight_tui.state.work import OnEvent, Started, Work
from firstlight_tui.widgets import LogView, WorkView

if TYPE_CHECKING:
    from firstlight_tui.steps.environment.screen import EnvironmentStep


class Installed(InstallDocument):
    """The result of the installation, and the check after it."""

    environment: DoctorDocument


class Installation(Vertical):
    """Hidden until something is installed."""

    WORK: ClassVar[str] = "install"
    DEFAULT_CSS = """
    Installation { display: none; height: auto; }
    Installation.-shown { display: block; }
    """

    def compose(self) -> ComposeResult:
        yield WorkView(id="install-work")
        yield LogView(id="install-log")

    @property
    def _step(self) -> "EnvironmentStep":
        return cast("EnvironmentStep", self.screen)

    def ask_or_stop(self) -> None:
        """Show the command and ask; while pip runs, stop it."""
        wizard = self._step.wizard
        if (work := wizard.works.get(self.WORK)) is not None and work.running:
            cancel_work(self, self.WORK)
            return
        try:
            plan = wizard.services.plan_install()
        except FirstlightError as error:
            self._step.show_problem(error)
            return
        missing = ", ".join(plan.missing) or "nothing; versions may change"
        question = (
            f"Run this in the Python that runs Firstlight?\n\n{plan.line}\n\n"
            f"Missing now: {missing}. pip downloads from the package index that it is set to; with torch "
            "that can be gigabytes. Nothing else leaves this machine."
        )
        wizard.push_screen(
            ConfirmScreen(question, yes="Install", no="Not now"),
            lambda yes: self._install(plan) if yes else None,
        )

    def _install(self, plan: InstallPlan) -> None:
        wizard = self._step.wizard

        async def run(on_event: OnEvent, started: Started) -> Installed:
            done = await wizard.services.install(plan, on_event=on_event, started=started)
            on_event(Stage("check", "Checking again"))
            document = await wizard.services.run_checks()
            wizard.session = wizard.session.decide(environment=document)
            return {**done, "environment": document}

        wizard.start(self.WORK, "The installation", run)

    def show(self, work: Work) -> None:
        """Paint pip's stages and output."""
        self.add_class("-shown")
        self.query_one(WorkView).show(work)
        self.query_one(LogView).show(work.lines, work.lines_seen)
        if work.running:
            self.scroll_visible(animate=False)
