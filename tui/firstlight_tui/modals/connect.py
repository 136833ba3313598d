"""Connect to a running server: what answers on this machine, or an address that is typed in."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.dom import DOMNode
from textual.widgets import Button, Input, OptionList
from textual.widgets.option_list import Option

from firstlight_core.documents.inference import ConnectedServer, FoundServer
from firstlight_core.errors import FirstlightError
from firstlight_core.inference.servers import KEY_VARIABLE, WELL_KNOWN, is_loopback, typed_address
from firstlight_core.text import one_line
from firstlight_tui.modals.confirm import ConfirmScreen
from firstlight_tui.terminal.app import workspace_of
from firstlight_tui.widgets.screens import Dialog
from firstlight_tui.widgets.words import Words, part

Find = Callable[..., Awaitable[Sequence[FoundServer]]]


@dataclass(frozen=True, slots=True)
class ServerChoice:
    """The user's choice: a server, or none."""

    server: ConnectedServer | None


DISCONNECT = ServerChoice(None)


class ConnectScreen(Dialog[ServerChoice | None]):
    """Returns the choice, or None when nothing was chosen."""

    CSS = """
    ConnectScreen .dialog { width: 76; padding: 0 2; }
    ConnectScreen OptionList { height: auto; max-height: 9; border: none; padding: 0; background: $surface; }
    ConnectScreen OptionList:focus { border: none; }
    ConnectScreen #fault { color: $text-error; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Close", id="connect.close", tooltip="Change nothing"),
        Binding("f5", "look", "Look again", id="connect.look", tooltip="Ask all usual ports again"),
    ]

    def __init__(
        self,
        find: Find,
        *,
        connected: ConnectedServer | None = None,
        own: Callable[[], Sequence[tuple[str, str]]] = list,
    ) -> None:
        """`find` is `inference.endpoint.find_servers`; `own` lists services that Firstlight itself started."""
        super().__init__()
        self._find = find
        self._connected = connected
        self._own = own
        self._rows: list[ConnectedServer] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content("Connect to a running server")
            box.border_subtitle = Content("Enter takes it · F5 looks again · Esc closes")
            yield Words("Looking on this machine …", id="state")
            yield OptionList(id="servers", markup=False)
            yield Words(id="silent", classes="muted")
            yield Words("Address:", classes="heading")
            yield Input(
                placeholder="http://host:port/v1, Enter looks there", id="address", compact=True
            )
            yield Words(id="fault")
            is_set = "set" if os.environ.get(KEY_VARIABLE) else "not set"
            yield Words(
                f"API key: from the environment only, {KEY_VARIABLE} is {is_set}.", classes="muted"
            )
            with Horizontal(classes="dialog-buttons"):
                if self._connected is not None:
                    yield Button("Disconnect", id="disconnect", compact=True)
                yield Button("Look again", id="look", compact=True)
                yield Button("Close", id="close", compact=True)

    def on_mount(self) -> None:
        self.query_one("#servers").display = False
        self.query_one("#address").focus()
        self._begin(None, by_user=False)

    # Looking --------------------------------------------------------------------------------------

    @on(Button.Pressed, "#look")
    def action_look(self) -> None:
        """Ask the usual ports of this machine again."""
        self._begin(None)

    @on(Input.Submitted, "#address")
    def _typed(self, event: Input.Submitted) -> None:
        if not (address := typed_address(event.value)):
            return
        # The core decides what is an address; this only asks before another machine is.
        host = one_line(address.partition("://")[2].partition("/")[0], 80)
        try:
            away = "@" not in host and bool(host) and not is_loopback(address)
        except ValueError:
            away = False
        if not away:
            self._begin(address)
            return
        plain = " Plain http can be read on the way." if address.startswith("http://") else ""
        question = f"{host} is another machine. Your questions, and its answers, would leave this one.{plain} Connect?"
        self.app.push_screen(
            ConfirmScreen(question, yes="Connect", no="No"),
            lambda yes: self._begin(address, network=True) if yes else None,
        )

    def _begin(self, address: str | None, *, network: bool = False, by_user: bool = True) -> None:
        self.query_one("#fault", Words).update("")
        where = "at that address" if address else "on this machine"
        self.query_one("#state", Words).update(f"Looking {where} …")
        self.run_worker(self._look(address, network, by_user), group="look", exclusive=True)

    async def _look(self, address: str | None, network: bool, by_user: bool) -> None:
        try:
            known = [*await asyncio.to_thread(self._own), *WELL_KNOWN]
            servers = await self._find(address, known=known, network=network)
        except FirstlightError as error:
            self._show([], network=network)
            self.query_one("#fault", Words).update(error.with_hint)
            return
        wanted = (address or "").partition("#")[2]
        self._show(servers, network=network, wanted=wanted, by_user=by_user)
        if address is not None and not servers[0]["ok"]:
            self.query_one("#fault", Words).update(
                f"{servers[0]['sentence']} {servers[0]['hint']}".strip()
            )

    # Showing --------------------------------------------------------------------------------------

    def _show(
        self,
        servers: Sequence[FoundServer],
        *,
        network: bool,
        wanted: str = "",
        by_user: bool = False,
    ) -> None:
        self._rows = [
            {
                "target": f"{server['base_url']}#{model}",
                "server": server["name"],
                "model": model,
                "network": network,
            }
            for server in servers
            if server["ok"]
            for model in server["models"]
            if wanted in ("", model)
        ]
        rows = self.query_one("#servers", OptionList)
        rows.clear_options()
        rows.add_options([Option(self._row(row)) for row in self._rows])
        rows.display = bool(self._rows)
        if self._rows:
            rows.highlighted = 0
            field = self.query_one("#address", Input)
            # Typing in the field is not interrupted.
            if not field.value or by_user:
                rows.focus()
        self.query_one("#state", Words).update(_state(servers, len(self._rows), wanted))
        silent = [f"{s['name']} ({_port(s)})" for s in servers if not s["ok"] and s["name"]]
        self.query_one("#silent", Words).update(
            f"No usable answer from: {', '.join(silent)}." if silent else ""
        )

    def _row(self, row: ConnectedServer) -> Content:
        now = self._connected is not None and self._connected["target"] == row["target"]
        where = one_line(row["target"].partition("://")[2].partition("/")[0], 30)
        return Content.assemble(
            part("● " if now else "○ ", "$text-success" if now else "$foreground-muted"),
            part(f"{one_line(row['model'], 60)}  ", "bold"),
            part(f"{row['server']}  {where}".strip()),
        )

    # Choosing -------------------------------------------------------------------------------------

    @on(OptionList.OptionSelected, "#servers")
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(ServerChoice(self._rows[event.option_index]))

    @on(Button.Pressed, "#disconnect")
    def _disconnect(self) -> None:
        self.dismiss(DISCONNECT)

    @on(Button.Pressed, "#close")
    def _close(self) -> None:
        self.dismiss(None)


def _state(servers: Sequence[FoundServer], rows: int, wanted: str) -> str:
    answering = sum(bool(server["ok"]) for server in servers)
    if not answering:
        return "No server answers."
    if not rows:
        named = f" called {one_line(wanted, 60)!r}" if wanted else ""
        return f"A server answers, but it offers no model{named}."
    return f"{answering} server{'s' * (answering != 1)}, {rows} model{'s' * (rows != 1)}:"


def _port(server: FoundServer) -> str:
    return one_line(str(server["base_url"]).rpartition(":")[2].partition("/")[0], 8)


def ask_server(node: DOMNode, use: Callable[[ServerChoice | None], None]) -> None:
    """Let the user choose a running server."""

    workspace = workspace_of(node)

    def own() -> list[tuple[str, str]]:
        served = workspace.service.served
        here = [served.base_url] if served is not None else []
        stay = [service.base_url for service in workspace.services.list_background()]
        return [("Foundry Local, served by Firstlight", url) for url in dict.fromkeys(here + stay)]

    now = workspace.session.endpoint
    screen = ConnectScreen(workspace.services.find_servers, connected=now, own=own)
    node.app.push_screen(screen, use)


def connect(node: DOMNode) -> None:
    """Ask for a server; Chat, Benchmark and Quality then work on it."""

    workspace = workspace_of(node)

    def use(choice: ServerChoice | None) -> None:
        if choice is None:
            return
        workspace.session = workspace.session.decide(endpoint=choice.server)
        if choice.server is not None:
            workspace.record("connect", "done", choice.server)
            words = f"Connected to {one_line(choice.server['target'], 100)}: Chat, Benchmark and Quality ask it now."
        else:
            words = "Disconnected: the steps work on your own artifact again."
        node.app.notify(words, markup=False)

    ask_server(node, use)
