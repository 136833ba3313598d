"""Foundry Local's loopback service from the deploy step: it belongs to the app, and ends with the wizard."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Button

from firstlight_core.errors import JobDied
from firstlight_core.text import one_line, seconds_text
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.steps.deploy_outcome import command_rows
from firstlight_tui.steps.template_presets import PresetScreen
from firstlight_tui.widgets.words import Words, part
from firstlight_tui.works import OnEvent, Started, Work

if TYPE_CHECKING:
    from firstlight_tui.app import WizardApp

SERVE = "serve"
"""The name of the work, and of what the app keeps about it."""
HEALTH_SECONDS = 2.0
"""Between two looks at `/models`."""


async def hold_service(
    wizard: "WizardApp", target: str, on_event: OnEvent, started: Started
) -> dict[str, Any]:
    """Serve until cancelled, and look every two seconds whether it answers.

    Raises:
        FirstlightError: it did not start, or ended by itself.
    """
    services = wizard.services
    async with services.open_service(target, on_event=on_event) as service:
        started(service.pid)
        try:
            while service.job.alive:
                health = await services.probe_service(service.base_url)
                wizard.kept[SERVE] = {**service.to_json(), "health": health}
                await asyncio.sleep(HEALTH_SECONDS)
        finally:
            wizard.kept.pop(SERVE, None)
    raise JobDied("Foundry Local's service ended by itself.", hint="Start it again.")


class ServicePanel(Words):
    """Whether the service runs, where, and what it said last."""

    DEFAULT_CSS = "ServicePanel { height: auto; margin-top: 1; }"

    def show(self, work: Work | None, served: Mapping[str, Any] | None) -> None:
        """Paint the service; nothing when there was none."""
        if work is None or (not work.running and work.status != "cancelled"):
            self.update("")
        elif not work.running:
            self.update("The service is stopped.")
        elif served is None:
            label = work.stage.label if work.stage is not None else "Starting Foundry Local"
            self.update(Content.assemble(part("◐ ", "$text-accent"), part(f"{label} …")))
        else:
            self.update(_running(work, served))


def _running(work: Work, served: Mapping[str, Any]) -> Content:
    health = served["health"]
    if health.ok:
        words = f"/models answers in {seconds_text(health.seconds)}: {', '.join(health.models)}"
        state = Content.assemble(part("● ", "$text-success"), part(one_line(words, 160)))
    else:
        state = Content.assemble(part("○ ", "$text-error"), part(health.sentence))
    lines = [
        Content.assemble(
            part("Serving  ", "bold $text-success"),
            part(one_line(str(served["base_url"]), 120), "bold"),
            part(f"  for {seconds_text(round(work.seconds))}", "$foreground-muted"),
        ),
        Content.assemble(
            part("model    ", "$text-accent"),
            part(one_line(str(served["model"]), 90)),
            part(f"  process {served['pid']}", "$foreground-muted"),
        ),
        state,
        Content.styled(
            "F6 copies a snippet · F7 stops it · it ends with the wizard", "$foreground-muted"
        ),
    ]
    return Content("\n").join(lines)


class ServingStep(StepScreen):
    """A step that starts and stops the service, and copies its snippets."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f6", "copy", "Copy", id="deploy.copy", tooltip="Copy a command or a snippet"),
        Binding(
            "f7", "serve", "Serve", id="deploy.serve", tooltip="Start or stop the local service"
        ),
    ]

    def _on_work(self, work: Work) -> None:
        super()._on_work(work)
        if work.name == SERVE and self.is_mounted:
            if work.error is not None:
                self.show_problem(work.error)
            self.show_service()

    def show_service(self) -> None:
        """Paint what is known about the service."""
        work = self.wizard.works.get(SERVE)
        self.query_one(ServicePanel).show(work, self.wizard.kept.get(SERVE))
        label = "Stop" if work is not None and work.running else "Serve"
        self.query_one("#deploy-serve", Button).label = label

    @on(Button.Pressed, "#deploy-serve")
    def action_serve(self) -> None:
        """Start Foundry Local's service on loopback, or stop it."""
        if (work := self.wizard.works.get(SERVE)) is not None and work.running:
            self.wizard.stop_work(SERVE)
            return
        if self.session.artifact is None:
            self.notify("There is nothing to serve yet.", severity="warning", markup=False)
            return
        target = str((self.session.deployment or {}).get("name") or self.session.artifact)

        async def run(on_event: OnEvent, started: Started) -> dict[str, Any]:
            return await hold_service(self.wizard, target, on_event, started)

        self.clear_problem()
        self.wizard.start(SERVE, "The local service", run)
        self.show_service()

    @on(Button.Pressed, "#deploy-copy")
    def action_copy(self) -> None:
        """Choose a snippet of the service, or a command of the deployment, and copy it."""
        served = self.wizard.kept.get(SERVE) or {}
        snippets = dict(served.get("snippets") or {})
        rows = [(f"snippet:{key}", key.replace("_", " "), text) for key, text in snippets.items()]
        commands = command_rows(self.session.deployment)
        rows += [(f"command:{key}", command, does) for key, command, does in commands]
        if not rows:
            self.notify("Deploy or serve first; then there is something to copy.", markup=False)
            return
        texts = {f"snippet:{key}": text for key, text in snippets.items()}
        texts |= {f"command:{key}": command for key, command, _ in commands}

        def taken(key: str | None) -> None:
            if key is not None:
                self.app.copy_to_clipboard(texts[key])
                self.notify(f"Copied: {one_line(texts[key], 60)}", markup=False)

        self.app.push_screen(PresetScreen("Copy what?", rows), taken)

    def refresh_actions(self) -> None:
        super().refresh_actions()
        self.query_one("#deploy-serve", Button).disabled = self.session.artifact is None
