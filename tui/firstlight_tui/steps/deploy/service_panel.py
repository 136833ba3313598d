"""Foundry Local's loopback service from the deploy step: it belongs to the app and ends with it, unless it shall stay."""

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from textual import on
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.widgets import Button, Checkbox, Input

from firstlight_core.errors import FirstlightError, JobDied
from firstlight_tui.state.work import OnEvent, Started, Work
from firstlight_tui.state.workspace import Workspace
from firstlight_tui.steps.base import StepScreen
from firstlight_tui.steps.deploy.form import CACHED
from firstlight_tui.steps.deploy.service_view import ServiceForm, ServicePanel
from firstlight_tui.terminal.workers import begin

if TYPE_CHECKING:
    from firstlight_core.foundry.background import BackgroundService

SERVE = "serve"
"""The name of the work, and of what the app keeps about the service that runs."""
WISH = "serve-wish"
"""What the app keeps of the form: `(port, stays)`."""
AGAIN = "serve-again"
"""What the app keeps while a service ends with the wizard: the event that restarts it."""
HEALTH_SECONDS = 2.0
"""Between two looks at `/models`."""


async def hold_service(
    workspace: Workspace, target: str, port: int, on_event: OnEvent, started: Started
) -> dict[str, Any]:
    """Serve until cancelled, look every two seconds whether it answers, and start again on request, at the same port.

    Raises:
        FirstlightError: it did not start, or ended by itself.
    """
    services, again = workspace.services, asyncio.Event()
    workspace.kept[AGAIN] = again
    try:
        while True:
            async with services.open_service(target, port=port, on_event=on_event) as service:
                started(service.pid)
                port = urlsplit(service.base_url).port or port
                while service.job.alive and not again.is_set():
                    health = await services.probe_service(service.base_url)
                    workspace.kept[SERVE] = {**service.to_json(), "health": health, "stays": False}
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(again.wait(), HEALTH_SECONDS)
            if not again.is_set():
                raise JobDied("Foundry Local's service ended by itself.", hint="Start it again.")
            again.clear()
            workspace.kept.pop(SERVE, None)
    finally:
        workspace.kept.pop(SERVE, None)
        workspace.kept.pop(AGAIN, None)


class ServingStep(StepScreen):
    """A step that starts, stops and restarts the service."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "f7", "serve", "Serve", id="deploy.serve", tooltip="Start or stop the local service"
        ),
        Binding(
            "ctrl+r",
            "restart",
            "Restart",
            id="deploy.restart",
            show=False,
            tooltip="Stop the local service and start it again, at the same port",
        ),
    ]

    def opened(self) -> None:
        self.set_interval(HEALTH_SECONDS, self._look_later)
        self._look_later()

    def _on_work(self, work: Work) -> None:
        super()._on_work(work)
        if work.name == SERVE:
            if work.error is not None:
                self.show_problem(work.error)
            self.show_service()

    # The service that stays -----------------------------------------------------------------------

    def _look_later(self) -> None:
        if AGAIN not in self.workspace.kept:
            begin(self, self._look_at_background, group="service")

    async def _look_at_background(self) -> None:
        """Whether a service of an earlier wizard, or of this one, runs without it; and whether it answers."""
        services = self.workspace.services
        running = await asyncio.to_thread(services.list_background)
        own = next(
            (s for s in running if s.target == self.serve_target), running[0] if running else None
        )
        if own is None and AGAIN not in self.workspace.kept:
            self.workspace.kept.pop(SERVE, None)
        elif own is not None:
            health = await services.probe_service(own.base_url)
            if AGAIN in self.workspace.kept:
                return
            self.workspace.kept[SERVE] = {**own.to_json(), "health": health, "stays": own}
        self.show_service()

    @property
    def _background(self) -> "BackgroundService | None":
        return (self.workspace.kept.get(SERVE) or {}).get("stays") or None

    async def _end_background(self, service: "BackgroundService", *, restart: bool) -> None:
        try:
            await asyncio.to_thread(self.workspace.services.stop_background, service)
        except FirstlightError as error:
            self.show_problem(error)
            return
        self.workspace.kept.pop(SERVE, None)
        if restart:
            self._start_background(service.target, urlsplit(service.base_url).port or 0)
        else:
            self.notify("The service is stopped.", markup=False)
        self.show_service()

    def _start_background(self, target: str, port: int) -> None:
        async def run(on_event: OnEvent, started: Started) -> dict[str, Any]:
            service = await self.workspace.services.start_background(
                target, port=port, on_event=on_event
            )
            self.workspace.kept[SERVE] = {**service.to_json(), "stays": service}
            return dict(service.to_json())

        self.workspace.start(SERVE, "The local service", run)

    @property
    def serve_target(self) -> str:
        """The target to serve: the deployment's name, or the artifact folder; empty for an export."""
        deployed = self.session.deployment or {}
        if deployed.get("target", "foundry") in CACHED and deployed.get("name"):
            return str(deployed["name"])
        return str(self.session.artifact)

    @on(Input.Changed, "#serve-port")
    @on(Checkbox.Changed, "#serve-stays")
    def _wished(self) -> None:
        form = self.query_one(ServiceForm)
        self.workspace.kept[WISH] = (form.port, form.stays)

    def show_service(self) -> None:
        """Paint what is known about the service, if this step is still there."""
        work, served = self.workspace.works.get(SERVE), self.workspace.kept.get(SERVE)
        serving = served is not None or (work is not None and work.running)
        deployed = str((self.session.deployment or {}).get("id") or "")
        with contextlib.suppress(NoMatches):
            self.query_one(ServicePanel).show(work, served, deployed=deployed)
            self.query_one(ServiceForm).set_class(serving, "-serving")
            self.query_one("#deploy-serve", Button).label = "Stop" if serving else "Serve"

    @on(Button.Pressed, "#deploy-serve")
    def action_serve(self) -> None:
        """Start Foundry Local's service on loopback, or stop it."""
        if (work := self.workspace.works.get(SERVE)) is not None and work.running:
            self.workspace.stop_work(SERVE)
            return
        if (service := self._background) is not None:
            begin(self, partial(self._end_background, service, restart=False), group="service")
            return
        if self.session.artifact is None:
            self.notify("There is nothing to serve yet.", severity="warning", markup=False)
            return
        form, target = self.query_one(ServiceForm), self.serve_target
        port = form.port

        async def run(on_event: OnEvent, started: Started) -> dict[str, Any]:
            return await hold_service(self.workspace, target, port, on_event, started)

        self.clear_problem()
        if form.stays:
            self._start_background(target, port)
        else:
            self.workspace.start(SERVE, "The local service", run)
        self.show_service()

    @on(Button.Pressed, "#serve-restart")
    def action_restart(self) -> None:
        """Stop the service and start it again, at the same port."""
        if (again := self.workspace.kept.get(AGAIN)) is not None:
            again.set()
        elif (service := self._background) is not None:
            begin(self, partial(self._end_background, service, restart=True), group="service")
        else:
            self.notify("Nothing is served.", markup=False)

    def refresh_actions(self) -> None:
        super().refresh_actions()
        self.query_one("#deploy-serve", Button).disabled = self.session.artifact is None
