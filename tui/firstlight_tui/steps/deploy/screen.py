"""Step 6: publish the artifact, and prove that Foundry Local's own runtime answers with it."""

import asyncio
import contextlib
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.widgets import Button

from firstlight_core.errors import FirstlightError
from firstlight_tui.steps.deploy.form import CACHED, Choice, ChoiceForm, name_words
from firstlight_tui.steps.deploy.outcome import Outcome
from firstlight_tui.steps.deploy.publish_panel import PublishStep
from firstlight_tui.steps.deploy.service_panel import WISH
from firstlight_tui.steps.deploy.service_view import ServiceForm, ServicePanel
from firstlight_tui.terminal.workers import begin
from firstlight_tui.widgets import LogView, Words, WorkView

CHOICE = "deploy-choice"


class DeployStep(PublishStep):
    """Name it, deploy it, see its answer; serve it; undo takes it away without a trace."""

    STEP_ID = "deploy"
    PURPOSE = "Register with Foundry Local, load it there, ask it one question, compare the answer."
    HELP = (
        "This step is optional: chat, benchmark and quality work on the artifact itself. Undo removes registration "
        "and files. The service listens on this machine only, and ends with the wizard unless it is asked to "
        "outlive it; then F7, or `firstlight serve --stop`, ends it. Converted, but not found? F3 names every reason."
    )
    CSS = """
    DeployStep #work { margin: 0; }
    DeployStep.-narrow #purpose { display: none; }
    DeployStep.-narrow Outcome #answers.-shown { layout: vertical; }
    DeployStep.-narrow Outcome #answers Vertical { width: 100%; }
    DeployStep #body #actions Button { min-width: 4; margin-right: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "ctrl+g",
            "app.connect",
            "Connect",
            id="deploy.connect",
            tooltip="Use a running server instead of deploying",
        ),
    ]

    def compose_step(self) -> ComposeResult:
        yield ChoiceForm(self._initial(), self.workspace.services.deploy_targets(), id="choice")
        yield ServiceForm(*self.workspace.kept.get(WISH, (0, False)), id="serve-form")
        yield (moved := Words(id="moved"))
        moved.display = False
        yield ServicePanel(id="service")
        yield WorkView(id="work")
        yield Outcome(id="outcome")
        yield LogView(id="log")

    def compose_actions(self) -> ComposeResult:
        for key, label in (
            ("skip", "Skip"),
            ("serve", "Serve"),
            ("copy", "Copy"),
            ("doctor", "Doctor"),
            ("cli", "CLI"),
            ("undo", "Undo"),
        ):
            yield Button(label, id=f"deploy-{key}", compact=True)

    def opened(self) -> None:
        super().opened()
        self.query_one("#work", WorkView).display = (
            self.work is not None and self.work.status != "done"
        )
        begin(self, self.look, group="deployments")
        self._paint()
        self.show_service()

    def _initial(self) -> Choice:
        """As it was left, else as suggested."""
        remembered = self.workspace.kept.get(CHOICE)
        if remembered is not None and remembered[0] == self.session.artifact:
            choice: Choice = remembered[1]
            return choice
        return self._suggested()

    def _suggested(self) -> Choice:
        """As deployed, else with the template's name."""
        from firstlight_core.artifact.inference_model import default_name

        deployed = self.session.deployment or {}
        model = (self.session.template or {}).get("inference_model") or {}
        name = deployed.get("name") or model.get("Name")
        if not name and self.session.artifact:
            name = default_name(Path(self.session.artifact))
        return Choice(
            name=str(name or ""),
            target=str(deployed.get("target") or "foundry"),
            cache=str(deployed.get("cache") or "private"),
        )

    async def look(self) -> None:
        """Which names are taken on this machine."""
        try:
            deployments = await asyncio.to_thread(self.workspace.services.list_deployments)
        except (FirstlightError, OSError):
            return
        self.taken = {row.name.lower(): row.target for row in deployments}
        # The step may be left meanwhile, and its parts go one by one.
        with contextlib.suppress(NoMatches):
            self._paint()

    # Choosing -------------------------------------------------------------------------------------

    @property
    def choice(self) -> Choice:
        """What is chosen now."""
        return self.query_one(ChoiceForm).choice

    @on(ChoiceForm.Changed)
    def _chosen(self) -> None:
        if self.choice == self._suggested():
            # Nothing of the user's own: when the template gets another name, that is suggested.
            self.workspace.kept.pop(CHOICE, None)
        else:
            self.workspace.kept[CHOICE] = (self.session.artifact, self.choice)
        self._paint()

    @property
    def is_deployed(self) -> bool:
        """Whether what is chosen is what is deployed."""
        deployed, choice = self.session.deployment, self.choice
        if deployed is None or deployed.get("name") != choice.name:
            return False
        if deployed.get("target") not in (None, choice.target):
            return False
        return choice.target not in CACHED or deployed.get("cache") in (None, choice.cache)

    def _paint(self) -> None:
        form = self.query_one(ChoiceForm)
        if self.session.artifact is None:
            form.show("There is no artifact yet: convert first.")
            return
        choice = form.choice
        # An export has a name of its own.
        targets = self.taken if choice.target in CACHED else {}
        current = choice.name if self.is_deployed else None
        form.show(name_words(choice.name, targets, current)[1])
        if self.session.deployment is not None:
            self.query_one(Outcome).show(self.session.deployment)
        self.show_service()
        self.refresh_actions()

    @on(Button.Pressed, "#deploy-skip")
    def _skipped(self) -> None:
        self.action_next()
