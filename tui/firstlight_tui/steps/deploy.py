"""Step 6: publish the artifact, and prove that Foundry Local's own runtime answers with it."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid
from textual.widgets import Button, Input, Label, RadioButton, RadioSet

from firstlight_core.errors import FirstlightError
from firstlight_core.session import Session
from firstlight_tui.modals import ConfirmScreen
from firstlight_tui.steps.deploy_outcome import TARGETS, Outcome, name_words
from firstlight_tui.steps.deploy_service import SERVE, ServicePanel, ServingStep
from firstlight_tui.widgets import LogView, Words, WorkView
from firstlight_tui.works import OnEvent, Started, Work, begin

if TYPE_CHECKING:
    from firstlight_tui.app import WizardApp

CHOICE = "deploy-choice"


class DeployStep(ServingStep):
    """Name it, deploy it, see its answer; serve it; undo takes it away without a trace."""

    STEP_ID = "deploy"
    STEP_TITLE = "Deploy"
    PURPOSE = "Register with Foundry Local, load it there, ask it one question, compare the answer."
    HELP = (
        "This step is optional: chat, benchmark and quality work on the artifact itself. Undo removes registration "
        "and files. The service listens on this machine only, and ends with the wizard; "
        "`firstlight serve NAME` in another terminal outlives it."
    )
    WORK = "deploy"
    CSS = """
    DeployStep #choice { grid-size: 2; grid-columns: 8 1fr; grid-rows: auto; height: auto; }
    DeployStep RadioSet { layout: horizontal; border: none; padding: 0; background: transparent; height: 1; }
    DeployStep RadioButton { width: auto; margin-right: 1; }
    DeployStep #choice Words { height: auto; }
    DeployStep #work { margin: 0; }
    DeployStep.-narrow #purpose { display: none; }
    DeployStep.-narrow Outcome #answers.-shown { layout: vertical; }
    DeployStep.-narrow Outcome #answers Vertical { width: 100%; }
    DeployStep #body #actions Button { min-width: 6; margin-right: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "pagedown",
            "scroll(1)",
            "Down",
            id="deploy.down",
            show=False,
            tooltip="Read on below",
        ),
        Binding("pageup", "scroll(-1)", "Up", id="deploy.up", show=False, tooltip="Read above"),
        Binding(
            "f8",
            "undo",
            "Undo",
            id="deploy.undo",
            tooltip="Remove the deployment: registration and files",
        ),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._taken: dict[str, str] = {}

    @classmethod
    def done(cls, session: Session) -> bool:
        return session.deployment is not None and bool(session.deployment.get("ok", True))

    @classmethod
    def finished(cls, wizard: "WizardApp", result: dict[str, Any], seconds: float) -> None:
        if "undone" in result:
            wizard.session = wizard.session.decide(deployment=None)
            wizard.record("deploy", "undone", seconds=seconds, name=result["undone"])
        else:
            wizard.session = wizard.session.decide(deployment=result)
            good = result.get("verified") or "answer" not in result
            values = {"seconds": seconds, **result}
            wizard.record("deploy", "done" if good else "failed", **values)

    def compose_step(self) -> ComposeResult:
        name, marked = self._initial()
        with Grid(id="choice"):
            yield Label("Name", classes="muted")
            yield Input(name, id="deploy-name", compact=True, max_length=200)
            yield Label("")
            yield Words(id="name-words")
            yield Label("Target", classes="muted")
            with RadioSet(id="targets", compact=True):
                for target in self.wizard.services.deploy_targets():
                    yield RadioButton(target, target == marked, id=f"target-{target}", compact=True)
            yield Label("")
            yield Words(id="target-words", classes="muted")
        yield ServicePanel(id="service")
        yield WorkView(id="work")
        yield Outcome(id="outcome")
        yield LogView(id="log")

    def compose_actions(self) -> ComposeResult:
        for key, label in (
            ("skip", "Skip"),
            ("serve", "Serve"),
            ("copy", "Copy"),
            ("undo", "Undo"),
        ):
            yield Button(label, id=f"deploy-{key}", compact=True)

    def opened(self) -> None:
        begin(self, self._look, group="deployments")
        self._paint()
        self.show_service()

    def _initial(self) -> tuple[str, str]:
        """Name and target: as they were left, else as deployed, else what the template suggests."""
        from firstlight_core.template.rendering import default_name

        kept = self.wizard.kept.get(CHOICE)
        if kept is not None and kept[0] == self.session.artifact:
            return kept[1], kept[2]
        deployed = self.session.deployment or {}
        model = (self.session.template or {}).get("inference_model") or {}
        name = deployed.get("name") or model.get("Name")
        if not name and self.session.artifact:
            name = default_name(Path(self.session.artifact))
        return str(name or ""), str(deployed.get("target") or "foundry")

    async def _look(self) -> None:
        """Which names are taken on this machine."""
        try:
            found = await asyncio.to_thread(self.wizard.services.list_deployments)
        except (FirstlightError, OSError):
            return
        self._taken = {row.name.lower(): row.target for row in found}
        self._paint()

    # Choosing -------------------------------------------------------------------------------------

    @property
    def chosen_name(self) -> str:
        """The name as it is typed."""
        return self.query_one("#deploy-name", Input).value.strip()

    @property
    def chosen_target(self) -> str:
        """The target that is marked."""
        marked = self.query_one(RadioSet).pressed_button
        return str(marked.id).removeprefix("target-") if marked is not None else "foundry"

    @on(Input.Changed, "#deploy-name")
    @on(RadioSet.Changed)
    def _chosen(self) -> None:
        choice = (self.session.artifact, self.chosen_name, self.chosen_target)
        self.wizard.kept[CHOICE] = choice
        self._paint()

    @property
    def _is_deployed(self) -> bool:
        """Whether what is chosen is what is deployed."""
        deployed = self.session.deployment
        if deployed is None or deployed.get("name") != self.chosen_name:
            return False
        return deployed.get("target") in (None, self.chosen_target)

    def _paint(self) -> None:
        if self.session.artifact is None:
            self.query_one("#name-words", Words).update("There is no artifact yet: convert first.")
            return
        current = self.chosen_name if self._is_deployed else None
        _, words = name_words(self.chosen_name, self._taken, current)
        self.query_one("#name-words", Words).update(words)
        self.query_one("#target-words", Words).update(TARGETS.get(self.chosen_target, ""))
        if self.session.deployment is not None:
            self.query_one(Outcome).show(self.session.deployment)
        self.refresh_actions()

    # Deploying ------------------------------------------------------------------------------------

    def primary_label(self) -> str:
        if self.session.artifact is None:
            return ""
        if self.work is not None and self.work.running:
            return "Cancel"
        if self._is_deployed:
            return self.next_label()
        return "Replace" if self.chosen_name.lower() in self._taken else "Deploy"

    def primary(self) -> None:
        if self.work is not None and self.work.running:
            self.wizard.stop_work(self.WORK)
        elif self._is_deployed:
            self.action_next()
        elif not name_words(self.chosen_name, self._taken, None)[0]:
            self.query_one("#deploy-name", Input).focus()
        elif self.chosen_name.lower() in self._taken:
            question = f"Replace the deployment {self.chosen_name}? Until the new one is proven, the old one stays."
            self.app.push_screen(ConfirmScreen(question, yes="Replace", no="Keep"), self._replace)
        else:
            self._deploy(replace=False)

    def _replace(self, yes: bool | None) -> None:
        if yes:
            self._deploy(replace=True)

    def _deploy(self, *, replace: bool) -> None:
        artifact, name = Path(str(self.session.artifact)), self.chosen_name
        options: dict[str, Any] = {"target": self.chosen_target}
        options |= {"replace": True} if replace else {}

        async def run(on_event: OnEvent, started: Started) -> dict[str, Any]:
            document = await self.wizard.services.deploy(
                artifact, name, on_event=on_event, started=started, **options
            )
            return {"target": options["target"], **document}

        self.wizard.start(self.WORK, "The deployment", run)
        self.refresh_actions()

    @on(Button.Pressed, "#deploy-undo")
    def action_undo(self) -> None:
        """Remove the deployment."""
        if self.session.deployment is None:
            self.notify("There is nothing to undo.", markup=False)
            return
        name = str(self.session.deployment["name"])
        self.wizard.stop_work(SERVE)

        async def run(on_event: OnEvent, started: Started) -> dict[str, Any]:
            return {"undone": name, **await self.wizard.services.undo(name)}

        self.wizard.start(self.WORK, "The undo", run)
        self.refresh_actions()

    def action_scroll(self, pages: int) -> None:
        """Scroll what does not fit."""
        content = self.query_one("#content")
        content.scroll_relative(y=pages * (content.size.height - 1), animate=False)

    @on(Button.Pressed, "#deploy-skip")
    def _skipped(self) -> None:
        self.action_next()

    def show_work(self, work: Work) -> None:
        view = self.query_one("#work", WorkView)
        # Once it is done, the outcome says it all.
        view.display = work.status != "done"
        view.show(work)
        self.query_one("#log", LogView).show(work.lines, work.lines_seen)
        if work.running:
            return
        if work.result is not None and self.session.deployment is None and "undone" in work.result:
            self.query_one(Outcome).say("Undone: the registration and the files are gone.")
        begin(self, self._look, group="deployments")

    def refresh_actions(self) -> None:
        super().refresh_actions()
        self.query_one("#deploy-undo", Button).disabled = self.session.deployment is None
