"""The choices before a deployment: its name, its target, and its cache."""

import asyncio
from collections.abc import Mapping, Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Grid
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Label, RadioButton, RadioSet

from firstlight_core.deploy.targets import target_words
from firstlight_core.errors import FirstlightError, UsageError
from firstlight_core.text import one_line
from firstlight_tui.state.deployment import PURPOSES, Choice, suggested_choice
from firstlight_tui.terminal.app import workspace_of
from firstlight_tui.terminal.workers import begin
from firstlight_tui.widgets.words import Words, part

CACHES: Mapping[str, tuple[str, str]] = {
    "private": ("Firstlight's own", "Found by Firstlight and apps that open it"),
    "foundry": ("the foundry command's", "Found by the foundry command too"),
}
"""Label and meaning of each cache of the core."""


class _Compact(RadioButton):
    """Five of them fit into 51 columns side by side; the mark has its own shape, not only its own colour."""

    BUTTON_LEFT = BUTTON_RIGHT = ""

    @property
    def BUTTON_INNER(self) -> str:  # type: ignore[override]
        """The mark."""
        return "●" if self.value else "○"


class ChoiceForm(Grid):
    """Name, target and cache, each with what it means; posts `Changed` when one of them, or a taken name, is another."""

    DEFAULT_CSS = """
    ChoiceForm { grid-size: 2; grid-columns: 8 1fr; grid-rows: auto; height: auto; }
    ChoiceForm RadioSet { layout: horizontal; border: none; padding: 0; background: transparent; height: 1; }
    ChoiceForm RadioSet > RadioButton { width: auto; margin-right: 1; background: transparent; }
    ChoiceForm RadioSet > RadioButton > .toggle--button { background: transparent; color: $foreground 35%; }
    ChoiceForm RadioSet > RadioButton.-on > .toggle--button { color: $text-success; }
    ChoiceForm Words { height: auto; }
    ChoiceForm .-cache { display: none; }
    ChoiceForm.-cached .-cache { display: block; }
    """

    class Changed(Message):
        """Something else is chosen, or other names are taken."""

    def __init__(self, choice: Choice, targets: Sequence[str], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._first, self._targets = choice, targets
        self._targets_by_name: dict[str, str] = {}
        """Names that are deployed on this machine, in lower case, and their targets."""

    def compose(self) -> ComposeResult:
        first = self._first
        yield Label("Use in", classes="muted")
        with RadioSet(id="targets", compact=True):
            for key in self._targets:
                label = PURPOSES.get(key, key)
                yield _Compact(label, key == first.target, id=f"target-{key}", compact=True)
        yield Label("")
        yield Words(id="target-words", classes="muted")
        yield Label("Name", classes="muted")
        yield Input(first.name, id="deploy-name", compact=True, max_length=200)
        yield Label("")
        yield Words(id="name-words")
        yield Label("Cache", classes="muted -cache")
        with RadioSet(id="caches", compact=True, classes="-cache"):
            for key, (label, _) in CACHES.items():
                yield _Compact(label, key == first.cache, id=f"cache-{key}", compact=True)
        yield Label("", classes="-cache")
        yield Words(id="cache-words", classes="muted -cache")

    @property
    def choice(self) -> Choice:
        """The current choice."""
        return Choice(
            name=self.query_one("#deploy-name", Input).value.strip(),
            target=self._marked("#targets", "target-") or self._first.target,
            cache=self._marked("#caches", "cache-") or self._first.cache,
        )

    def _marked(self, selector: str, prefix: str) -> str:
        button = self.query_one(selector, RadioSet).pressed_button
        return str(button.id).removeprefix(prefix) if button is not None else ""

    @property
    def replaces(self) -> bool:
        """True if a deployment of the chosen name would have to give way."""
        return self.choice.replaces(self._targets_by_name)

    @property
    def name_is_valid(self) -> bool:
        """True if a deployment may have the chosen name."""
        return name_words(self.choice.name, self._targets_by_name, None)[0]

    def focus_name(self) -> None:
        """Put the cursor into the name."""
        self.query_one("#deploy-name", Input).focus()

    def on_mount(self) -> None:
        """Follow the session: what is deployed is no news to its name."""
        workspace_of(self).session_changed.subscribe(self, lambda _: self.show())
        self.show()

    def look(self) -> None:
        """Find out which names are taken on this machine."""
        begin(self, self._look, group="deployments")

    async def _look(self) -> None:
        try:
            deployments = await asyncio.to_thread(workspace_of(self).services.list_deployments)
        except (FirstlightError, OSError):
            return
        self._targets_by_name = {row.name.lower(): row.target for row in deployments}
        # The step may be left meanwhile, and its parts go one by one.
        if self.query("#cache-words"):
            self.show()
            self.post_message(self.Changed())

    @on(Input.Changed, "#deploy-name")
    @on(RadioSet.Changed)
    def _chosen(self, event: Message) -> None:
        event.stop()
        workspace = workspace_of(self)
        own = self.choice != suggested_choice(workspace.session)
        # What is as suggested is no draft: when the template gets another name, that is suggested.
        workspace.drafts.deployment = (workspace.session.artifact, self.choice) if own else None
        self.show()
        self.post_message(self.Changed())

    def show(self) -> None:
        """Paint what the chosen name, target and cache mean."""
        choice, session = self.choice, workspace_of(self).session
        # An export has a name of its own.
        taken = self._targets_by_name if choice.cached else {}
        current = choice.name if choice.is_deployed(session) else None
        name = name_words(choice.name, taken, current)[1]
        self.set_class(choice.cached, "-cached")
        self.query_one("#name-words", Words).update(
            name if session.artifact is not None else "There is no artifact yet: convert first."
        )
        self.query_one("#target-words", Words).update(target_words(choice.target))
        self.query_one("#cache-words", Words).update(f"{CACHES[choice.cache][1]}; d says by whom.")


def name_words(name: str, targets: Mapping[str, str], current: str | None) -> tuple[bool, Content]:
    """Return whether a deployment may have this name, and that in words; `targets` is lower-case name → target."""
    from firstlight_core.artifact.inference_model import check_name

    try:
        check_name(name)
    except UsageError as error:
        return False, Content.assemble(part(f"✗ {error.with_hint}", "$text-error"))
    if name == current:
        return True, Content.assemble(part("✓ deployed under this name", "$text-success"))
    if (target := targets.get(name.lower())) is not None:
        words = f"! taken ({one_line(target, 30)}): deploying replaces it, after a question"
        return True, Content.assemble(part(words, "$text-warning"))
    return True, Content.assemble(part("✓ the name is free", "$text-success"))
