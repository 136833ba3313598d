"""The form of the local service, and its newest state."""

from collections.abc import Mapping
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button, Checkbox, Input, Label

from firstlight_core.text import one_line, seconds_text
from firstlight_tui.state.work import Work
from firstlight_tui.widgets.words import Words, part


class _Tick(Checkbox):
    """Told by its shape, not by its colour alone."""

    @property
    def BUTTON_INNER(self) -> str:  # type: ignore[override]
        """The mark."""
        return "✓" if self.value else " "


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

    def __init__(self, port: int, stays: bool, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._port, self._stays = port, stays

    def compose(self) -> ComposeResult:
        yield Label("Serve", classes="muted")
        yield Input(
            str(self._port or ""),
            placeholder="any free port",
            id="serve-port",
            compact=True,
            restrict=r"\d*",
            max_length=6,
            tooltip="The port on this machine; empty takes a free one",
        )
        yield _Tick(
            "keep running after I quit",
            self._stays,
            id="serve-stays",
            compact=True,
            tooltip="Keep serving after the wizard is left, until it is stopped",
        )
        yield Button("Restart", id="serve-restart", compact=True)

    @property
    def port(self) -> int:
        """The chosen port; 0 for any."""
        return int(self.query_one("#serve-port", Input).value or 0)

    @property
    def stays(self) -> bool:
        """Whether the next service outlives the wizard."""
        return self.query_one("#serve-stays", Checkbox).value


class ServicePanel(Words):
    """Whether the service runs, its address, and its last message."""

    DEFAULT_CSS = "ServicePanel { height: auto; }"

    def show(self, work: Work | None, served: Mapping[str, Any] | None, *, deployed: str) -> None:
        """Paint the service; nothing when there was none. `deployed` is the id of the deployment on the screen."""
        if served is not None:
            self.update(_running(served, deployed))
        elif work is not None and work.running:
            label = work.stage.label if work.stage is not None else "Starting Foundry Local"
            self.update(Content.assemble(part("◐ ", "$text-accent"), part(f"{label} …")))
        elif work is not None and work.status == "cancelled":
            self.update("The service is stopped.")
        else:
            self.update("")
        self.display = bool(str(self.visual))


def _running(served: Mapping[str, Any], deployed: str) -> Content:
    health = served.get("health")
    if health is None:
        state = Content.assemble(part("◐ asking /models …"))
    elif health.ok:
        words = f"/models answers in {seconds_text(health.seconds)}: {', '.join(health.models)}"
        state = Content.assemble(part("● ", "$text-success"), part(one_line(words, 160)))
    else:
        state = Content.assemble(part("○ ", "$text-error"), part(health.sentence))
    model = one_line(str(served["model"]), 90)
    if served["stays"]:
        ends = f"F7 stops it, or later: firstlight serve --stop {model}"
    else:
        ends = "F7 stops it · Ctrl+R restarts it · it ends with the wizard"
    lines = [
        Content.assemble(
            part("Serving  ", "bold $text-success"),
            part(one_line(str(served["base_url"]), 120), "bold"),
        ),
        Content.assemble(
            part("model    ", "$text-accent"),
            part(model),
            part(f"  process {served['pid']}  F6 copies a snippet", "$foreground-muted"),
        ),
        state,
        Content.styled(ends, "$foreground-muted"),
    ]
    if model != deployed and model.partition(":")[0] == deployed.partition(":")[0]:
        words = f"! It still speaks with {model}: Ctrl+R takes {deployed}."
        lines.append(Content.assemble(part(words, "$text-warning")))
    return Content("\n").join(lines)
