"""The panel beside the choices in wide terminals: how one's own code asks the served model."""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from firstlight_core.text import one_line
from firstlight_tui.state.deployment import served_id
from firstlight_tui.terminal.app import workspace_of
from firstlight_tui.widgets.words import Words, part

PLACEHOLDER = "http://127.0.0.1:PORT/v1"
"""The address before anything is served."""
TITLES = {
    "python": "Python",
    "javascript": "JavaScript",
    "curl": "curl",
    "agent_framework": "Agent Framework",
    "environment": "Programs that know OpenAI's variables",
}


class SnippetsPanel(Vertical):
    """The client code for the service, at its address once it runs."""

    DEFAULT_CSS = """
    SnippetsPanel { display: none; width: 84; height: auto; margin-left: 1; padding: 0 1; border: round $border-blurred; border-title-color: $text-accent; }
    SnippetsPanel Words { height: auto; }
    """

    def compose(self) -> ComposeResult:
        self.border_title = "ask it from your own code"
        yield Words(id="client-code")

    def on_mount(self) -> None:
        """Follow the session and the service."""
        workspace_of(self).session_changed.subscribe(self, lambda _: self.show())
        self.show()

    def on_show(self) -> None:
        """Paint it when the terminal has become wide enough."""
        self.show()

    def show(self) -> None:
        """Paint the code for the running service, else for the one that F7 would start."""
        workspace = workspace_of(self)
        if not self.display or workspace.session.artifact is None:
            return
        served = workspace.service.served
        if served is not None:
            head, snippets = (
                f"Serving at {served.base_url} · F6 copies one of these",
                served.snippets,
            )
        else:
            from firstlight_core.foundry.service import snippets as client_snippets

            head = "F7 serves the model; then its port stands here, and F6 copies."
            snippets = client_snippets(PLACEHOLDER, served_id(workspace.session))
        lines = [Content.styled(one_line(head, 160), "$foreground-muted")]
        for key, title in TITLES.items():
            if text := snippets.get(key):
                lines.append(Content.styled(f"\n{title}", "$text-accent"))
                lines.append(Content.assemble(part(str(text).strip())))
        self.query_one("#client-code", Words).update(Content("\n").join(lines))
