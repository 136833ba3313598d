"""The local service on the deploy step: its form, and its newest state."""

from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Button, Checkbox, Input, Label

from firstlight_core.errors import FirstlightError
from firstlight_core.text import one_line, seconds_text
from firstlight_tui.modals.cancel_work import cancel_work
from firstlight_tui.state.deployment import serve_target
from firstlight_tui.state.service import HEALTH_SECONDS, SERVE, LocalService, Served, ServiceWish
from firstlight_tui.state.work import OnEvent, Started, Work
from firstlight_tui.state.workspace import Workspace
from firstlight_tui.terminal.app import workspace_of
from firstlight_tui.terminal.workers import begin
from firstlight_tui.widgets.check_box import CheckBox
from firstlight_tui.widgets.words import Words, part

if TYPE_CHECKING:
    from firstlight_core.documents.foundry import BackgroundRow


class ServiceForm(Horizontal):
    """The port, and whether the service outlives the wizard."""

    DEFAULT_CSS = """
    ServiceForm { height: 1; margin-top: 1; }
    .-narrow ServiceForm { margin-top: 0; }
    ServiceForm Label { width: 8; }
    ServiceForm #serve-port { width: 15; margin-right: 1; }
    ServiceForm Checkbox { width: auto; background: transparent; }
    ServiceForm #serve-restart { display: none; min-width: 9; margin-left: 1; }
    ServiceForm.-serving #serve-restart { display: block; }
    """

    def __init__(self, wish: ServiceWish, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._first = wish

    def compose(self) -> ComposeResult:
        yield Label("Serve", classes="muted")
        yield Input(
            str(self._first.port or ""),
            placeholder="any free port",
            id="serve-port",
            compact=True,
            restrict=r"\d*",
            max_length=6,
            tooltip="The port on this machine; empty takes a free one",
        )
        yield CheckBox(
            "keep running after I quit",
            self._first.stays,
            id="serve-stays",
            tooltip="Keep serving after the wizard is left, until it is stopped",
        )
        yield Button("Restart", id="serve-restart", compact=True)

    @property
    def wish(self) -> ServiceWish:
        """The current values of the form."""
        port = int(self.query_one("#serve-port", Input).value or 0)
        return ServiceWish(port, self.query_one("#serve-stays", Checkbox).value)


class ServicePanel(Vertical):
    """Starts, stops and restarts the service, and shows how it is."""

    DEFAULT_CSS = """
    ServicePanel { height: auto; }
    ServicePanel #service { height: auto; }
    """

    class Changed(Message):
        """The service runs, or does not run any more."""

        def __init__(self, serving: bool) -> None:
            super().__init__()
            self.serving = serving

    class Failed(Message):
        """The service did not start, did not stop, or ended by itself."""

        def __init__(self, error: FirstlightError) -> None:
            super().__init__()
            self.error = error

    def compose(self) -> ComposeResult:
        yield ServiceForm(self._workspace.drafts.service, id="serve-form")
        yield Words(id="service")

    def on_mount(self) -> None:
        """Follow the work that serves, and look for a service that runs without the wizard."""
        workspace = self._workspace
        workspace.worked.subscribe(self, self._worked)
        workspace.session_changed.subscribe(self, lambda _: self.show())
        self.set_interval(HEALTH_SECONDS, self._look_soon)
        self._look_soon()
        self.show()
        if (work := workspace.works.get(SERVE)) is not None and work.error is not None:
            self.post_message(self.Failed(work.error))

    @property
    def _workspace(self) -> Workspace:
        return workspace_of(self)

    @property
    def _service(self) -> LocalService:
        return self._workspace.service

    def _worked(self, work: Work) -> None:
        if work.name == SERVE:
            if work.error is not None:
                self.post_message(self.Failed(work.error))
            self.show()

    def _look_soon(self) -> None:
        if not self._service.held:
            begin(self, self._look, group="service")

    async def _look(self) -> None:
        await self._service.look(serve_target(self._workspace.session))
        self.show()

    @on(Input.Changed, "#serve-port")
    @on(Checkbox.Changed, "#serve-stays")
    def _wished(self, event: Message) -> None:
        event.stop()
        self._workspace.drafts.service = self.query_one(ServiceForm).wish

    def show(self) -> None:
        """Paint what is known about the service."""
        # A screen that goes takes its parts away one by one.
        if not (form := self.query(ServiceForm)) or not (view := self.query("#service")):
            return
        workspace, served = self._workspace, self._service.served
        work = workspace.works.get(SERVE)
        deployment = workspace.session.deployment
        deployed = deployment["id"] if deployment is not None else ""
        words = _service_words(work, served, deployed)
        status = view.first(Words)
        status.update(words)
        status.display = bool(str(words))
        serving = served is not None or (work is not None and work.running)
        form.first().set_class(serving, "-serving")
        self.post_message(self.Changed(serving))

    def toggle(self) -> bool:
        """Stop the service, or start it; returns whether one starts."""
        workspace, service = self._workspace, self._service
        if (work := workspace.works.get(SERVE)) is not None and work.running:
            cancel_work(self, SERVE)
            return False
        if service.background is not None:
            begin(self, self._stop_background, group="service")
            return False
        if workspace.session.artifact is None:
            self.notify("There is nothing to serve yet.", severity="warning", markup=False)
            return False
        target, wish = serve_target(workspace.session), self.query_one(ServiceForm).wish
        if wish.stays:
            self._start_background(target, wish.port)
        else:
            hold = partial(service.hold, target, wish.port)
            workspace.start(SERVE, "The local service", hold)
        self.show()
        return True

    @on(Button.Pressed, "#serve-restart")
    def _restart_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.restart()

    def restart(self) -> None:
        """Stop the service and start it again, at the same port."""
        service = self._service
        if service.restart():
            return
        if service.background is not None:
            begin(self, self._restart_background, group="service")
        else:
            self.notify("Nothing is served.", markup=False)

    # The service that outlives the wizard ---------------------------------------------------------

    def _start_background(self, target: str, port: int) -> None:
        async def run(on_event: OnEvent, started: Started) -> "BackgroundRow":
            return await self._service.start_background(target, port, on_event)

        self._workspace.start(SERVE, "The local service", run)

    async def _stop_background(self) -> None:
        if await self._ended():
            self.notify("The service is stopped.", markup=False)
            self.show()

    async def _restart_background(self) -> None:
        served = self._service.served
        if served is None or served.background is None:
            return
        target, port = served.background.target, served.port
        if await self._ended():
            self._start_background(target, port)
            self.show()

    async def _ended(self) -> bool:
        try:
            await self._service.stop_background()
        except FirstlightError as error:
            self.post_message(self.Failed(error))
            return False
        return True


def _service_words(work: Work | None, served: Served | None, deployed: str) -> Content:
    """Return what is known; empty when there was no service. `deployed` is the id of the deployment on the screen."""
    if served is not None:
        return _running(served, deployed)
    if work is not None and work.running:
        label = work.stage.label if work.stage is not None else "Starting Foundry Local"
        return Content.assemble(part("◐ ", "$text-accent"), part(f"{label} …"))
    if work is not None and work.status == "cancelled":
        return Content("The service is stopped.")
    return Content("")


def _running(served: Served, deployed: str) -> Content:
    health = served.health
    if health is None:
        state = Content.assemble(part("◐ asking /models …"))
    elif health.ok:
        words = f"/models answers in {seconds_text(health.seconds)}: {', '.join(health.models)}"
        state = Content.assemble(part("● ", "$text-success"), part(one_line(words, 160)))
    else:
        state = Content.assemble(part("○ ", "$text-error"), part(health.sentence))
    model = one_line(served.model, 90)
    if served.background is not None:
        ends = f"F7 stops it, or later: firstlight serve --stop {model}"
    else:
        ends = "F7 stops it · Ctrl+R restarts it · it ends with the wizard"
    lines = [
        Content.assemble(
            part("Serving  ", "bold $text-success"),
            part(one_line(served.base_url, 120), "bold"),
        ),
        Content.assemble(
            part("model    ", "$text-accent"),
            part(model),
            part(f"  process {served.pid}  F6 copies a snippet", "$foreground-muted"),
        ),
        state,
        Content.styled(ends, "$foreground-muted"),
    ]
    if model != deployed and model.partition(":")[0] == deployed.partition(":")[0]:
        words = f"! It still speaks with {model}: Ctrl+R takes {deployed}."
        lines.append(Content.assemble(part(words, "$text-warning")))
    return Content("\n").join(lines)
